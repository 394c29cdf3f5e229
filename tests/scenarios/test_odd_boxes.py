"""Boxes with broken clocks, broken memories and flat batteries: whoever lives there is heard all the same."""

from datetime import datetime, timedelta

import pytest

from tests.scenarios.story import Story, happened


async def test_a_box_that_thinks_it_is_1970_is_heard_at_once_and_each_time(story: Story) -> None:
    clyde = await story.hub("clyde-arc", "glasgow-city")
    box = await story.box("TC-000001")
    box.beat(sent_at="1970-01-01T00:00:09Z")
    for seconds in (12, 13):
        await box.presses(sent_at=f"1970-01-01T00:00:{seconds}Z")
    assert [each.type for each in clyde.heard(of=box)] == ["alarm.raised", "alarm.repeated"]
    alarm = await story.alarm(box)
    assert datetime.fromisoformat(alarm["raised_at"]).year == 1970
    assert datetime.fromisoformat(alarm["received_at"]) == story.clock.now()
    await story.minutes_pass(1)
    assert clyde.heard("alarm.escalated", of=box)


@pytest.mark.parametrize("garbage", [b"", b"\xff\xfe\x00help", b'{"boot_id": "a", "seq": 1, "kin', b"[]"], ids=repr)
async def test_a_box_sends_garbage_and_somebody_sees_to_it_before_anything_else(story: Story, garbage: bytes) -> None:
    clyde = await story.hub("clyde-arc", "glasgow-city")
    box = await story.box("TC-000001")
    sent = box.say("alarm", garbage)
    told = await clyde.hears("alarm.raised", of=box)
    assert (told.data["kind"], told.data["priority"], told.data["unregistered"]) == ("unreadable", 1, False)
    receipt = await box.receipt(sent, "notified")
    assert (receipt["boot_id"], receipt["payload_sha256"]) == (None, sent.sha256)


async def test_a_box_that_is_the_same_after_every_boot_is_heard_after_every_boot(story: Story) -> None:
    """No entropy: `boot_id` is stuck, `seq` starts over, and a new press bears the identity of an old one."""
    clyde = await story.hub("clyde-arc", "glasgow-city")
    isla = await story.operator("Isla", clyde)
    box = await story.box("TC-000001")
    box.boot_id = "0000000000000000"
    first = await box.presses()

    box.seq = 0
    second = box.press()
    assert (first.boot_id, first.seq) == (second.boot_id, second.seq)
    again = await clyde.hears("alarm.repeated", of=box)
    assert again.data["event_count"] == 2
    assert (await isla.closes(again.data, "accidental")).status == 200

    box.seq = 0
    box.press()
    anew = await clyde.hears("alarm.raised", of=box, times=2)
    assert (anew.data["event_count"], anew.data["state"]) == (1, "open")
    assert [alarm["state"] for alarm in await story.alarms(box)].count("open") == 1
    marked = "select count(*) from ingest.alarm_event where device_id = $1 and 'identity_reused' = any (marks)"
    assert await story.count(marked, box.device_id) == 2


async def test_a_pendants_battery_runs_low_and_is_replaced_and_nobody_needs_to_close_it(story: Story) -> None:
    clyde = await story.hub("clyde-arc", "glasgow-city")
    box = await story.box("TC-000001")
    low = await box.presses(status="battery_low", peripheral_id="pendant-1")
    assert (await story.alarm(box))["priority"] == 4
    await story.minutes_pass(5)
    await box.presses(status="restored", peripheral_id="pendant-1")

    alarm = await story.alarm(box)
    assert (alarm["state"], alarm["history"][-1]["reason"]) == ("closed", "fault_restored")
    assert clyde.heard(of=box)[-1].type == "alarm.restored"
    await box.receipt(low, "closed")
    heard = len(clyde.heard(of=box))  # its hub is probed each five minutes, too
    await story.minutes_pass(5)
    assert len(clyde.heard(of=box)) == heard


async def test_whoever_has_fallen_is_still_waiting_when_the_sensor_says_that_all_is_well(story: Story) -> None:
    clyde = await story.hub("clyde-arc", "glasgow-city")
    box = await story.box("TC-000001")
    await box.presses("fall", peripheral_id="wrist-1")
    for status in ("battery_low", "restored", "cancelled"):
        await box.presses("fall", status=status, peripheral_id="wrist-1")
    alarm = await story.alarm(box)
    assert (alarm["state"], alarm["priority"], alarm["event_count"]) == ("open", 1, 4)
    assert happened(alarm) == ["raised", "repeated", "restored", "cancelled"]
    assert [each.type.removeprefix("alarm.") for each in clyde.heard(of=box)] == happened(alarm)
    await story.minutes_pass(1)
    assert clyde.heard("alarm.escalated", of=box)


async def test_a_press_every_fifty_seconds_holds_back_no_step_of_the_ladder(story: Story) -> None:
    await story.hub("clyde-arc", "glasgow-city")
    forth = await story.hub("forth-arc", "glasgow-city")
    box = await story.box("TC-000001")
    began_at = story.clock.now()
    while story.clock.now() < began_at + timedelta(minutes=5):
        await box.presses()
        await story.minutes_pass(50 / 60)
    assert [each.type for each in forth.heard(of=box)][:2] == ["alarm.repeated", "alarm.escalated"]
    history = (await story.alarm(box))["history"]
    by_the_clock = [datetime.fromisoformat(each["at"]) for each in history if each["event"] == "escalated"]
    assert [round((at - began_at).total_seconds()) for at in by_the_clock] == [60, 160, 220, 280]
    assert len(forth.heard("alarm.escalated", of=box)) == 4
