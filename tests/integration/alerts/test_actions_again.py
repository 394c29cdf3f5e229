"""An action that a hub sends again is done once and answered alike; another one under its id is another one."""

import asyncio
import json
import uuid
from collections.abc import Sequence

import pytest

from contracts.ids import EventId, HubId
from services.alerts import store
from services.alerts.domain.decision import Decision, Refusal, RefusalReason
from services.alerts.domain.triggers import Acknowledge
from services.alerts.people import NotWrittenYet, People
from services.chassis.postgres import Connection
from services.chassis.postgres.borrow import borrow
from tests.blackbox.hub import Receiver
from tests.integration.alerts.world import World
from tests.unit.alerts.build import event

CLYDE = HubId("clyde-arc")


def acknowledge(alarm_id: str, action_id: str = "1") -> bytes:
    return json.dumps(
        {"action_id": action_id, "action": "acknowledge", "alarm_id": alarm_id, "operator": "morag"}
    ).encode()


async def take(glasgow: World, alarm_id: str) -> object:
    """Somebody at the Clyde hub acknowledges it."""
    async with borrow(glasgow.parts.pool) as connection, connection.transaction():
        what, now = Acknowledge("morag"), glasgow.clock.now()
        outcome, _ = await People(glasgow.parts.alarms).act(connection, alarm_id, what, CLYDE, now)
        return outcome


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


async def test_a_hub_that_says_received_has_the_alarm_however_late_we_took_it_up(glasgow: World) -> None:
    """Its notification tells when the device's event was received; what counts is when the hub was told."""
    await glasgow.hub("tay-arc", mqtt=True)
    await glasgow.route("fife", "tay-arc", "forth-arc")
    happened = event(device_id="TC-FIFE", council_id="fife", received_at=glasgow.clock.now())
    glasgow.clock.move(120)  # alerts was away
    await glasgow.arrive(happened)
    (sent,) = await glasgow.deliveries("mqtt")
    body = json.dumps({"action_id": "1", "action": "received", "notification_id": sent["notification_id"]})
    assert (await glasgow.parts.hub_actions.answer(HubId("tay-arc"), body.encode())).result == "accepted"
    assert (await glasgow.alarm())["reached_at"] is not None
    await glasgow.after(30)
    assert (await glasgow.alarm())["step"] == 0


async def test_a_decision_that_a_crash_of_the_database_took_back_is_told_by_the_same_notification(
    glasgow: World, receiver: Receiver
) -> None:
    """Its commit does not wait for the disk: what it follows from does."""
    pressed = await glasgow.press()
    await glasgow.database.execute("truncate alerts.alarm cascade")
    glasgow.clock.move(1)
    await glasgow.arrive(pressed)
    first, again = receiver.attempts("TC-000123")
    assert (first.id, first.body) == (again.id, again.body)


async def test_who_takes_what_a_crash_of_the_database_took_back_is_to_try_again(
    glasgow: World, receiver: Receiver
) -> None:
    """*Seen* (the soak): a hub that was quicker than the second decision was told that there is no such alarm, and gave up."""
    pressed = await glasgow.press()
    (told,) = receiver.attempts("TC-000123")
    await glasgow.database.execute("truncate alerts.alarm cascade")
    await glasgow.tell(pressed)
    for alarm_id in (told.data["alarm_id"], told.data["alarm_id"].upper()):
        with pytest.raises(NotWrittenYet):
            await take(glasgow, alarm_id)
    by_notification = {"action_id": "1", "action": "acknowledge", "notification_id": told.id, "operator": "morag"}
    with pytest.raises(NotWrittenYet):
        await glasgow.parts.hub_actions.answer(CLYDE, json.dumps(by_notification).encode())
    for unknown in (str(uuid.uuid4()), "none"):
        assert await take(glasgow, unknown) == Refusal(RefusalReason.UNKNOWN_ALARM)

    await glasgow.parts.consumer.run_once()
    assert isinstance(await take(glasgow, told.data["alarm_id"]), Decision)


@pytest.mark.parametrize("by", ["alarm_id", "notification_id"])
async def test_who_takes_it_in_the_instant_in_which_it_is_decided_again_has_it(
    glasgow: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """Not an alarm yet at the first look, and not waiting any more at the second."""
    pressed = await glasgow.press()
    (told,) = receiver.attempts("TC-000123")
    await glasgow.database.execute("truncate alerts.alarm cascade")
    await glasgow.tell(pressed)
    look = store.undecided

    async def late(connection: Connection) -> Sequence[EventId]:
        await glasgow.parts.consumer.run_once()
        return await look(connection)

    monkeypatch.setattr(store, "undecided", late)
    about = {"alarm_id": told.data["alarm_id"], "notification_id": told.id}[by]
    action = {"action_id": "1", "action": "acknowledge", by: about, "operator": "morag"}
    answer = await glasgow.parts.hub_actions.answer(CLYDE, json.dumps(action).encode())
    assert answer.result == "accepted"
