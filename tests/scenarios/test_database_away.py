"""The database is away for ten minutes: nobody is silent for that, all are told that we were blind, and each box gets its time."""

from datetime import timedelta
from pathlib import Path

from tests.scenarios.homes import INTERVAL
from tests.scenarios.hours import LongStory
from tests.support.servers import Broker, Database, DatabaseServer, until

AWAY = timedelta(minutes=10)
HOMES, DEAD_EACH = 60, 12
_LAPSES = "select count(distinct shard) from chassis.hearing_lapse where ended_at > $1 and shard in ('alarms', 'heartbeats-0')"


async def test_the_database_is_away_for_ten_minutes_and_each_box_has_its_own_time_after_it(
    own_postgres: DatabaseServer, own_database: Database, broker: Broker, tmp_path: Path
) -> None:
    async with LongStory.begin(own_database.url, broker, tmp_path) as hours:
        arc, homes = await hours.hub("clyde-arc", "glasgow-city"), hours.homes
        there = [await homes.settle_in(HOMES, cell_id=f"G-{cell}", district=f"G{cell}") for cell in range(4)]
        dead = [home for cell in there for home in cell[:DEAD_EACH]]
        late = [home for cell in there for home in cell[DEAD_EACH:30]]
        await hours.hours_pass(0.25)
        homes.fall_silent(dead + late)
        await hours.hours_pass(0.5)
        await hours.minutes_pass(10)  # in five minutes they would be silent

        await hours.watches_the_hearing()  # and so knows by which ways to tell
        own_postgres.pause()
        paused_at = hours.clock.now()
        try:
            await until(lambda: arc.heard("alarm.raised"), 40, what="the hub to be told from memory")
        finally:
            own_postgres.resume()
        await until(
            lambda: blindness_is_known(hours, paused_at), 30, what="both shards to know how long they were blind"
        )
        passed = hours.clock.now() - paused_at
        await hours.longer_ago(AWAY - passed, before=paused_at)
        await hours.settles()
        assert await hours.silent() == set()
        assert await hours.singles() == []

        (told,) = arc.heard("alarm.raised")
        assert (told.data["device_id"], told.data["kind"], told.data["priority"]) == (
            "monitoring",
            "monitoring_impaired",
            1,
        )
        morag = await hours.operator("Morag", arc)
        assert (await morag.takes(told.data)).status == 200
        await hours.counted("select count(*) from alerts.blindness where heard_since is not null", 1)
        await hours.minutes_pass(1)
        await hours.watches_the_hearing()
        await until(lambda: arc.heard("alarm.restored"), what="the hub to know that it is over")

        homes.are_back(late)
        fell_silent = await by_the_minute(hours, dead)
        assert min(fell_silent) > INTERVAL / timedelta(minutes=1)
        assert max(fell_silent) <= 2 * INTERVAL / timedelta(minutes=1) + STEP
        assert max(fell_silent.values()) < len(dead) / 2  # not all at once
        assert await hours.silent() == set(dead)
        await hours.singles_are_told()
        assert await hours.singles() == sorted(dead)
        assert await hours.open() == []
        of_us = [each.type for each in arc.logbook if each.data.get("device_id") == "monitoring"]
        assert sorted(of_us) == ["alarm.acknowledged", "alarm.raised", "alarm.restored"]


STEP = 3


async def blindness_is_known(hours: LongStory, since: object) -> bool:
    return bool(await hours.database.fetchval(_LAPSES, since) == 2)


async def by_the_minute(hours: LongStory, dead: list[str]) -> dict[int, int]:
    """After how many minutes since we hear again how many fell silent. All others report all the time."""
    fell: dict[int, int] = {}
    known = 0
    for minute in range(STEP, 40, STEP):
        await hours.minutes_pass(STEP)
        await hours.homes.report()
        await hours.settles()
        silent = await hours.silent()
        assert silent <= set(dead)
        if len(silent) > known:
            fell[minute] = len(silent) - known
        known = len(silent)
    return fell
