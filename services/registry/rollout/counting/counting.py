"""Counts the lines of devices' history into weeks, each line once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from asyncpg import Record

from services.chassis.clock import Clock
from services.chassis.postgres import Connection, Pool, Queries
from services.chassis.postgres.borrow import borrow
from services.registry.domain.rollout_weeks import Cell, Flow, Line, Standing, follow, total

_QUERIES = Queries.beside(__file__)

EVERY_S: Final = 2.0
LINES_MAX: Final = 5000
"""In one transaction: what is counted at once delays nobody, and a line that is not counted yet waits for no more than this."""

_AGAIN_WITHIN_S: Final = 600.0


class Counting:
    """For a loop. Of two processes one counts, whichever comes first."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def run_once(self) -> int:
        """Count what was not counted, and note which devices were heard since they went live; how many lines that were.

        While there is a backlog nothing is noted: what was noted would wait at its end, and be looked at again in each run.
        """
        async with borrow(self._pool) as connection, connection.transaction():
            if not await connection.fetchval(_QUERIES["alone"]):
                return 0
            counted = await _count(connection)
            if counted == LINES_MAX:
                return counted
            noted = await connection.execute(_QUERIES["note_heard"], self._clock.now(), LINES_MAX)
            return counted + int(noted.rpartition(" ")[2])


async def begin_again(connection: Connection) -> None:
    """Forget all counts, so that the loop makes them from the whole history. Until it has, they are too low, and say so."""
    async with connection.transaction():
        await connection.execute(_QUERIES["alone_at_last"])
        for name in ("forget_weeks", "forget_standings", "forget_todo", "count_all_again"):
            await connection.execute(_QUERIES[name], timeout=_AGAIN_WITHIN_S)


async def _count(connection: Connection) -> int:
    rows = await connection.fetch(_QUERIES["take_lines"], LINES_MAX)
    if not rows:
        return 0
    standings, flows = follow_all(rows)
    await connection.execute(
        _QUERIES["put_standings"],
        list(standings),
        [each.council_id for each in standings.values()],
        [each.stage for each in standings.values()],
        [each.heard for each in standings.values()],
        [each.was_live for each in standings.values()],
    )
    await connection.execute(
        _QUERIES["add_flows"],
        [cell.week for cell in flows],
        [cell.council_id for cell in flows],
        [cell.stage for cell in flows],
        [flow.entered for flow in flows.values()],
        [flow.left for flow in flows.values()],
        [flow.first for flow in flows.values()],
        [flow.replaced for flow in flows.values()],
    )
    return len(rows)


def follow_all(rows: Sequence[Record]) -> tuple[Mapping[str, Standing], Mapping[Cell, Flow]]:
    """Where the devices of these lines stand after them, and what that does to the counts."""
    standings: dict[str, Standing] = {}
    done = []
    for row in rows:
        device_id = row["device_id"]
        before = standings.get(device_id) or _standing(row)
        line = Line(row["at"], row["stage"], row["council_id"], row["heard"], row["replaced"])
        standings[device_id], flows = follow(before, line, row["council_now"])
        done.append(flows)
    return standings, total(done)


def _standing(row: Record) -> Standing | None:
    if row["was"] is None:
        return None
    return Standing(row["was_in"], row["was"], row["was_heard"], row["was_live"])
