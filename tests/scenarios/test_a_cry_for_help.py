"""From a press of the pendant to somebody who says "I have it"; and what happens while nobody says so."""

import time

import pytest

from tests.scenarios.story import Story, happened

PENDANT = {"peripheral_id": "pendant-1", "location": "bathroom"}
TESTS = 500
TESTS_TOLD_A_MINUTE = 60
A_TEST = '{"boot_id":"a","seq":1,"sent_at":"2026-11-21T19:56:00Z","kind":"personal_trigger","test":true}'


async def test_somebody_presses_and_the_box_can_tell_them_each_thing_that_is_done_for_them(story: Story) -> None:
    clyde = await story.hub("clyde-arc", "glasgow-city")
    isla = await story.operator("Isla", clyde)
    box = await story.box("TC-000001")

    pressed = await box.presses(**PENDANT)
    told = await clyde.hears("alarm.raised", of=box)
    assert (told.data["priority"], told.data["location"]) == (1, "bathroom")
    assert told.data["installation_ref"] == "ref-TC-000001"
    await box.receipt(pressed, "notified")

    await story.minutes_pass(0.5)
    assert (await isla.takes(told.data)).status == 200
    acknowledged = await box.receipt(pressed, "acknowledged")

    await story.minutes_pass(20)
    assert (await isla.closes(told.data, "attended")).status == 200
    await box.receipt(pressed, "closed")

    assert box.was_told(pressed) == ["stored", "notified", "acknowledged", "closed"]
    alarm = await story.alarm(box)
    assert acknowledged["alarm_id"] == alarm["alarm_id"]
    assert happened(alarm) == ["raised", "acknowledged", "closed"]
    assert (alarm["acknowledged_by"], alarm["outcome"]) == ("Isla", "attended")


async def test_nobody_takes_it_so_after_60_s_the_second_hub_is_told_too_and_from_180_s_everybody_each_minute(
    story: Story,
) -> None:
    clyde = await story.hub("clyde-arc", "glasgow-city")
    forth = await story.hub("forth-arc", "glasgow-city")
    tay = await story.hub("tay-arc", "glasgow-city")
    box = await story.box("TC-000001")

    await box.presses(**PENDANT)
    assert [each.type for each in clyde.heard(of=box)] == ["alarm.raised"]
    await story.minutes_pass(0.98)
    assert forth.heard(of=box) == []
    await story.minutes_pass(0.02)
    assert [each.type for each in forth.heard(of=box)] == ["alarm.escalated"]
    await story.minutes_pass(1.98)
    assert tay.heard(of=box) == []
    await story.minutes_pass(0.02)
    assert [each.type for each in tay.heard(of=box)] == ["alarm.escalated"]

    await story.minutes_pass(27)
    alarm = await story.alarm(box)
    assert happened(alarm) == ["raised"] + ["escalated"] * 29
    assert (alarm["state"], alarm["step"]) == ("open", 2)
    assert [each.data["step"] for each in clyde.heard(of=box)] == [0, 1] + [2] * 28
    assert [each.data["step"] for each in forth.heard(of=box)] == [1] + [2] * 28
    assert [each.data["step"] for each in tay.heard(of=box)] == [2] * 28


async def test_nobody_takes_it_and_the_first_hub_is_down_the_second_is_told_and_the_first_gets_one_piece_of_old_news(
    story: Story,
) -> None:
    clyde = await story.hub("clyde-arc", "glasgow-city")
    forth = await story.hub("forth-arc", "glasgow-city")
    boxes = [await story.box(f"TC-00000{number}") for number in (1, 2, 3)]
    await clyde.go_down()

    for box in boxes:
        await box.presses(**PENDANT)
    await story.minutes_pass(30)

    # Not of the hub itself, whose death is an alarm too, as soon as probes have found it.
    of_homes = "device_id not like 'hub-%'"
    news = f"select count(*) from alerts.delivery d join alerts.alarm using (alarm_id) where {of_homes}"
    assert await story.count(f"{news} and d.state = 'pending' and d.hub_id = 'clyde-arc'") == len(boxes)
    assert await story.count(f"{news} and d.state = 'pending' and d.hub_id = 'forth-arc'") == 0
    for box in boxes:
        assert happened(await story.alarm(box)) == ["raised"] + ["escalated"] * 30
        assert len(forth.heard("alarm.escalated", of=box)) == 30
    soon = "wake_at - $1 between '1 s' and '60 s'"
    looked_at_again = f"select count(*) from alerts.alarm where {of_homes} and state = 'open' and {soon}"
    assert await story.count(looked_at_again, story.clock.now()) == len(boxes)

    await clyde.go_up()
    await story.minutes_pass(0.2)
    for box in boxes:
        assert [each.type for each in clyde.heard(of=box)] == ["alarm.raised"]
    await story.minutes_pass(0.8)
    for box in boxes:
        assert [each.type for each in clyde.heard(of=box)] == ["alarm.raised", "alarm.escalated"]


@pytest.mark.alone
async def test_lulea_2020_eight_presses_in_half_an_hour_are_eight_calls_to_the_hub_while_test_alarms_flood_in(
    story: Story,
) -> None:
    """There, a person pressed eight times from 19:56 to 20:25, behind abnormally many test alarms; it was relayed at 01:30."""
    clyde = await story.hub("clyde-arc", "glasgow-city")
    isla = await story.operator("Isla", clyde)
    box = await story.box("TC-000001")
    flood = await story.box("TEST-000")
    for number in range(TESTS):
        flood.client.publish(f"telecare/v1/devices/glasgow-city/TEST-{number:03d}/alarm", A_TEST, 1)
    await story.counted("select count(*) > 0 from ingest.alarm_event where test", True)

    waited_s, began_at = [], story.clock.now()
    for press in range(1, 9):
        pressed_at = time.monotonic()
        pressed = box.press(**PENDANT)
        told = await clyde.hears("alarm.raised" if press == 1 else "alarm.repeated", of=box, times=max(press - 1, 1))
        waited_s.append(told.received_at - pressed_at)
        assert (told.data["state"], told.data["event_count"]) == ("open", press)
        assert (await isla.takes(told.data)).status == 200
        await box.receipt(pressed, "acknowledged")
        story.moves(29 / 7 * 60)
    print(f"a press among {TESTS} tests: at the hub after {max(waited_s):.2f} s at worst")
    assert max(waited_s) < 5

    await story.counted("select count(*) from alerts.alarm where test", TESTS)
    await story.settles(60)
    alarm = await story.alarm(box)
    assert (alarm["event_count"], alarm["state"], alarm["acknowledged_by"]) == (8, "acknowledged", "Isla")
    assert happened(alarm) == ["raised", *["acknowledged", "repeated"] * 7, "acknowledged"]
    assert await story.count("select count(*) from ingest.alarm_event where device_id = $1", box.device_id) == 8
    minutes = (story.clock.now() - began_at).total_seconds() / 60
    assert 0 < len(clyde.heard("test.received")) < TESTS_TOLD_A_MINUTE * minutes
    assert await story.count("select count(*) from ingest.alarm_event where test") == TESTS, "each is kept all the same"


async def test_lulea_2020_each_press_that_nobody_answers_is_relayed_at_once_and_to_more_people(story: Story) -> None:
    clyde = await story.hub("clyde-arc", "glasgow-city")
    forth = await story.hub("forth-arc", "glasgow-city")
    tay = await story.hub("tay-arc", "glasgow-city")
    box = await story.box("TC-000001")
    for press in range(1, 9):
        await box.presses(**PENDANT)
        for hub, from_press in ((clyde, 1), (forth, 2), (tay, 3)):
            heard = [each.data["event_count"] for each in hub.heard(of=box)]
            assert heard == list(range(from_press, press + 1)), hub.config.hub_id
        story.moves(1)
    history = (await story.alarm(box))["history"]
    assert [each["reason"] for each in history] == ["first_event"] + ["pressed_again"] * 7
    assert [each["step"] for each in history] == [0, 1, 2, 2, 2, 2, 2, 2]
