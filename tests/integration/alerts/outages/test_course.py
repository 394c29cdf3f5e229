"""How an outage ends: its members return one after the other, it is closed, and in the end its list is forgotten."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from services.alerts.domain.outages.moves import SUSPECTED_FOR
from tests.integration.alerts.outages.conftest import Scotland

DAY_S = 86_400


async def test_members_return_one_after_the_other_until_it_is_over(scotland: Scotland) -> None:
    homes, minutes = scotland.homes, 0
    await homes.fall_silent(scotland.glasgow)
    left = list(scotland.glasgow)
    stood = [240]
    while await homes.open():
        minutes += 5
        back, left = left[:36], left[36:]
        await homes.return_(back)
        await homes.after(300)
        stood += [now for _, _, now in await homes.open()]
    assert (minutes, len(left)) == (35, 0)
    assert stood == [240, 204, 168, 132, 96, 60, 24]
    told = Counter(news for hub, news in await homes.told() if hub == "clyde-arc")
    assert told == {"outage.opened": 1, "outage.updated": 7, "outage.closed": 1}
    assert await homes.singles() == []
    (outage,) = await homes.outages()
    assert (outage["members"], outage["peak"], outage["members_now"]) == (240, 240, 0)
    back_at = await scotland.world.database.fetch("select distinct left_at from alerts.outage_member")
    assert len(back_at) == 7


async def test_a_tenth_that_does_not_return_closes_it_and_is_told_of_home_by_home(scotland: Scotland) -> None:
    homes = scotland.homes
    await homes.fall_silent(scotland.glasgow)
    await homes.after(3600)
    await homes.return_(scotland.glasgow[:216])
    await homes.after(300)
    assert await homes.open() == [("council_id", "glasgow-city", 24)]  # a tenth is not below it
    assert await homes.singles() == []
    await homes.return_([scotland.glasgow[216]])
    await homes.after(60)
    assert await homes.open() == []
    await homes.after(SUSPECTED_FOR.total_seconds())
    assert await homes.singles() == scotland.glasgow[217:]


async def test_devices_that_flap_and_joined_it_late_stay_in_its_list_and_do_not_keep_it_open(
    scotland: Scotland,
) -> None:
    homes = scotland.homes
    flapping, others = scotland.glasgow[:40], scotland.glasgow[40:]
    await homes.fall_silent(others[1:])
    await homes.after(3600)
    await homes.change(flapping, flapping=True)
    await homes.fall_silent(others[:1])
    assert await homes.open() == [("council_id", "glasgow-city", 240)]
    await homes.return_(others)
    assert await homes.open() == [("council_id", "glasgow-city", 40)]  # people are told how many are silent still
    await homes.after(60)
    assert await homes.open() == []
    listed = await scotland.world.database.fetchval("select count(*) from alerts.outage_member")
    assert listed == 240
    assert [each["members"] for each in await homes.outages()] == [240]
    await homes.after(120)
    assert await homes.singles() == flapping


async def test_lists_are_forgotten_four_hundred_days_after_the_end_and_the_outage_stays(scotland: Scotland) -> None:
    homes, world = scotland.homes, scotland.world
    forget, count = world.parts.outages.retention.run_once, world.database.fetchval
    await homes.fall_silent(scotland.skye)
    await homes.after(3600)
    await homes.fall_silent(scotland.glasgow)
    await homes.return_(scotland.skye)
    await homes.after(60)
    over, still_open = await homes.outages()
    assert (over["closed_at"] is None, still_open["closed_at"] is None) == (False, True)
    await forget()
    assert await count("select count(*) from alerts.affected") == 260
    world.clock.move(31 * DAY_S)
    assert await forget() == 20  # who was affected, and is no longer
    assert await count("select count(*) from alerts.affected where ended_at is not null") == 0
    await _made_older(scotland, 368)
    assert await forget() == 0
    await _made_older(scotland, 3)
    assert await forget() == 20
    rows = await world.database.fetch("select outage_id, count(*) as members from alerts.outage_member group by 1")
    assert [tuple(row) for row in rows] == [(still_open["outage_id"], 240)]
    assert [each["members"] for each in await homes.outages()] == [20, 240]


async def _made_older(scotland: Scotland, days: int) -> None:
    """The database keeps lists for a year by its own clock: here they are made older, for that can't be moved."""
    await scotland.world.database.execute(
        "update alerts.outage set opened_at = opened_at - $1::interval, closed_at = closed_at - $1::interval",
        timedelta(days=days),
    )


async def test_no_setting_and_no_service_makes_the_database_forget_a_list_within_a_year(scotland: Scotland) -> None:
    homes, world = scotland.homes, scotland.world
    await homes.fall_silent(scotland.skye)
    await homes.return_(scotland.skye)
    await homes.after(60)
    async with world.parts.pool.acquire() as alerts:
        assert await alerts.fetchval("select alerts.forget_members(now() + interval '9 years')") == 0
    await _made_older(scotland, 366)
    async with world.parts.pool.acquire() as alerts:
        assert await alerts.fetchval("select alerts.forget_members(now() + interval '9 years', 15)") == 15
        assert await alerts.fetchval("select alerts.forget_members(now() + interval '9 years', 15)") == 5


async def test_a_council_that_comes_late_to_it_is_told_at_once_however_few_its_homes_are(scotland: Scotland) -> None:
    """Or its hub would know of them neither one by one, for they are members, nor by the outage, which has not grown by a tenth."""
    homes = scotland.homes
    await scotland.world.hub("moray-arc", "http://127.0.0.1:9/moray")
    await scotland.world.route("moray", "moray-arc")
    moray = await homes.register(20, council_id="moray", postcode_district="IV30", model="Hub B")
    await homes.fall_silent([*scotland.inverness[:30], *scotland.glasgow[:180]])
    await homes.after(600)
    assert [(attribute, members) for attribute, _, members in await homes.open()] == [("sim_operator", 210)]
    assert "moray-arc" not in {hub for hub, _ in await homes.told()}
    await homes.fall_silent(moray[:16])
    await homes.after(60)
    assert ("moray-arc", "outage.updated") in await homes.told()
    told = await homes.told()
    await homes.after(600)
    assert await homes.told() == told
    assert await homes.singles() == []
