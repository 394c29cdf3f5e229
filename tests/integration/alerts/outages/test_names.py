"""What boxes tell is a name of an outage if people can read it; whoever told something else is a member by what else it has."""

from __future__ import annotations

import json

import asyncpg
import pytest

from tests.integration.alerts.outages.conftest import Scotland

NOTHING = {"sim_operator": None, "postcode_district": None, "model": None, "council_id": None}


@pytest.mark.parametrize("told", ["\x1b[2J\x07", "7\r\nSubject: all is well", "\u202e70F2", "c" * 2000])
async def test_what_nobody_can_read_is_no_name_and_whoever_told_it_is_a_member_all_the_same(
    scotland: Scotland, told: str
) -> None:
    homes, database = scotland.homes, scotland.world.database
    await homes.fall_silent(scotland.skye, cell_id=told, firmware=told, **NOTHING)
    assert await homes.open() == []  # nothing else is known that they share
    await homes.fall_silent(scotland.glasgow, cell_id=told, firmware=told)
    assert await homes.open() == [("council_id", "glasgow-city", 240)]
    members = await database.fetch(
        "select device_id from alerts.outage_member where left_at is null order by device_id"
    )
    assert [row["device_id"] for row in members] == scotland.glasgow
    bodies = await database.fetch("select body::text as body from alerts.notification where outage_id is not null")
    assert [json.loads(row["body"])["data"]["value"] for row in bodies] == ["glasgow-city"]
    await homes.after(120)
    assert await homes.singles() == scotland.skye


async def test_the_database_takes_no_name_that_nobody_can_read(scotland: Scotland) -> None:
    await scotland.homes.fall_silent(scotland.glasgow)
    for bad in ("\x1b[2J", "7\n", "\x85", "c" * 65):
        with pytest.raises(asyncpg.CheckViolationError):
            await scotland.world.database.execute("update alerts.outage set value = $1", bad)
