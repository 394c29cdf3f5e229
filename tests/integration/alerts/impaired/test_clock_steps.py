"""The database's clock is put forward or back: for that we are not blind, and if we are all are told in time."""

from datetime import datetime, timedelta

import pytest

from tests.blackbox.hub import Receiver
from tests.integration.alerts.world import World
from tests.scenarios.stepped import SteppedClock

STEPS = [timedelta(seconds=20), timedelta(hours=1), -timedelta(seconds=20), -timedelta(hours=1)]


class Town:
    """One hub, and a watch that looks each second of a clock that nobody can set."""

    def __init__(self, world: World, clock: SteppedClock) -> None:
        self.world, self.clock = world, clock
        self._seconds = 0.0
        self._due: datetime | None = None
        world.parts.watch.memory.monotonic = lambda: self._seconds

    async def renews(self) -> None:
        """As a shard does: up to when it asked, by the time as it was last told it (services/chassis/shard/lease.py)."""
        now = await self.world.database.fetchval("select clock_timestamp()")
        until = min(self._due or now, now)
        await self.world.database.execute("update chassis.shard set heard_until = $1 where service = 'ingest'", until)
        self._due = now + timedelta(seconds=1)

    async def passes(self, seconds: int, *, hears: bool) -> None:
        for _ in range(seconds):
            self._seconds += 1.0
            await self.clock.step(timedelta(seconds=1))  # which is no step: so much time passes
            self.world.clock.move(1)
            if hears:
                await self.renews()
            await self.world.parts.watch.run_once()
        await self.world.settle()


@pytest.fixture
async def town(standing: World, clock: SteppedClock, receiver: Receiver) -> Town:
    channel = receiver.channel("clyde-arc")
    await standing.hub("clyde-arc", channel["url"], secret=channel["secret"])
    town = Town(standing, clock)
    await town.passes(3, hears=True)
    return town


def told(receiver: Receiver) -> list[str]:
    return [each.notification["type"] for each in receiver.of_alarms()]


@pytest.mark.parametrize("step", STEPS, ids=str)
async def test_a_step_alone_tells_nobody(town: Town, receiver: Receiver, step: timedelta) -> None:
    await town.clock.step(step)
    await town.passes(1, hears=False)
    await town.passes(30, hears=True)
    assert told(receiver) == []


@pytest.mark.parametrize("step", STEPS, ids=str)
async def test_who_is_deaf_when_the_clock_steps_is_told_of_in_time_and_no_sooner(
    town: Town, receiver: Receiver, step: timedelta
) -> None:
    await town.passes(8, hears=False)
    await town.clock.step(step)
    await town.passes(6, hears=False)
    assert told(receiver) == []
    await town.passes(2, hears=False)
    assert told(receiver) == ["alarm.raised"]
    await town.passes(13, hears=True)
    assert told(receiver) == ["alarm.raised", "alarm.restored"]


@pytest.mark.parametrize("step", STEPS, ids=str)
async def test_a_take_over_across_a_step_wakes_nobody(town: Town, receiver: Receiver, step: timedelta) -> None:
    await town.passes(6, hears=False)
    await town.clock.step(step)
    await town.passes(6, hears=False)
    await town.passes(20, hears=True)
    assert told(receiver) == []


async def test_whoever_begins_to_watch_finds_how_long_it_was_by_the_databases_clock(
    town: Town, receiver: Receiver
) -> None:
    await town.world.database.execute(
        "update chassis.shard set heard_until = clock_timestamp() - interval '20 seconds' where service = 'ingest'"
    )
    await town.world.parts.watch.run_once()
    await town.world.settle()
    assert told(receiver) == ["alarm.raised"]
