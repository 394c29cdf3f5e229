"""The hub is down, nobody has said whose the alarm is, or nobody knows the box: it is told to somebody all the same."""

import pytest

from tests.scenarios.people import SIDE_BY_SIDE, Hub
from tests.scenarios.story import Story, happened


def ready_or_why(body: dict[str, list[dict[str, str]]]) -> str:
    return " ".join(each["reason"] for each in body["failing"])


async def test_the_hub_is_dead_for_an_hour_and_on_its_return_hears_of_every_alarm_life_first_and_each_once(
    story: Story,
) -> None:
    clyde = await story.hub("clyde-arc", "glasgow-city")
    await clyde.go_down()
    kinds = {
        48: ["power_supply", "fall"],
        9: ["power_supply", "bed", "fall"],
        3: [*["power_supply", "bed", "fall"] * 3],
    }
    boxes = []
    for minutes, happening in kinds.items():
        for number, kind in enumerate(happening):
            boxes.append(await story.box(f"TC-{minutes}-{number}"))
            await boxes[-1].presses(kind)
        await story.minutes_pass(minutes)
    assert clyde.heard() == []
    assert {(each["state"], each["notified_at"]) for each in await story.alarms()} == {("open", None)}

    await clyde.go_up()
    await story.minutes_pass(2.1)  # what is not urgent is tried again every two minutes
    raised = clyde.heard_of_homes("alarm.raised")
    first_away = [each.data["priority"] for each in raised][:SIDE_BY_SIDE]
    assert first_away.count(1) == 5
    assert sorted(each.data["device_id"] for each in raised) == sorted(box.device_id for box in boxes)
    assert {each.deliveries for each in clyde.logbook} == {1}
    assert (clyde.logbook.broken_promises, clyde.refused) == ([], 0)
    told = {"power_supply": [2, 1, 1], "bed": [0, 5, 3], "fall": [64, 16, 7]}  # in 62, 14 and 5 minutes
    for batch, happening in enumerate(kinds.values()):
        for kind in happening:
            assert len(happened(await story.alarm(boxes.pop(0)))) == told[kind][batch], (kind, batch)


@pytest.mark.parametrize("council", ["atlantis", "Nowhere at all"])
async def test_a_box_that_nobody_knows_in_a_council_that_does_not_exist_presses_and_somebody_is_told(
    story: Story, council: str
) -> None:
    hubs = [await story.hub("clyde-arc", "glasgow-city"), await story.hub("forth-arc", "falkirk")]
    stranger = await story.box("STRANGER-1", council, registered=False)
    stranger.press()
    for hub in hubs:
        told = await hub.hears("alarm.raised", of=stranger)
        assert (told.data["unregistered"], told.data["priority"]) == (True, 1)
    alarm = await story.alarm(stranger)
    assert alarm["council_id"] == (council if council == "atlantis" else None)
    isla = await story.operator("Isla", hubs[1])
    assert (await isla.takes(alarm)).status == 200


async def test_nobody_has_said_who_answers_a_council_so_every_hub_is_told_and_we_say_that_we_are_not_ready(
    story: Story,
) -> None:
    hubs = [await story.hub("clyde-arc", "glasgow-city"), await story.hub("forth-arc", "falkirk")]
    await story.is_ready()
    box = await story.box("TC-000001", "moray")
    await box.presses()

    for hub in hubs:
        assert [each.type for each in hub.heard(of=box)] == ["alarm.raised"]
    answer = await story.readiness()
    assert answer.status == 503
    assert "routing" in ready_or_why(answer.body)
    await story.counts("telecare_alarms_unroutable", 1)

    moray: Hub = await story.hub("moray-arc", "moray")
    await story.is_ready()
    await story.counts("telecare_alarms_unroutable", 0)
    assert moray.heard(of=box) == []
    await story.minutes_pass(1)
    assert [each.type for each in moray.heard(of=box)] == ["alarm.escalated"]
    assert (await story.alarm(box))["state"] == "open"
