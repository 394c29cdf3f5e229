"""How an outage ends: its members return one after the other, it is closed, and in the end its list is forgotten."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from services.alerts.domain.outages.moves import SUSPECTED_FOR
from services.alerts.http.asker import Scope
from services.alerts.outages import reading, store
from tests.integration.alerts.outages.conftest import Scotland

DAY_S = 86_400
HOUR_S = 3_600


async def test_of_an_outage_of_which_few_never_return_people_are_told_of_each_after_six_hours(
    scotland: Scotland,
) -> None:
    homes, world = scotland.homes, scotland.world
    silent = scotland.glasgow[:200]
    back, never = silent[:176], silent[176:]
    await homes.fall_silent(silent)
    await _asks_after(scotland, never[0])
    world.clock.move(2 * HOUR_S)
    await homes.return_(back)
    world.clock.move(6 * HOUR_S - 60)
    await homes.settle()
    assert await homes.open() == [("council_id", "glasgow-city", 24)]
    await homes.return_(never[1:4])  # a tenth: that begins the hours anew
    world.clock.move(6 * HOUR_S - 60)
    await homes.settle()
    assert [now for _, _, now in await homes.open()] == [21]
    assert (await homes.singles(), await homes.calls()) == ([], [])
    await homes.after(60)
    assert await homes.open() == []
    (outage,) = await homes.outages()
    assert (outage["closed_as"], outage["left_behind"], outage["unsorted"]) == ("stalled", 21, False)
    await homes.after(SUSPECTED_FOR.total_seconds())
    left = [never[0], *never[4:]]
    assert await homes.singles() == left
    said = await world.database.fetch(
        "select e.body ->> 'text' as text from alerts.alarm_event e join alerts.alarm a using (alarm_id) order by a.device_id"
    )
    assert ["; asked after " in row["text"] for row in said] == [each == never[0] for each in left]
    told = Counter(await homes.told())
    assert told[("clyde-arc", "outage.opened")] == told[("clyde-arc", "outage.closed")] == 1
    await homes.after(SUSPECTED_FOR.total_seconds())
    assert (await homes.open(), await homes.singles()) == ([], left)
    await homes.return_(left)
    assert {each["state"] for each in await world.alarms()} == {"closed"}


GLASGOW = "Outage 23410: 50 homes silent still, 50 not asked after"
HIGHLAND = "Outage 23410: 10 homes silent still, 9 not asked after"


async def test_are_they_many_each_council_has_one_alarm_with_its_list_and_each_day_again_until_they_are_few(
    scotland: Scotland,
) -> None:
    homes, world = scotland.homes, scotland.world
    both = [*scotland.inverness, *scotland.glasgow]
    left = [*scotland.inverness[:10], *scotland.glasgow[:50]]
    await homes.register(200, sim_operator="23430", council_id="fife", postcode_district="KY1", model="Hub C")
    await homes.fall_silent(both)
    assert [(name, members) for name, _, members in await homes.open()] == [("sim_operator", 280)]
    await _asks_after(scotland, left[0])
    await homes.return_([each for each in both if each not in left])
    world.clock.move(6 * HOUR_S)
    await homes.settle()
    assert sorted(await homes.calls()) == [("glasgow-city", "open", GLASGOW), ("highland", "open", HIGHLAND)]
    assert (await homes.singles(), [members for _, _, members in await homes.open()]) == ([], [60])
    alarms = await world.alarms()
    assert {(each["kind"], each["priority"], each["unregistered"]) for each in alarms} == {("device_silent", 3, False)}
    assert {hub for hub, _ in await _told_of_alarms(scotland)} == {"highland-arc", "clyde-arc"}

    # A day later people are called again, whoever has it; and nobody of Highland's is left.
    await world.database.execute(
        "update alerts.alarm set state = 'acknowledged', acknowledged_at = opened_at, acknowledged_by = 'morag', "
        "wake_at = changed_at + interval '1 day'"
    )
    await homes.return_(scotland.inverness[:10])
    world.clock.move(18 * HOUR_S)
    await homes.settle()
    assert {state for _, state, _ in await homes.calls()} == {"acknowledged"}
    world.clock.move(6 * HOUR_S)
    await homes.settle()
    assert [each[:2] for each in sorted(await homes.calls())] == [("glasgow-city", "open"), ("highland", "closed")]
    assert await homes.singles() == []

    # They are few now, and nearly all are back: each is told of by himself, but not within an hour of that.
    await homes.return_(scotland.glasgow[20:50])
    await homes.after(58 * 60)
    assert ([members for _, _, members in await homes.open()], await homes.singles()) == ([20], [])
    await homes.after(120 + SUSPECTED_FOR.total_seconds())
    assert (await homes.open(), await homes.singles()) == ([], scotland.glasgow[:20])
    assert {state for _, state, _ in await homes.calls()} == {"closed"}
    (outage,) = await homes.outages()
    assert (outage["closed_as"], outage["left_behind"]) == ("returned", 20)


async def test_councils_whose_names_begin_alike_have_an_alarm_each(scotland: Scotland) -> None:
    homes, world = scotland.homes, scotland.world
    one, other = (f"the-combined-authority-of-the-north-{which}" for which in ("east", "west"))
    await homes.fall_silent(scotland.glasgow)
    await world.database.execute(
        "update alerts.outage_member set council_id = case when device_id = any ($1::text[]) then $2 else $3 end",
        *(scotland.glasgow[:30], one, other),
    )
    world.clock.move(6 * HOUR_S)
    await homes.settle()
    assert sorted(each[:2] for each in await homes.calls()) == [(one, "open"), (other, "open")]

    # Nobody of the one is left: that ends its own alarm, and not the other's.
    await homes.return_(scotland.glasgow[:30])
    world.clock.move(24 * HOUR_S)
    await homes.settle()
    assert sorted(each[:2] for each in await homes.calls()) == [(one, "closed"), (other, "open")]


async def test_nobody_is_told_of_by_himself_within_an_hour_of_the_call_for_all_who_are_left_though_he_leaves_it(
    scotland: Scotland,
) -> None:
    homes, world = scotland.homes, scotland.world
    await homes.fall_silent(scotland.glasgow)
    world.clock.move(6 * HOUR_S)
    await homes.settle()
    assert len(await homes.calls()) == 1
    gone = scotland.glasgow[0]
    await world.database.execute(
        "with loose as (update alerts.affected set outage_id = null, loose_since = $2 where device_id = $1 returning device_id) "
        "update alerts.outage_member set left_at = $2 where device_id = $1",
        *(gone, world.clock.now()),
    )
    await world.database.execute(
        "update alerts.affected set sim_operator = null, council_id = null, postcode_district = null, "
        "model = null where device_id = $1",
        gone,
    )
    await homes.after(59 * 60)
    assert await homes.singles() == []
    await homes.after(2 * 60)
    assert await homes.singles() == [gone]


async def test_while_we_cannot_hear_nobody_is_taken_for_one_that_never_returns(scotland: Scotland) -> None:
    homes, world = scotland.homes, scotland.world
    await homes.fall_silent(scotland.glasgow)
    since = world.clock.now()
    await world.database.execute(
        "insert into chassis.shard (service, shard, lane, client_id, filters, heard_until) "
        "values ('ingest', 'h-test', 'heartbeat', 'h-test', '{x}', $1)",
        since + timedelta(hours=5),
    )
    world.clock.move(10 * HOUR_S)
    await homes.settle()
    assert await homes.calls() == []
    now = world.clock.now()
    await world.database.execute("update chassis.shard set heard_until = $1 where shard = 'h-test'", now)
    await world.database.execute(
        "insert into chassis.hearing_lapse (shard, started_at, ended_at, reason, filters) "
        "values ('h-test', $1, $2, 'test', null), ('h-test', $1, $2, 'subscribed_anew', '{x}')",  # at once: counted once
        since + timedelta(hours=5),
        now,
    )
    await homes.settle()
    assert await homes.calls() == []
    world.clock.move(1 * HOUR_S)
    await world.database.execute("update chassis.shard set heard_until = $1", world.clock.now())
    await homes.settle()
    assert len(await homes.calls()) == 1


async def _told_of_alarms(scotland: Scotland) -> set[tuple[str, str]]:
    rows = await scotland.world.database.fetch(
        "select d.hub_id, n.type from alerts.delivery d join alerts.notification n using (notification_id) "
        "where n.alarm_id is not null and d.kind <> 'receipt'"
    )
    return {(row["hub_id"], row["type"]) for row in rows}


async def _asks_after(scotland: Scotland, device: str) -> None:
    world = scotland.world
    ((outage,),) = await world.database.fetch("select outage_id from alerts.outage")
    async with world.parts.pool.acquire() as connection:
        await reading.contacted(
            connection, outage, device, Scope(None, None), operator="Morag", note=None, now=world.clock.now()
        )


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
    flapping, others = scotland.glasgow[:20], scotland.glasgow[20:]
    await homes.fall_silent(others[1:])
    await homes.after(3600)
    await homes.change(flapping, flapping=True)
    await homes.fall_silent(others[:1])
    assert await homes.open() == [("council_id", "glasgow-city", 240)]
    await homes.return_(others)
    assert await homes.open() == [("council_id", "glasgow-city", 20)]  # people are told how many are silent still
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


async def test_one_that_somebody_closes_by_hand_while_it_is_looked_at_stays_closed(
    scotland: Scotland, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look has read it as open, and writes how many there are now."""
    homes, database = scotland.homes, scotland.world.database
    silent = scotland.glasgow[:200]
    await homes.fall_silent(silent)
    (outage,) = await homes.outages()
    assert outage["closed_at"] is None
    usual = store.deaf_for

    async def closed_meanwhile(connection: Any, *look: Any) -> timedelta:
        await database.execute(
            "update alerts.outage set closed_at = now(), members_now = 0 where outage_id = $1", outage["outage_id"]
        )
        return await usual(connection, *look)

    monkeypatch.setattr(store, "deaf_for", closed_meanwhile)
    await homes.return_(silent[:20])
    closed_at = "select closed_at from alerts.outage where outage_id = $1"
    assert await database.fetchval(closed_at, outage["outage_id"]) is not None
