"""Borås: a thousand units, fine on a fixed line, failing on mobile; units that looked dead, but worked.

Whoever is called silent is told of once and has it taken back; nobody makes an outage of boxes that have nothing in common.
"""

from datetime import timedelta

from tests.scenarios.homes import Homes
from tests.scenarios.hours import LongStory, paged


async def a_town(homes: Homes) -> list[str]:
    """Three hundred homes in twelve cells of three operators."""
    town: list[str] = []
    for operator in ("23410", "23415", "23430"):
        for cell in range(4):
            where = {"district": f"G{cell}", "cell_id": f"{operator}-{cell}", "sim_operator": operator}
            town += await homes.settle_in(25, **where)
    return town


async def test_boxes_that_roam_and_report_late_are_never_called_silent(hours: LongStory) -> None:
    arc, homes = await hours.hub("boras-arc", "glasgow-city"), hours.homes
    town = await a_town(homes)
    await hours.hours_pass(0.5)
    late = town[::20]
    for night in range(3):
        began_at = hours.clock.now()
        homes.fall_silent(late)
        await hours.hours_pass(0.5)
        took = hours.clock.now() - began_at  # by this machine, beside the half hour
        # A minute before it would be told, each comes back by another cell.
        await hours.minutes_pass(max(0.0, 14 - took / timedelta(minutes=1)))
        for number, home in enumerate(late):
            homes.move(home, cell_id=f"23415-{(number + night) % 4}", network=("lte", "gsm", "umts")[night])
        homes.are_back(late)
        await homes.report()
    await hours.singles_are_told()
    assert await hours.silent() == set()
    assert (await hours.open(), await hours.singles(), paged(arc)) == ([], [], [])


async def test_a_box_that_looks_dead_is_told_once_answers_a_press_and_has_it_taken_back(hours: LongStory) -> None:
    arc, homes = await hours.hub("boras-arc", "glasgow-city"), hours.homes
    town = await a_town(homes)
    await hours.hours_pass(0.5)
    quiet = town[::60]  # five of them, each in a cell of its own
    homes.fall_silent(quiet)
    await hours.silence_is_found(quiet)
    assert await hours.silent() == set(quiet)
    assert await hours.open() == []
    assert await hours.singles() == sorted(quiet)
    assert sorted(paged(arc)) == sorted(("alarm.raised", home) for home in quiet)

    dead, *others = quiet
    box = await hours.box(dead, registered=False)
    sent = await box.presses()  # its heartbeats are lost; an alarm, which it repeats, is not
    pressed = await arc.hears("alarm.raised", of=box, times=2)
    assert (pressed.data["kind"], pressed.data["priority"]) == ("personal_trigger", 1)
    assert "stored" in box.was_told(sent)
    saga = await hours.operator("Saga", arc)
    assert (await saga.takes(pressed.data)).status == 200
    await hours.settles()
    assert await hours.silent() == set(others)
    ended = {each["kind"]: each["state"] for each in await hours.alarms(box)}
    assert ended == {"device_silent": "closed", "personal_trigger": "acknowledged"}

    homes.move(others[0], cell_id="23415-3", sim_operator="23415", network="gsm")
    homes.are_back(quiet)
    await homes.report()
    await hours.settles()
    assert await hours.silent() == set()
    await hours.hours_pass(2)
    of_silence = [each for each in arc.logbook if each.data.get("kind") == "device_silent"]
    assert sorted(each.data["device_id"] for each in of_silence if each.type == "alarm.raised") == sorted(quiet)
    assert (
        await hours.count("select count(*) from alerts.alarm where kind = 'device_silent' and state <> 'closed'") == 0
    )
    assert await hours.open() == []


async def test_what_is_heard_only_by_its_alarms_lives(hours: LongStory) -> None:
    """Not one heartbeat gets through; somebody presses now and then."""
    arc, homes = await hours.hub("boras-arc", "glasgow-city"), hours.homes
    (home,) = await homes.settle_in(1)
    await homes.report()
    homes.fall_silent([home])
    box = await hours.box(home, registered=False)
    for _ in range(4):
        await hours.minutes_pass(timedelta(minutes=44) / timedelta(minutes=1))
        await box.presses("duty_switch")
        await hours.settles()
        assert await hours.silent() == set()
    assert await hours.singles() == []
    assert {kind for kind, _ in paged(arc)} <= {"alarm.raised", "alarm.repeated", "alarm.escalated"}
