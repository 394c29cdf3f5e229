"""An operator is back, but for forty boxes that stay dead: nobody may be a line on a list for ever, nor a flood of alarms."""

from datetime import timedelta

from tests.scenarios.hours import LongStory

OPERATOR = "23410"
HALF_AN_HOUR = timedelta(minutes=30)


async def test_a_third_of_an_operators_boxes_stays_dead_and_people_are_called_for_them_until_each_is_told_of(
    hours: LongStory,
) -> None:
    arc, homes = await hours.hub("clyde-arc", "glasgow-city"), hours.homes
    away = await homes.settle_three_districts(OPERATOR)
    await hours.hours_pass(0.25)
    homes.fall_silent(away)
    await hours.silence_is_found(away)
    assert await hours.open() == [("silent", "sim_operator", OPERATOR, len(away))]

    dead = away[::3]
    homes.are_back(set(away) - set(dead))
    await hours.hours_pass(3, every=HALF_AN_HOUR)
    assert await hours.open() == [("silent", "sim_operator", OPERATOR, len(dead))]
    assert (arc.heard("alarm.raised"), await hours.singles()) == ([], [])
    await hours.hours_pass(4, every=HALF_AN_HOUR)
    (outage,) = await hours.outages()
    (called,) = arc.heard("alarm.raised")
    assert (called.data["device_id"], called.data["priority"]) == (f"outage-{outage['outage_id']}", 3)
    assert outage["called_at"] is not None

    morag = await hours.operator("Morag", arc)
    assert (await morag.takes(called.data)).status == 200
    path = f"/api/v1/outages/{outage['outage_id']}"
    assert (await morag.api.post(f"{path}/members/{dead[0]}/contacted", {"operator": "Morag"})).status == 200
    assert (await morag.closes(called.data, "advice_given")).status == 200
    await hours.hours_pass(24.5, every=HALF_AN_HOUR)
    assert [each.data["device_id"] for each in arc.heard("alarm.raised")] == [called.data["device_id"]] * 2

    # Most of them are replaced. The few that are left have an alarm each, and the one for all of them ends.
    left = dead[:8]
    homes.are_back(dead[8:])
    await hours.hours_pass(0.5)
    assert (await hours.open(), await hours.singles()) == ([("silent", "sim_operator", OPERATOR, len(left))], [])
    await hours.hours_pass(1)
    await hours.singles_are_told()
    assert (await hours.open(), await hours.singles()) == ([], left)
    assert [each.data["device_id"] for each in arc.heard("alarm.restored")] == [called.data["device_id"]]
    (over,) = await hours.outages()
    assert (over["closed_as"], over["left_behind"]) == ("returned", len(left))
    assert (arc.refused, arc.logbook.broken_promises) == (0, [])
