"""Many at once are one outage with a list; whoever is alone is told of alone; nobody is ever told of twice, or not at all."""

from __future__ import annotations

import json
from datetime import timedelta

import asyncpg
import pytest

from services.alerts.domain.triggers import Close
from services.alerts.outages import store
from services.alerts.people import People
from tests.blackbox.hub import Receiver
from tests.integration.alerts.outages.conftest import Scotland
from tests.integration.alerts.world import World
from tests.unit.alerts.build import event


async def test_one_dead_device_is_an_alarm_of_its_own_twenty_seconds_later(scotland: Scotland) -> None:
    homes, (alone, *_) = scotland.homes, scotland.skye
    await homes.fall_silent([alone])
    assert await homes.singles() == []
    await homes.after(19)
    assert await homes.singles() == []
    await homes.after(1)
    alarm = await scotland.world.alarm(alone)
    assert (alarm["kind"], alarm["priority"], alarm["state"], alarm["installation_ref"]) == (
        "device_silent",
        3,
        "open",
        f"REF-{alone}",
    )
    assert await homes.open() == []
    await homes.return_([alone])
    assert (await scotland.world.alarm(alone))["state"] == "closed"


async def test_an_island_that_falls_silent_is_one_outage_and_no_alarm_of_a_home(
    scotland: Scotland, receiver: Receiver
) -> None:
    homes, world = scotland.homes, scotland.world
    await homes.fall_silent(scotland.skye, since=world.clock.now() - timedelta(minutes=11))
    assert await homes.open() == [("sim_operator", "23415", 20)]
    await homes.after(300)
    assert await homes.singles() == []
    assert await homes.told() == [("highland-arc", "outage.opened")]
    (told,) = [each for each in receiver.deliveries if each.hub_id == "highland-arc"]
    data = told.data
    assert (data["members"], data["members_now"], data["councils"], data["state"]) == (20, 20, ["highland"], "open")
    assert data["p_value"] < 1e-6
    assert data["began_at"] < data["opened_at"]
    row = (await homes.outages())[0]
    assert row["opened_at"] - row["began_at"] == timedelta(minutes=11)


async def test_news_of_an_outage_is_delivered_and_recorded_as_any_other(scotland: Scotland) -> None:
    await scotland.homes.fall_silent(scotland.skye)
    rows = await scotland.world.database.fetch("select state, alarm_id, outage_id from alerts.delivery")
    assert [(row["state"], row["alarm_id"]) for row in rows] == [("delivered", None)]
    assert scotland.world.metric("telecare_deliveries_total", channel="webhook", outcome="delivered") == 1


async def test_when_all_are_back_it_is_over_and_no_restore_pages_anybody(
    scotland: Scotland, receiver: Receiver
) -> None:
    homes = scotland.homes
    await homes.fall_silent(scotland.skye)
    await homes.return_(scotland.skye)
    await homes.after(60)
    assert await homes.open() == []
    assert [news for _, news in await homes.told()] == ["outage.opened", "outage.closed"]
    assert await homes.singles() == []
    assert {each.notification["type"] for each in receiver.deliveries} <= {
        "outage.opened",
        "outage.updated",
        "outage.closed",
    }
    left = await scotland.world.database.fetch("select device_id from alerts.outage_member where left_at is not null")
    assert len(left) == 20


async def test_whoever_stays_silent_when_the_others_are_back_is_told_of(scotland: Scotland) -> None:
    homes, (stays, *back) = scotland.homes, scotland.skye
    await homes.fall_silent(scotland.skye)
    await homes.after(3600)
    await homes.return_(back)
    await homes.after(60)
    assert await homes.open() == []
    assert await homes.singles() == []
    await homes.after(20)
    assert await homes.singles() == [stays]
    assert (await scotland.world.alarm(stays))["state"] == "open"


async def test_a_single_that_turns_out_to_be_part_of_an_outage_is_held_back_until_it_is_over(
    scotland: Scotland, receiver: Receiver
) -> None:
    homes, world = scotland.homes, scotland.world
    first, *rest = scotland.skye
    await homes.fall_silent([first])
    await homes.after(30)
    assert [each.notification["type"] for each in receiver.accepted(first)] == ["alarm.raised"]
    await homes.fall_silent(rest)
    assert await homes.open() == [("sim_operator", "23415", 20)]
    alarm = await world.alarm(first)
    assert (alarm["state"], alarm["told_at"]) == ("open", None)
    assert alarm["silenced_until"] is not None
    await homes.after(7200)
    assert [each.notification["type"] for each in receiver.accepted(first)] == ["alarm.raised"]
    await homes.return_(rest)
    await homes.after(120)
    assert [each.notification["type"] for each in receiver.accepted(first)] == ["alarm.raised", "alarm.escalated"]
    assert (await world.history(alarm["alarm_id"]))[-1] == ("escalated", "silence_ended")


async def test_a_cry_for_help_from_a_member_is_told_at_once(scotland: Scotland, receiver: Receiver) -> None:
    homes, world = scotland.homes, scotland.world
    await homes.fall_silent(scotland.skye)
    await world.press("fall", device_id=scotland.skye[3])
    await world.press("door", device_id=scotland.skye[4])
    assert [each.data["priority"] for each in receiver.accepted(scotland.skye[3])] == [1]
    assert [each.data["priority"] for each in receiver.accepted(scotland.skye[4])] == [2]


async def test_a_box_that_says_itself_that_its_mains_went_is_listed_and_not_told_in_a_power_cut(
    scotland: Scotland, receiver: Receiver
) -> None:
    homes, world, box = scotland.homes, scotland.world, scotland.inverness[0]
    await homes.change(scotland.inverness, condition="mains_lost")
    await homes.settle()
    assert await homes.open() == [("postcode_district", "IV1", 40)]
    await world.press("power_supply", device_id=box, peripheral_id=None)
    assert (await world.alarm(box))["silenced_until"] is not None
    assert receiver.accepted(box) == []


async def test_two_outages_at_once_are_told_to_whom_they_concern(scotland: Scotland) -> None:
    homes = scotland.homes
    await homes.fall_silent([*scotland.skye, *scotland.inverness])
    assert await homes.open() == [("council_id", "highland", 60)]
    await homes.change(scotland.glasgow, condition="mains_lost")
    await homes.settle()
    assert await homes.told() == [
        ("highland-arc", "outage.opened"),
        ("clyde-arc", "outage.opened"),
        ("forth-arc", "outage.opened"),
    ]


async def test_a_power_cut_in_a_district_during_an_operators_outage_is_seen(scotland: Scotland) -> None:
    homes = scotland.homes
    await homes.fall_silent([*scotland.inverness, *scotland.glasgow])
    assert await homes.open() == [("sim_operator", "23410", 280)]
    await homes.after(3600)
    await homes.change(scotland.skye, condition="mains_lost")
    await homes.settle()
    assert await homes.open() == [("postcode_district", "IV51", 20), ("sim_operator", "23410", 280)]


async def test_an_outage_that_turns_out_to_be_wider_is_told_under_its_new_name(scotland: Scotland) -> None:
    homes = scotland.homes
    await homes.fall_silent(scotland.inverness)
    assert [each[:2] for each in await homes.open()] == [("postcode_district", "IV1")]
    await homes.after(60)
    await homes.fall_silent(scotland.glasgow)
    await homes.after(60)
    assert await homes.open() == [("sim_operator", "23410", 280)]
    assert len(await homes.outages()) == 1
    told = await homes.told()
    assert told[0] == ("highland-arc", "outage.opened")
    assert sorted(told[1:]) == [
        ("clyde-arc", "outage.updated"),
        ("forth-arc", "outage.updated"),
        ("highland-arc", "outage.updated"),
    ]


async def test_updates_come_at_most_once_a_minute(scotland: Scotland) -> None:
    homes = scotland.homes
    for start in range(0, 240, 48):
        await homes.fall_silent(scotland.glasgow[start : start + 48])
        await homes.after(5)
    assert [news for hub, news in await homes.told() if hub == "clyde-arc"] == ["outage.opened"]
    await homes.after(60)
    assert [news for hub, news in await homes.told() if hub == "clyde-arc"] == ["outage.opened", "outage.updated"]


async def test_flapping_devices_are_singles_however_many(scotland: Scotland) -> None:
    homes = scotland.homes
    await homes.fall_silent(scotland.skye[:12], flapping=True)
    await homes.after(20)
    assert await homes.open() == []
    assert len(await homes.singles()) == 12


async def test_one_that_flaps_and_is_gone_again_is_told_of_anew_if_a_person_closed_its_alarm_and_only_then(
    scotland: Scotland,
) -> None:
    homes, world, device = scotland.homes, scotland.world, scotland.skye[0]
    await homes.fall_silent([device], flapping=True)
    await homes.after(20)
    await homes.fall_silent([device], flapping=True)  # it came back, and went, before it was stable
    await homes.after(600)
    (alarm,) = await world.alarms(device)
    assert [event for event, _ in await world.history(alarm["alarm_id"]) if event in {"raised", "repeated"}] == [
        "raised"
    ]
    await _close(world, alarm["alarm_id"])
    await homes.after(600)
    assert len(await world.alarms(device)) == 1  # whoever closed it need not be told of the same silence

    await homes.fall_silent([device], flapping=True, since=world.clock.now() - timedelta(minutes=11))
    assert len(await world.alarms(device)) == 1
    await homes.after(20)
    homes.versions[device, "silent"] -= 1
    await homes.fall_silent([device], flapping=True)  # told twice
    await homes.after(20)
    assert sorted(each["state"] for each in await world.alarms(device)) == ["closed", "open"]
    await homes.return_([device])
    assert [each["state"] for each in await world.alarms(device)] == ["closed", "closed"]


async def test_one_that_flaps_as_a_member_is_told_of_after_the_outage_though_its_alarm_of_before_was_closed(
    scotland: Scotland,
) -> None:
    homes, world = scotland.homes, scotland.world
    device, others = scotland.skye[0], scotland.skye[1:]
    await homes.fall_silent([device], flapping=True)
    await homes.after(60)
    (alarm,) = await world.alarms(device)
    await homes.fall_silent(others)
    assert [members for _, _, members in await homes.open()] == [20]
    await _close(world, alarm["alarm_id"])
    await homes.fall_silent([device], flapping=True)
    await homes.after(600)
    assert len(await world.alarms(device)) == 1
    await homes.return_(others)
    await homes.after(120)
    assert await homes.open() == []
    assert sorted(each["state"] for each in await world.alarms(device)) == ["closed", "open"]


async def _close(world: World, alarm_id: str) -> None:
    """As a person does."""
    async with world.parts.pool.acquire() as connection, connection.transaction():
        closing = Close("morag", "equipment_fault")
        _, after_commit = await People(world.parts.alarms).act(connection, alarm_id, closing, None, world.clock.now())
    assert after_commit is not None
    after_commit()
    await world.settle()


async def test_a_verdict_told_twice_or_late_changes_nothing(scotland: Scotland) -> None:
    homes, device = scotland.homes, scotland.skye[0]
    await homes.fall_silent([device])
    await homes.after(20)
    homes.versions[device, "silent"] = 0
    await homes.fall_silent([device])  # the same version again
    await homes.after(60)
    assert len(await scotland.world.alarms(device)) == 1
    await homes.return_([device])
    homes.versions[device, "silent"] = 0
    await homes.fall_silent([device])  # of before it returned
    await homes.after(60)
    assert [each["state"] for each in await scotland.world.alarms(device)] == ["closed"]


async def test_mains_lost_says_until_when_the_battery_lasts(scotland: Scotland) -> None:
    homes, world, device = scotland.homes, scotland.world, scotland.inverness[0]
    empty_at = world.clock.now() + timedelta(hours=20)
    await homes.change([device], condition="mains_lost", expected_silent_at=empty_at)
    await homes.settle()
    await homes.after(20)
    alarm = await world.alarm(device)
    assert (alarm["kind"], alarm["priority"]) == ("power_supply", 4)
    body = await world.database.fetchval(
        "select body from alerts.alarm_event where alarm_id = $1::uuid", alarm["alarm_id"]
    )
    assert "its battery is expected to last until" in json.loads(body)["text"]


async def test_a_box_without_mains_for_longer_than_its_battery_lasts_is_unprotected(scotland: Scotland) -> None:
    homes, world, device = scotland.homes, scotland.world, scotland.inverness[0]
    await homes.change([device], condition="mains_lost", expected_silent_at=world.clock.now() + timedelta(minutes=10))
    await homes.settle()
    await homes.after(599)
    assert (await world.alarm(device))["priority"] == 4
    await homes.after(2)
    alarm = await world.alarm(device)
    assert (alarm["priority"], alarm["state"]) == (3, "open")
    assert alarm["repair_due_at"] is not None


async def test_mains_that_the_box_reported_itself_are_one_alarm_with_ours_and_whoever_ends_it_first_ends_it(
    scotland: Scotland, receiver: Receiver
) -> None:
    homes, world, (first, second, *_) = scotland.homes, scotland.world, scotland.inverness
    for device, says_itself in ((first, True), (second, False)):
        await world.press("power_supply", device_id=device, peripheral_id=None)
        await homes.change([device], condition="mains_lost")
        await homes.settle()
        await homes.after(21)
        assert [each["event_count"] for each in await world.alarms(device)] == [2]
        if says_itself:
            await world.press("power_supply", "restored", device_id=device, peripheral_id=None)
        await homes.return_([device], "mains_lost")
        assert [each["state"] for each in await world.alarms(device) if each["priority"] == 4] == ["closed"]
        told = [each.notification["type"] for each in receiver.accepted(device)]
        assert told == ["alarm.raised", "alarm.repeated", "alarm.restored"]


async def test_what_cannot_be_read_becomes_an_alarm_and_holds_nobody_up(scotland: Scotland) -> None:
    homes, world = scotland.homes, scotland.world
    broken = event(device_id="TC-BROKEN")
    await world.database.execute(
        "insert into chassis.event_log (stream, key, urgency, body, created_at, not_before) "
        "values ('conditions', 'TC-BROKEN', 3, $1::text::jsonb, $2, $2)",
        json.dumps({"device_id": broken.device_id, "condition": "no such"}),
        world.clock.now(),
    )
    await homes.change([scotland.skye[0]])
    for _ in range(12):
        await homes.after(12)
    assert scotland.skye[0] in await homes.singles()
    assert (await world.alarm("TC-BROKEN"))["kind"] == "unprocessable"
    assert await world.database.fetchval("select count(*) from chassis.event_log") == 0


async def test_before_the_fleet_is_counted_nothing_is_named_and_nobody_is_forgotten(scotland: Scotland) -> None:
    homes, room = scotland.homes, scotland.world.parts.outages
    await homes.change(scotland.skye[:6])
    await room.intake.run_once()
    await room.detector.run_once()
    scotland.world.clock.move(60)
    await room.detector.run_once()
    await scotland.world.settle()
    assert (await homes.open(), await homes.singles()) == ([], [])
    scotland.world.clock.move(60)
    await room.detector.run_once()
    await scotland.world.settle()
    assert len(await homes.singles()) == 6


async def test_half_a_council_that_returns_is_no_longer_to_blame_for_the_next_device(scotland: Scotland) -> None:
    homes = scotland.homes
    await homes.fall_silent(scotland.glasgow)
    await homes.after(3600)
    await homes.return_(scotland.glasgow[:190])
    await homes.after(60)
    late = scotland.glasgow[0]
    await homes.fall_silent([late])
    await homes.after(20)
    assert await homes.singles() == [late]
    assert len(await homes.open()) == 1


async def test_more_than_join_at_once_are_members_all_the_same(
    scotland: Scotland, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOVED_AT_ONCE_MAX", 7)
    await scotland.homes.fall_silent(scotland.skye)
    assert await scotland.homes.open() == [("sim_operator", "23415", 20)]
    await scotland.homes.after(120)
    assert await scotland.homes.singles() == []


async def test_gauges_count_what_is_open(scotland: Scotland) -> None:
    await scotland.homes.fall_silent(scotland.skye)
    await scotland.world.parts.outages.gauges.run_once()
    assert scotland.world.metric("telecare_outages_open") == 1
    assert scotland.world.metric("telecare_outage_members", condition="silent") == 20
    assert scotland.world.metric("telecare_outage_members", condition="mains_lost") == 0


async def test_what_is_too_much_for_its_time_is_taken_in_smaller_pieces_and_nothing_waits_for_ever(
    scotland: Scotland,
) -> None:
    homes, intake = scotland.homes, scotland.world.parts.outages.intake
    async with scotland.world.database.acquire() as other:
        name = await other.fetchval("select current_database()")
        await other.execute(f"alter database {name} set lock_timeout = '50ms'")
        await intake.pool.expire_connections()
        await homes.change(scotland.glasgow[:120])
        async with other.transaction():
            await other.execute("lock table alerts.affected in exclusive mode")
            for _ in range(3):
                with pytest.raises(asyncpg.LockNotAvailableError):
                    await intake.run_once()
    assert [await intake.run_once() for _ in range(3)] == [50, 70, 0]


async def test_what_a_box_tells_as_empty_is_no_name_of_an_outage_and_keeps_nobody_from_being_told_of(
    scotland: Scotland,
) -> None:
    """A box on a fixed line may well tell its cell as ''. An outage of that name could not be stored, nor anything after it."""
    homes = scotland.homes
    nothing = {"sim_operator": None, "postcode_district": None, "model": None, "council_id": None}
    await homes.fall_silent(scotland.skye, cell_id="", firmware="", **nothing)
    assert await homes.open() == []
    await homes.fall_silent(scotland.glasgow, cell_id="", firmware="")
    assert await homes.open() == [("council_id", "glasgow-city", 240)]
    await homes.after(120)
    assert await homes.singles() == scotland.skye


async def test_whoever_fell_silent_before_the_clock_was_put_back_is_told_of_and_not_an_hour_later(
    scotland: Scotland,
) -> None:
    homes, (alone, *_) = scotland.homes, scotland.skye
    await homes.fall_silent([alone])
    scotland.world.clock.move(-3600)
    await homes.after(20)
    assert await homes.singles() == [alone]


async def test_of_a_device_that_is_withdrawn_while_it_is_silent_nobody_reads_that_it_was_heard(
    scotland: Scotland,
) -> None:
    homes, (gone, back, *_) = scotland.homes, scotland.skye
    await homes.fall_silent([gone, back])
    await homes.after(20)
    await homes.change([gone], "ended", watched=False)
    await homes.change([back], "ended")
    await homes.settle()
    bodies = await scotland.world.database.fetch(
        "select body::json -> 'data' from alerts.notification where type = 'alarm.restored'"
    )
    texts = {data["device_id"]: data["event"]["text"] for (data,) in ((json.loads(row[0]),) for row in bodies)}
    assert texts[gone] == "It is not in use any more"
    assert texts[back].startswith("Heard again ")
