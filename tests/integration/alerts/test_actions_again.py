"""An action that a hub sends again is done once and answered alike; another one under its id is another one."""

import asyncio
import json

from contracts.ids import HubId
from tests.integration.alerts.world import World

CLYDE = HubId("clyde-arc")


def acknowledge(alarm_id: str, action_id: str = "1") -> bytes:
    return json.dumps(
        {"action_id": action_id, "action": "acknowledge", "alarm_id": alarm_id, "operator": "morag"}
    ).encode()


async def test_two_holders_of_the_session_give_one_action_the_same_answer(glasgow: World) -> None:
    """One was stopped over it, the other was sent it again, and then both go on."""
    await glasgow.press()
    alarm_id = (await glasgow.alarm())["alarm_id"]
    hub_actions = glasgow.parts.hub_actions
    answers = await asyncio.gather(*(hub_actions.answer(CLYDE, acknowledge(alarm_id)) for _ in range(4)))
    assert [answer.result for answer in answers] == ["accepted"] * 4
    assert [event for event, _ in await glasgow.history(alarm_id)] == ["raised", "acknowledged"]


async def test_an_action_under_an_id_that_was_used_before_is_done_too(glasgow: World) -> None:
    for device_id in ("TC-000123", "TC-000124"):
        await glasgow.press(device_id=device_id)
        alarm_id = (await glasgow.alarm(device_id))["alarm_id"]
        answer = await glasgow.parts.hub_actions.answer(CLYDE, acknowledge(alarm_id, "1"))
        assert answer.result == "accepted"
        assert (await glasgow.alarm(device_id))["state"] == "acknowledged"
