"""The database is away for a while: nobody is silent for that, all are told that we were blind, and each box gets its time."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.scenarios.blind import blind_for, by_the_minute, it_is_over
from tests.scenarios.homes import INTERVAL, MODEL
from tests.scenarios.hours import LongStory, paged
from tests.support.servers import Broker, Database, DatabaseServer

pytestmark = pytest.mark.timeout(300)

MINUTE = timedelta(minutes=1)
HOMES, DEAD_EACH = 60, 12
DYING = 120
OPERATOR = "23410"
OFTEN = timedelta(minutes=5)
"""A model's interval: of one with a long one so few fall silent in two minutes that some would be told of by themselves."""
SILENT_AFTER = timedelta(minutes=5, seconds=20)
_MISSES_NONE = """
update registry.device_model set heartbeat_interval_s = $2, late_after_missed = 1, silent_after_s = $3 where model = $1
"""


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

        await blind_for(10 * MINUTE, hours, own_postgres, arc)
        assert await hours.silent() == set()
        assert await hours.singles() == []
        await it_is_over(hours, arc)

        homes.are_back(late)
        fell_silent = await by_the_minute(hours, dead, 3, 40 * MINUTE)
        assert min(fell_silent) > INTERVAL / MINUTE
        assert max(fell_silent) <= 2 * INTERVAL / MINUTE + 4
        assert max(fell_silent.values()) < len(dead) / 2  # not all at once
        assert await hours.silent() == set(dead)
        await hours.singles_are_told()
        assert await hours.singles() == sorted(dead)
        assert await hours.open() == []
        of_us = [each.type for each in arc.logbook if each.data.get("device_id") == "monitoring"]
        assert sorted(of_us) == ["alarm.acknowledged", "alarm.raised", "alarm.restored"]


async def test_an_operators_devices_die_while_we_are_blind_and_after_their_time_they_are_told_as_one_outage(
    own_postgres: DatabaseServer, own_database: Database, broker: Broker, tmp_path: Path
) -> None:
    """Of a model that may miss no report: one that may miss two has had its interval before it has been silent for long enough."""
    async with LongStory.begin(own_database.url, broker, tmp_path) as hours:
        await hours.database.execute(_MISSES_NONE, MODEL, OFTEN.total_seconds(), SILENT_AFTER.total_seconds())
        arc, homes = await hours.hub("clyde-arc", "glasgow-city"), hours.homes
        dying: list[str] = []
        for cell in range(DYING // 4):  # too few of each to be an outage of their own
            for operator in (OPERATOR, "23415", "23430"):
                where = {"district": f"G{cell}", "cell_id": f"{operator}-{cell}", "sim_operator": operator}
                settled = await homes.settle_in(4, **where)
                dying += settled if operator == OPERATOR else []
        await hours.hours_pass(0.5, every=OFTEN)
        assert await hours.silent() == set()

        await blind_for(4 * OFTEN, hours, own_postgres, arc, lambda: homes.fall_silent(dying))
        await homes.report()
        await it_is_over(hours, arc)
        assert (await hours.silent(), await hours.open()) == (set(), [])

        await hours.minutes_pass(3)
        # In small steps, so that the first wait for the next as they would.
        fell_silent = await by_the_minute(hours, dying, 0.2, 11 * MINUTE)
        assert await hours.silent() == set(dying)
        assert min(fell_silent) > OFTEN / MINUTE
        assert max(fell_silent) <= 2 * OFTEN / MINUTE + 1
        assert max(fell_silent.values()) < len(dying) / 2  # not all at once
        await hours.hours_pass(0.15, every=OFTEN)  # longer than singles wait; the others report
        assert await hours.open() == [("silent", "sim_operator", OPERATOR, len(dying))]
        assert len(await hours.outages()) == 1
        assert await hours.singles() == []
        assert paged(arc, "outage.updated") == [
            ("alarm.raised", "monitoring"),
            ("alarm.acknowledged", "monitoring"),
            ("alarm.restored", "monitoring"),
            ("outage.opened", OPERATOR),
        ]
