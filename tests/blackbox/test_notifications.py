"""Contract, "notification": what a hub is told, and what counts as told."""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio

from tests.blackbox.box import Box
from tests.blackbox.hub import Delivery, Misbehaviour, MqttHub, Reaction, Receiver
from tests.blackbox.installation import ALARM_FIELDS, HUB, Installation, MakeBox
from tests.support.servers import until

EVENT_FIELDS = {"kind", "status", "sent_at", "boot_id", "seq", "location", "peripheral_id", "text", "scaip"}

# The contract promises a life alarm's next attempt within 10 s; the machine that runs the tests gets two more.
RETRY_WITHIN_S = 12.0
SEND_TIMEOUT_S = 10.0
# As many as may ever come: by each hub that there is, each minute, for as long as a busy machine takes.
REFUSALS = 1_000

TRANSIENT: dict[str, Reaction] = {
    "500": 500, "503": 503, "408": 408, "425": 425, "429": 429, "a reset": Misbehaviour.RESET,
    "silence": Misbehaviour.HANG,
}  # fmt: skip
PERMANENT: dict[str, Reaction] = {"302": 302, "400": 400, "401": 401, "404": 404, "410": 410}


async def test_a_webhook_is_a_signed_standard_webhook_whose_id_is_the_notifications(
    box: MakeBox, receiver: Receiver
) -> None:
    home = await box()
    home.press()

    told = await receiver.told(home.device_id)  # the receiver refuses what isn't signed with the hub's secret

    assert told.notification.keys() == {"id", "type", "timestamp", "data"}
    assert told.headers["webhook-id"] == told.notification["id"]
    assert told.headers["webhook-signature"].startswith("v1,")
    assert told.headers["webhook-timestamp"].isdecimal()
    assert told.headers["content-type"].startswith("application/json")
    assert datetime.fromisoformat(told.notification["timestamp"]).tzinfo


async def test_a_notification_carries_the_alarm_and_the_event_that_caused_it(box: MakeBox, receiver: Receiver) -> None:
    home = await box()
    home.press("fall")

    data = (await receiver.told(home.device_id)).data

    assert data.keys() >= ALARM_FIELDS | {"event"}
    assert data["event"].keys() >= EVENT_FIELDS
    assert (data["installation_ref"], data["state"], data["event_count"]) == (f"ref-{home.device_id}", "open", 1)
    assert data["event"]["scaip"] == {"dty": 5, "stc": 6, "lco": 0}


async def test_every_step_in_the_life_of_an_alarm_is_one_notification(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    home = await box()
    home.press()
    alarm_id = (await receiver.told(home.device_id)).data["alarm_id"]
    home.press()
    await receiver.told(home.device_id, "alarm.repeated")
    steps: list[tuple[str, dict[str, str]]] = [
        ("acknowledge", {"operator": "morag"}),
        ("release", {"operator": "morag"}),
        ("acknowledge", {"operator": "hamish"}),
        ("close", {"operator": "hamish", "outcome": "advice_given"}),
    ]
    for action, body in steps:
        assert (await installation.api.post(f"/api/v1/alarms/{alarm_id}/{action}", body)).status == 200
    # The last to be sent need not be the last to come: they are under way side by side.
    await until(lambda: len(receiver.attempts(home.device_id)) >= len(steps) + 2, what="all six to be told")

    told = receiver.attempts(home.device_id)
    assert sorted(each.notification["type"] for each in told) == sorted(
        ["alarm.raised", "alarm.repeated", "alarm.acknowledged", "alarm.released", "alarm.acknowledged", "alarm.closed"]
    )
    assert len({each.id for each in told}) == len(told)
    assert {each.data["alarm_id"] for each in told} == {alarm_id}


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def pressed(
    module_box: MakeBox, receiver_of_module: Receiver, mqtt_hub: MqttHub
) -> AsyncIterator[dict[str, Box]]:
    """One home per way in which a hub fails first; all press at once, so that the waiting is done together."""
    homes = {name: await module_box() for name in [*TRANSIENT, *PERMANENT, "a drip"]}
    for name, reaction in TRANSIENT.items():
        receiver_of_module.plan(homes[name].device_id, reaction)
    for name, reaction in PERMANENT.items():
        # Who refuses for good refuses whatever comes after, too: when one hub has, another may be asked at once.
        receiver_of_module.plan(homes[name].device_id, *[reaction] * REFUSALS)
    receiver_of_module.plan(homes["a drip"].device_id, Misbehaviour.DRIP)
    homes["not received"] = await module_box(council="moray")
    for home in homes.values():
        home.press()
    yield homes


@pytest.fixture(scope="module")
def receiver_of_module(installation: Installation) -> Receiver:
    return installation.receiver


@pytest.mark.parametrize("failure", TRANSIENT)
async def test_a_hub_that_fails_for_a_moment_is_told_again_with_the_same_id(
    installation: Installation, pressed: dict[str, Box], receiver: Receiver, failure: str
) -> None:
    home = pressed[failure]

    taken = await receiver.told(home.device_id)

    first, *others = receiver.attempts(home.device_id, "alarm.raised")
    assert first.reaction == TRANSIENT[failure]
    assert {each.id for each in others} == {first.id} == {taken.id}
    patience_s = SEND_TIMEOUT_S if failure == "silence" else 0
    assert others[0].at - first.at <= RETRY_WITHIN_S + patience_s
    await installation.alarm(home.device_id)
    await until(lambda: any(each["state"] == "notified" for each in home.receipts()))


@pytest.mark.alone
async def test_a_hub_that_answers_by_drips_holds_up_nobody_elses_alarm(
    installation: Installation, pressed: dict[str, Box], box: MakeBox, receiver: Receiver
) -> None:
    await until(lambda: receiver.attempts(pressed["a drip"].device_id))
    dripped_on, home = await box(), await box()
    receiver.plan(dripped_on.device_id, Misbehaviour.DRIP)
    dripped_on.press()
    first = (await until(lambda: receiver.attempts(dripped_on.device_id)))[0]
    home.press()
    # Held up by it, it would come when the drip is given up.
    assert (await receiver.told(home.device_id)).at - first.at < SEND_TIMEOUT_S


@pytest.mark.parametrize("failure", PERMANENT)
async def test_a_hub_that_refuses_for_good_is_not_told_the_same_again(
    installation: Installation, pressed: dict[str, Box], receiver: Receiver, failure: str
) -> None:
    home = pressed[failure]
    refused = (await until(lambda: receiver.attempts(home.device_id)))[0]
    # That hub's next attempt would have come by the time that the one which hung has been told again.
    await receiver.told(pressed["silence"].device_id)

    assert [each.reaction for each in receiver.attempts(home.device_id) if each.id == refused.id] == [
        PERMANENT[failure]
    ]
    alarm = await installation.alarm(home.device_id)
    assert (alarm["state"], alarm["notified_at"]) == ("open", None)


async def test_a_hub_that_was_down_is_told_as_soon_as_it_is_back(installation: Installation, box: MakeBox) -> None:
    receiver = Receiver()
    await installation.make_hub("forth-arc", "falkirk", channels=[receiver.channel("forth-arc")])
    home = await box(council="falkirk")
    press = home.press()
    await home.receipt(press)
    assert (await installation.alarm(home.device_id))["notified_at"] is None

    await receiver.start()
    try:
        await receiver.told(home.device_id, timeout_s=RETRY_WITHIN_S + SEND_TIMEOUT_S)
        await home.receipt(press, "notified")
        assert receiver.refused == [], receiver.refused
        await installation.close_alarms(home.device_id)
        await receiver.told(home.device_id, "alarm.closed")
        await installation.make_hub("forth-arc", channels=[])
    finally:
        await receiver.stop()


async def test_a_hub_without_a_verified_channel_does_not_count_and_everybody_else_is_told(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    unproven = [receiver.channel("unproven-arc", verified=False)]
    await installation.make_hub("unproven-arc", "angus", channels=unproven)
    home = await box(council="angus")
    home.press()
    await receiver.told(home.device_id, hub=HUB)
    assert receiver.attempts(home.device_id, hub="unproven-arc") == []


async def test_a_hub_is_told_on_all_its_channels_at_once_with_one_id(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    channels = [receiver.channel("aberdeen-arc"), {"kind": "mqtt", "verified": True}]
    await installation.make_hub("aberdeen-arc", "aberdeen-city", channels=channels)
    hub = MqttHub(installation.broker, "aberdeen-arc")
    await hub.connect()
    home = await box(council="aberdeen-city")

    home.press()

    by_webhook: Delivery = await receiver.told(home.device_id, hub="aberdeen-arc")
    by_mqtt = await hub.told(home.device_id)
    assert by_mqtt == json.loads(by_webhook.body)
    await hub.act("received", notification_id=by_mqtt["id"])
    await installation.close_alarms(home.device_id)
    hub.close()


async def test_by_mqtt_an_alarm_is_delivered_only_when_the_hub_says_so(
    installation: Installation, box: MakeBox, mqtt_hub: MqttHub
) -> None:
    home = await box(council="moray")
    press = home.press()
    raised = await mqtt_hub.told(home.device_id)
    assert raised.keys() == {"id", "type", "timestamp", "data"}
    await home.receipt(press)
    assert (await installation.alarm(home.device_id))["notified_at"] is None
    assert {each["state"] for each in home.receipts(press)} == {"stored"}

    assert (await mqtt_hub.act("received", notification_id=raised["id"]))["result"] == "accepted"

    await home.receipt(press, "notified")
    assert (await installation.alarm(home.device_id))["notified_at"]


async def test_a_hub_may_speak_the_older_mqtt(installation: Installation, box: MakeBox, receiver: Receiver) -> None:
    """*Measured*: one message with an expiry, on its way to a hub on MQTT 3.1.1, ended the embedded broker's port of that."""
    await installation.make_hub("angus-arc", "angus", channels=[{"kind": "mqtt", "verified": True}])
    hub = MqttHub(installation.broker, "angus-arc", version=4)
    await hub.connect()
    home = await box(council="angus", version=4)
    pressed = home.press()
    raised = await hub.told(home.device_id)
    for action, fields in (("received", {}), ("acknowledge", {"operator": "isla"})):
        assert (await hub.act(action, notification_id=raised["id"], **fields))["result"] == "accepted"
    await hub.told(home.device_id, "alarm.acknowledged")
    await home.receipt(pressed, "acknowledged")
    await box(council="angus", version=4)
    hub.close()
    await installation.make_hub("angus-arc", channels=[receiver.channel("angus-arc")])


async def test_by_mqtt_an_alarm_comes_again_with_the_same_id_until_the_hub_says_received(
    pressed: dict[str, Box], mqtt_hub: MqttHub
) -> None:
    home = pressed["not received"]

    def raised() -> list[
        dict[str, Any]
    ]:  # and not that it has escalated, which a busy machine tells before it comes again
        return mqtt_hub.notifications(home.device_id, "alarm.raised")

    await until(lambda: len(raised()) >= 2, RETRY_WITHIN_S + SEND_TIMEOUT_S)
    first, second = raised()[:2]
    assert first == second
    assert (await mqtt_hub.act("received", notification_id=first["id"]))["result"] == "accepted"
