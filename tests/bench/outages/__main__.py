"""`python -m tests.bench.outages`: exit code 1 if a member was told of by itself, or the outage has no end."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from uuid import UUID

from services.alerts.http.asker import Scope
from services.alerts.outages.worklist import worklist
from tests.bench.machine import machine, what_else_runs
from tests.bench.outages.fleet import fall_silent, register, return_
from tests.integration.alerts.world import World, make_world
from tests.support import servers

_TICK_S: Final = 0.1
_MANY_S: Final = 1800
_ALL_IS_TAKEN: Final = "select not exists (select from chassis.event_log where stream = 'conditions')"
_NOBODY_IS_LOOSE: Final = (
    f"{_ALL_IS_TAKEN} and not exists (select from alerts.affected where ended_at is null and outage_id is null)"
)
_ALL_IS_OVER: Final = "select not exists (select from alerts.outage where closed_at is null)"


class Live:
    """Intake and detector side by side, as in the service, while time goes on."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.taken = 0
        self.raised = 0
        self._over = asyncio.Event()

    async def until(self, over: str) -> float:
        """Run until this query says so; how many seconds that took."""
        self._over.clear()
        began_s = time.monotonic()
        room = self.world.parts.outages
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._go_on())
            tasks.create_task(self._repeat(room.intake.run_once, self._took))
            tasks.create_task(self._repeat(room.detector.run_once, self._raised))
            await servers.until(lambda: self.world.database.fetchval(over), _MANY_S, what=over)
            self._over.set()
        return time.monotonic() - began_s

    async def _go_on(self) -> None:
        last_s = time.monotonic()
        while not self._over.is_set():
            await asyncio.sleep(_TICK_S)
            self.world.clock.move(time.monotonic() - last_s)
            last_s = time.monotonic()

    async def _repeat(self, run_once: Callable[[], Awaitable[int]], count: Callable[[int], None]) -> None:
        while not self._over.is_set():
            done = await run_once()
            count(done)
            if not done:
                await asyncio.sleep(1)

    def _took(self, changes: int) -> None:
        self.taken += changes

    def _raised(self, alarms: int) -> None:
        self.raised += alarms


async def measure(world: World, devices: int) -> int:
    """Print what each step took; how many alarms there were, of which there should be none."""
    database, live, members = world.database, Live(world), devices // 2
    await register(database, devices)
    await world.parts.outages.fleet.count()
    await fall_silent(database, world.clock.now())
    joined_s = await live.until(_NOBODY_IS_LOOSE)
    _say("taken, and members", joined_s, members)
    outage_id: UUID = await database.fetchval("select outage_id from alerts.outage")
    began_s, size = time.monotonic(), 0
    async for piece in worklist(world.parts.reading, outage_id, Scope(None, None)):
        size += len(piece)
    _say(f"worklist of {size / 1e6:.0f} MB", time.monotonic() - began_s, members)
    await return_(database, world.clock.now())
    back_s = await live.until(_ALL_IS_TAKEN)
    _say("taken, and back", back_s, members)
    _say("over", await live.until(_ALL_IS_OVER), members)
    return live.raised


def _say(what: str, took_s: float, members: int) -> None:
    print(f"{what:24} {took_s:6.1f} s  {took_s * 1e6 / members:6.1f} µs each", flush=True)


async def main(devices: int) -> int:
    """Returns the exit code."""
    print(machine())
    print(await what_else_runs(), flush=True)
    keeper, pristine = servers.make_pristine_cluster()
    server = servers.make_database_server(pristine)
    server.start()
    try:
        with tempfile.TemporaryDirectory() as directory:
            async with make_world(await server.create_database(), Path(directory)) as world:
                raised = await measure(world, devices)
    finally:
        server.close()
        keeper.stop()
    print(await what_else_runs())
    print(f"{'NOT REACHED' if raised else 'reached'}: no member is told of by itself: {raised}")
    return 1 if raised else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.outages", description=__doc__)
    parser.add_argument("--devices", type=int, default=1_000_000)
    sys.exit(asyncio.run(main(parser.parse_args().devices)))
