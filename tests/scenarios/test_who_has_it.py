"""Operators: one has the alarm, the others know who; nobody makes it disappear."""

import asyncio

import asyncpg
import pytest

from contracts.vocabulary import OUTCOMES
from services.chassis.postgres.pool import connect
from tests.blackbox.hub import MqttHub
from tests.scenarios.story import Story, happened
from tests.support.servers import Broker, Database


async def test_newham_a_second_operator_can_neither_take_nor_delete_what_the_first_one_has(
    story: Story, database: Database
) -> None:
    """There, a second operator deleted a waiting call, and the person died."""
    clyde = await story.hub("clyde-arc", "glasgow-city")
    isla, rory = await story.operator("Isla", clyde), await story.operator("Rory", clyde)
    box = await story.box("TC-000001")
    await box.presses()
    alarm = await story.alarm(box)
    assert (await isla.takes(alarm)).status == 200

    refused = await rory.takes(alarm)
    assert (refused.status, refused.body["acknowledged_by"]) == (409, "Isla")
    for anybody in (isla.api, rory.api, story.api):
        assert (await anybody.send("DELETE", f"/api/v1/alarms/{alarm['alarm_id']}")).status == 405
    service = await connect(database.url, name="test", role="telecare_alerts")
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute("delete from alerts.alarm")
    finally:
        await service.close()
    for nobody in ({"outcome": "attended"}, {"operator": "", "outcome": "attended"}):
        unnamed = await rory.api.post(f"/api/v1/alarms/{alarm['alarm_id']}/close", nobody)
        assert (unnamed.status, [each["field"] for each in unnamed.body["errors"]]) == (422, ["operator"])

    still = await story.alarm(box)
    assert (still["state"], still["acknowledged_by"], happened(still)) == (
        "acknowledged",
        "Isla",
        ["raised", "acknowledged"],
    )
    assert (await isla.closes(alarm, "emergency_services")).status == 200
    closed = await story.alarm(box)
    assert (closed["outcome"], closed["history"][-1]["actor"]) == ("emergency_services", "Isla")


async def test_two_hubs_take_it_at_the_same_instant_one_has_it_and_the_other_is_told_who(story: Story) -> None:
    clyde = await story.hub("clyde-arc", "glasgow-city")
    forth = await story.hub("forth-arc", "glasgow-city")
    isla, rory = await story.operator("Isla of Clyde", clyde), await story.operator("Rory of Forth", forth)
    boxes = [await story.box(f"TC-00000{number}") for number in range(8)]
    for box in boxes:
        await box.presses()

    for alarm in await story.alarms():
        answers = dict(
            zip((isla.name, rory.name), await asyncio.gather(isla.takes(alarm), rory.takes(alarm)), strict=True)
        )
        (winner,) = [name for name, answer in answers.items() if answer.status == 200]
        (loser,) = set(answers) - {winner}
        assert (answers[loser].status, answers[loser].body["acknowledged_by"]) == (409, winner)
        assert answers[loser].body["detail"] == f"{winner} has this alarm."

    assert [happened(alarm) for alarm in await story.alarms()] == [["raised", "acknowledged"]] * len(boxes)


async def test_whoever_took_it_goes_home_and_gives_it_back_so_it_is_told_again_until_somebody_else_has_it(
    story: Story,
) -> None:
    clyde = await story.hub("clyde-arc", "glasgow-city")
    isla, rory = await story.operator("Isla", clyde), await story.operator("Rory", clyde)
    box = await story.box("TC-000001")
    await box.presses()
    alarm = await story.alarm(box)
    assert (await isla.takes(alarm)).status == 200
    await story.minutes_pass(30)
    assert clyde.heard("alarm.escalated", of=box) == []

    assert (await isla.gives_back(alarm)).status == 200
    await story.minutes_pass(3)
    assert len(clyde.heard("alarm.escalated", of=box)) == 2
    assert (await rory.takes(alarm)).body["acknowledged_by"] == "Rory"


async def test_whoever_took_it_forgets_to_close_it_and_is_reminded_each_hour(story: Story) -> None:
    clyde = await story.hub("clyde-arc", "glasgow-city")
    isla = await story.operator("Isla", clyde)
    box = await story.box("TC-000001")
    await box.presses()
    assert (await isla.takes(await story.alarm(box))).status == 200
    await story.minutes_pass(3 * 60)
    reminded = clyde.heard("alarm.escalated", of=box)
    assert [each.data["state"] for each in reminded] == ["acknowledged"] * 3
    assert (await story.alarm(box))["acknowledged_by"] == "Isla"


async def test_glasgow_an_alarm_is_not_closed_before_somebody_says_what_came_of_it(
    story: Story, broker: Broker
) -> None:
    """There, calls that nobody answered were not told apart from nuisance calls. We refuse, and say what can be said."""
    clyde = await story.hub("clyde-arc", "glasgow-city")
    isla = await story.operator("Isla", clyde)
    box = await story.box("TC-000001")
    await box.presses()
    alarm = await story.alarm(box)

    for said in (None, "nuisance", ""):
        refused = await isla.closes(alarm, said)
        (error,) = refused.body["errors"]
        assert (refused.status, error["field"]) == (422, "outcome")
        for outcome in OUTCOMES:
            assert f"'{outcome}'" in error["message"], said
            assert f"'{outcome}'" in refused.body["detail"], said
    assert (await story.alarm(box))["state"] == "open"

    assert (await isla.closes(alarm, "no_response")).status == 200
    assert (await story.alarm(box))["outcome"] == "no_response"


async def test_glasgow_who_did_not_answer_is_told_apart_from_who_pressed_by_accident(story: Story) -> None:
    clyde = await story.hub("clyde-arc", "glasgow-city")
    isla = await story.operator("Isla", clyde)
    outcomes = {"TC-000001": "no_response", "TC-000002": "accidental", "TC-000003": "no_response"}
    for device_id, outcome in outcomes.items():
        box = await story.box(device_id)
        await box.presses()
        assert (await isla.closes(await story.alarm(box), outcome)).status == 200
    await story.settles()
    assert {each["device_id"]: each["outcome"] for each in await story.alarms()} == outcomes
    told = {each.data["device_id"]: each.data["outcome"] for each in clyde.heard("alarm.closed")}
    assert told == outcomes


async def test_glasgow_by_mqtt_a_hub_is_told_the_same(story: Story, broker: Broker) -> None:
    channel = {"name": "Moray ARC", "channels": [{"kind": "mqtt", "verified": True}]}
    assert (await story.api.put("/api/v1/hubs/moray-arc", channel)).status == 201
    assert (await story.api.put("/api/v1/councils/moray/routing", {"hubs": ["moray-arc"]})).status == 200
    hub = MqttHub(broker, "moray-arc")
    await hub.connect()
    try:
        box = await story.box("TC-000001", "moray")
        await box.presses()
        alarm_id = (await hub.told(box.device_id))["data"]["alarm_id"]
        for said in ({}, {"outcome": "nuisance"}):
            refused = await hub.act("close", alarm_id=alarm_id, operator="Isla", **said)
            assert refused["result"] == "invalid"
            assert all(f"'{outcome}'" in refused["detail"] for outcome in OUTCOMES), refused
        assert (await story.alarm(box))["state"] == "open"
        closed = await hub.act("close", alarm_id=alarm_id, operator="Isla", outcome="no_response")
        assert closed["result"] == "accepted"
    finally:
        hub.close()
