"""Clocks that jump by an hour, and boxes whose clocks were never right: nobody is silent for that, and no silence is hidden.

What is promised (docs/decisions/0018-blindness.md, 0020-silence.md): silence is counted in time in which we could hear, by the
database's clock. One that is put forward looks like a time of deafness to whoever keeps that, and each device has its own interval
after it, but people are told of none (0026-who-hears-whom.md); one that is put back takes nothing from anybody's silence but what
had passed of it.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.scenarios.hours import LongStory
from tests.scenarios.stepped import SteppedClock
from tests.support.servers import Broker, Database

HOUR = timedelta(hours=1)
HOMES = 120


@pytest.fixture
async def clock(database: Database) -> SteppedClock:
    return await SteppedClock.make(database)


@pytest.fixture
async def town(clock: SteppedClock, database: Database, broker: Broker, tmp_path: Path) -> AsyncIterator[LongStory]:
    """A town in which all report but one, whose last report was half an hour ago."""
    async with LongStory.begin(database.url, broker, tmp_path) as hours:
        await hours.hub("clyde-arc", "glasgow-city")
        for cell in range(4):
            await hours.homes.settle_in(HOMES // 4, cell_id=f"G-{cell}", district=f"G{cell}")
        await hours.hours_pass(0.25)
        hours.homes.fall_silent([DEAD])
        await hours.hours_pass(0.5)
        assert await hours.silent() == set()
        await hours.watches_the_hearing()  # whoever never saw a watermark before the step goes by the database's clock
        yield hours


DEAD = "TC-00007"


@pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["forward", "back"])
async def test_the_databases_clock_steps_and_nobody_is_silent_for_it_but_who_is(
    step: timedelta, town: LongStory, clock: SteppedClock
) -> None:
    await clock.step(step)
    await town.settles()  # the service goes by its own carrying on, until it asks again
    assert await town.silent() == set()
    await town.hears()
    await town.settles()
    assert await town.silent() == set()
    await town.asks_the_time()
    await town.settles()
    await town.minutes_pass(14, halting=False)
    assert (await town.silent(), await town.open(), await town.singles()) == (set(), [], [])

    await town.homes.report()
    await town.hours_pass(1, halting=False)
    await town.silence_is_found([DEAD])
    assert (await town.silent(), await town.open(), await town.singles()) == ({DEAD}, [], [DEAD])
    assert await town.singles("monitoring_impaired") == []


async def test_a_service_that_is_an_hour_ahead_of_the_database_judges_nobody(
    town: LongStory, clock: SteppedClock
) -> None:
    await clock.step(HOUR)
    await town.asks_the_time()
    await clock.step(-HOUR)
    await town.settles()
    assert await town.silent() == set()
    await town.asks_the_time()
    await who_is_dead_is_found(town)


async def test_a_clock_that_is_put_back_and_then_right_again_makes_nobody_silent(
    town: LongStory, clock: SteppedClock
) -> None:
    for step in (-HOUR, HOUR):
        await clock.step(step)
        await town.hears()
        await town.asks_the_time()
        await town.settles()
        assert await town.silent() == set()
    await who_is_dead_is_found(town)


async def who_is_dead_is_found(town: LongStory) -> None:
    """And nobody else; nobody was told that we were deaf."""
    await town.minutes_pass(14, halting=False)
    assert await town.silent() <= {DEAD}
    await town.homes.report()
    await town.hours_pass(2, halting=False)
    await town.singles_are_told()
    assert (await town.silent(), await town.open(), await town.singles()) == ({DEAD}, [], [DEAD])
    assert await town.singles("monitoring_impaired") == []


async def test_boxes_with_wrong_clocks_are_heard_when_they_are_heard(town: LongStory) -> None:
    told = {"1970-01-01T00:00:11Z": 0, "2019-04-07T00:00:00Z": 1, "2038-01-19T03:14:08Z": 2}
    for _ in range(8):
        await town.minutes_pass(15)
        for sent_at, number in told.items():
            await town.homes.report(town.homes.audible[number::3], sent_at=sent_at)
        await town.settles()
    assert await town.silent() == {DEAD}
    await town.singles_are_told()
    assert (await town.open(), await town.singles()) == ([], [DEAD])


async def test_a_clock_that_was_an_hour_ahead_and_is_put_right_hides_no_silence(
    town: LongStory, clock: SteppedClock
) -> None:
    """What was written down as deafness for it ends in an hour, by the clock that is right: nobody waits for that."""
    for step in (HOUR, -HOUR):
        await clock.step(step)
        await town.hears()
        await town.asks_the_time()
        await town.settles()
        assert await town.silent() == set()
    await town.silence_is_found([DEAD], quarters=3)  # half an hour, and a quarter more if this machine paused meanwhile
    assert await town.silent() == {DEAD}
