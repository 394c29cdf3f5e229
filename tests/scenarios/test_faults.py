"""Devices that are broken: a fault that somebody has taken is not forgotten, and what nobody mends becomes more urgent."""

from datetime import datetime, timedelta

from tests.scenarios.story import Story, happened

PENDANT = {"peripheral_id": "pendant-1"}
OF_ONE_HOME = "update registry.device set installation_ref = 'ref-of-one-home'"


async def test_london_a_broken_alarm_that_nobody_replaces_is_told_to_every_hub_when_48_hours_are_over(
    story: Story,
) -> None:
    """There, an alarm that was reported broken was not replaced within five days, and the person died."""
    clyde = await story.hub("clyde-arc", "glasgow-city")
    forth = await story.hub("forth-arc", "glasgow-city")
    isla = await story.operator("Isla", clyde)
    box = await story.box("TC-000001")
    await box.presses("personal_trigger", status="failure", **PENDANT)
    alarm = await story.alarm(box)
    assert (alarm["priority"], alarm["at_risk"]) == (3, True)
    reported_at, due_at = (datetime.fromisoformat(alarm[name]) for name in ("received_at", "repair_due_at"))
    assert timedelta(hours=48) <= due_at - reported_at < timedelta(hours=48, minutes=1)
    assert (await isla.takes(alarm)).status == 200

    await story.minutes_pass(47 * 60)
    assert {each["reason"] for each in (await story.alarm(box))["history"][2:]} == {"not_closed"}
    assert forth.heard(of=box) == []
    await story.minutes_pass(61)
    assert [each.type for each in forth.heard(of=box)] == ["alarm.escalated"]
    told = clyde.heard("alarm.escalated", of=box)[-1]
    assert (told.data["at_risk"], told.data["state"]) == (True, "acknowledged")

    await story.minutes_pass(3 * 24 * 60)
    alarm = await story.alarm(box)
    reasons = [each["reason"] for each in alarm["history"]]
    assert reasons.count("repair_overdue") == 1
    assert reasons[-3:] == ["not_closed"] * 3, "and each day whoever has it is asked again"
    assert (alarm["state"], alarm["acknowledged_by"]) == ("acknowledged", "Isla")
    await box.presses("personal_trigger", status="restored", **PENDANT)
    assert (await story.alarm(box))["state"] == "closed"


async def test_a_person_who_has_another_device_is_not_at_risk_when_one_is_broken(story: Story) -> None:
    await story.hub("clyde-arc", "glasgow-city")
    box, _other = await story.box("TC-000001"), await story.box("TC-000002")
    await story.database.execute(OF_ONE_HOME)
    await box.presses("personal_trigger", status="failure", **PENDANT)
    alarm = await story.alarm(box)
    assert (alarm["priority"], alarm["at_risk"]) == (3, False)
    assert alarm["repair_due_at"] is not None


async def test_a_flat_battery_that_nobody_changes_within_a_day_is_a_fault_and_no_longer_a_nuisance(
    story: Story,
) -> None:
    clyde = await story.hub("clyde-arc", "glasgow-city")
    box = await story.box("TC-000001")
    await box.presses("power_supply", status="battery_low")
    assert (await story.alarm(box))["priority"] == 4
    await story.minutes_pass(24 * 60)
    alarm = await story.alarm(box)
    assert (alarm["priority"], alarm["state"], alarm["history"][-1]["reason"]) == (3, "open", "rose_with_time")
    assert happened(alarm)[-1] == "escalated"
    assert clyde.heard("alarm.escalated", of=box)[-1].data["priority"] == 3
    assert alarm["repair_due_at"] is not None
