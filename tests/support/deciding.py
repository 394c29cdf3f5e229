"""Decides about outages, as a process of alerts does: `python -m tests.support.deciding URL NOW ROUNDS [DIES WHEN OF]`.

`DIES` is after how many moves of members (or, `OF` "calls", calls to people for those who are left) it loses its power; `WHEN` is
"before" that is committed, or "after". Production code holds no hook: here what moves members is wrapped. Moves are small, so that
few devices make many. Prints how many it made.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from services.alerts.outages import detector, store
from services.alerts.outages.detector import Detector
from services.alerts.outages.fleet import FleetCount
from services.chassis.postgres import Connection
from services.chassis.postgres import borrow as borrowing
from services.chassis.postgres import pool as postgres
from services.chassis.postgres.pool import open_pool
from tests.support.sweeping import StandingClock

MOVED_AT_ONCE = 7
NAME = "deciding"


def count_moves(dies: int, when: str, of: str) -> list[None]:
    """Of members: one entry each. And lose the power at one of them: no handler, no flush."""
    moves: list[None] = []

    def counted(move: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def and_count(*arguments: Any, **named: Any) -> Any:
            result = await move(*arguments, **named)
            if result:
                moves.append(None)
            if when == "before":
                die()
            return result

        return and_count

    def die() -> None:
        if len(moves) == dies:
            os.kill(os.getpid(), signal.SIGKILL)

    alone = Detector._alone

    @asynccontextmanager
    async def alone_and_die(of: Detector) -> AsyncIterator[Connection | None]:
        async with alone(of) as connection:
            yield connection
        if when == "after":
            die()

    if of == "calls":
        detector.call = counted(detector.call)  # type: ignore[assignment, attr-defined]
    else:
        store.join = counted(store.join)  # type: ignore[assignment]
        store.sort_out = counted(store.sort_out)  # type: ignore[assignment]
    Detector._alone = alone_and_die  # type: ignore[assignment, method-assign]
    return moves


async def main() -> None:
    url, now, rounds, *death = sys.argv[1:]
    store.MOVED_AT_ONCE_MAX = MOVED_AT_ONCE  # type: ignore[misc]
    detector._TELL_AFTER_S = 3600.0  # type: ignore[misc]  # that people need not wait for who joins is not what is tried
    # As tests/conftest.py has it: a machine that stands still for some seconds ends no transaction, and no attempt to connect.
    for module, name in (
        (postgres, "IDLE_IN_TRANSACTION_S"),
        (postgres, "CONNECT_TIMEOUT_S"),
        (borrowing, "ACQUIRE_TIMEOUT_S"),
    ):
        setattr(module, name, 60)
    dies, when, of = death or ("-1", "after", "moves")
    moves = count_moves(int(dies), when, of)
    pool = await open_pool(url, role="telecare_alerts", name=NAME)
    clock = StandingClock(datetime.fromisoformat(now))
    fleet = FleetCount(pool, clock)
    await fleet.count()
    decides = Detector(pool, clock, fleet, None, lambda: None)
    for _ in range(int(rounds)):
        await decides.run_once()
    await pool.close()
    print(len(moves))


if __name__ == "__main__":
    asyncio.run(main())
