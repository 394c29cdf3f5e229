"""Contract, "action": how a hub takes, gives back and closes an alarm by MQTT, and what it is answered."""

import json
from collections.abc import Awaitable, Callable

import pytest

from tests.blackbox.box import PRIVATE, Box
from tests.blackbox.hub import MqttHub, Receiver
from tests.blackbox.installation import Installation, MakeBox
from tests.support.servers import until


@pytest.fixture
def raised(box: MakeBox, mqtt_hub: MqttHub) -> Callable[[], Awaitable[tuple[Box, str]]]:
    """A home in Moray whose press the hub has received: the box and the alarm's id."""

    async def make() -> tuple[Box, str]:
        home = await box(council="moray")
        home.press()
        notification = await mqtt_hub.told(home.device_id)
        await mqtt_hub.act("received", notification_id=notification["id"])
        return home, notification["data"]["alarm_id"]

    return make


Raised = Callable[[], Awaitable[tuple[Box, str]]]


async def test_an_operator_takes_gives_back_and_closes_an_alarm(
    installation: Installation, raised: Raised, mqtt_hub: MqttHub
) -> None:
    home, alarm_id = await raised()

    taken = await mqtt_hub.act("acknowledge", alarm_id=alarm_id, operator="isla")
    assert taken["result"] == "accepted"
    assert (await installation.alarm(home.device_id, state="acknowledged"))["acknowledged_by"] == "isla"
    assert (await mqtt_hub.act("release", alarm_id=alarm_id, operator="isla"))["result"] == "accepted"
    await installation.alarm(home.device_id, state="open", acknowledged_by=None)
    assert (await mqtt_hub.act("acknowledge", alarm_id=alarm_id, operator="ewan"))["result"] == "accepted"
    closing = await mqtt_hub.act("close", alarm_id=alarm_id, operator="ewan", outcome="attended", note=PRIVATE)
    assert closing["result"] == "accepted"
    assert (await installation.alarm(home.device_id, state="closed"))["outcome"] == "attended"


async def test_an_operator_does_all_that_by_what_the_hub_was_sent(
    installation: Installation, box: MakeBox, mqtt_hub: MqttHub
) -> None:
    """Contract: each action names its alarm by `notification_id` or `alarm_id`."""
    home = await box(council="moray")
    home.press()
    told = await mqtt_hub.told(home.device_id)
    alarm_id = told["data"]["alarm_id"]

    assert (await mqtt_hub.act("received", alarm_id=alarm_id))["result"] == "accepted"
    assert (await installation.alarm(home.device_id))["notified_at"] is not None
    assert (await mqtt_hub.act("received", alarm_id=alarm_id))["result"] == "accepted"  # said before
    for action, state, fields in (
        ("acknowledge", "acknowledged", {"operator": "isla"}),
        ("release", "open", {"operator": "isla"}),
        ("close", "closed", {"operator": "isla", "outcome": "attended", "alarm_id": alarm_id}),
    ):
        assert (await mqtt_hub.act(action, notification_id=told["id"], **fields))["result"] == "accepted"
        await installation.alarm(home.device_id, state=state)
    again = await mqtt_hub.act("acknowledge", notification_id=told["id"], operator="ewan")
    assert again["result"] == "already_closed"


async def test_a_notification_that_is_none_or_is_of_another_alarm_moves_nothing(
    installation: Installation, box: MakeBox, mqtt_hub: MqttHub
) -> None:
    unknown = await mqtt_hub.act("acknowledge", notification_id="msg_none", operator="isla")
    assert unknown["result"] == "unknown_alarm"
    assert (await mqtt_hub.act("received", alarm_id="no-such-alarm"))["result"] == "unknown_alarm"
    told = []
    for _ in range(2):
        home = await box(council="moray")
        home.press()
        told.append(await mqtt_hub.told(home.device_id))
    crossed = {"notification_id": told[0]["id"], "alarm_id": told[1]["data"]["alarm_id"]}
    for action, fields in (("received", {}), ("acknowledge", {"operator": "isla"})):
        assert (await mqtt_hub.act(action, **crossed, **fields))["result"] == "invalid"
    for each in told:
        alarm = await installation.alarm(each["data"]["device_id"])
        assert (alarm["state"], alarm["notified_at"]) == ("open", None)


async def test_two_operators_cannot_take_one_alarm(raised: Raised, mqtt_hub: MqttHub) -> None:
    _, alarm_id = await raised()
    for operator, result in (("isla", "accepted"), ("isla", "accepted"), ("ewan", "already_acknowledged")):
        assert (await mqtt_hub.act("acknowledge", alarm_id=alarm_id, operator=operator))["result"] == result


async def test_a_closed_alarm_stays_closed(raised: Raised, mqtt_hub: MqttHub) -> None:
    _, alarm_id = await raised()
    await mqtt_hub.act("close", alarm_id=alarm_id, operator="isla", outcome="accidental")
    assert (await mqtt_hub.act("acknowledge", alarm_id=alarm_id, operator="ewan"))["result"] == "already_closed"
    again = await mqtt_hub.act("close", alarm_id=alarm_id, operator="ewan", outcome="attended")
    assert again["result"] == "already_closed"


@pytest.mark.parametrize("alarm_id", ["00000000-0000-4000-8000-000000000000", "no-such-alarm"])
async def test_an_alarm_that_does_not_exist_is_unknown(mqtt_hub: MqttHub, alarm_id: str) -> None:
    assert (await mqtt_hub.act("acknowledge", alarm_id=alarm_id, operator="isla"))["result"] == "unknown_alarm"


async def test_another_hubs_alarm_is_none_of_its_business(
    installation: Installation, box: MakeBox, receiver: Receiver, mqtt_hub: MqttHub
) -> None:
    home = await box(council="glasgow-city")
    home.press()
    told = await receiver.told(home.device_id)
    alarm_id = told.data["alarm_id"]

    for action, fields in (
        ("acknowledge", {"operator": "isla"}),
        ("release", {"operator": "isla"}),
        ("close", {"operator": "isla", "outcome": "attended"}),
    ):
        result = await mqtt_hub.act(action, alarm_id=alarm_id, **fields)
        assert result["result"] in {"forbidden", "unknown_alarm"}
        result = await mqtt_hub.act(action, notification_id=told.id, **fields)
        assert result["result"] in {"forbidden", "unknown_alarm"}
    assert (await mqtt_hub.act("received", alarm_id=alarm_id))["result"] == "forbidden"
    assert (await installation.alarm(home.device_id))["state"] == "open"


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "acknowledge"},
        {"action": "acknowledge", "alarm_id": "ALARM"},
        {"action": "close", "alarm_id": "ALARM", "operator": " ", "outcome": "attended"},
        {"action": "close", "alarm_id": "ALARM", "operator": "isla"},
        {"action": "close", "alarm_id": "ALARM", "operator": "isla", "outcome": "bored"},
        {"action": "delete", "alarm_id": "ALARM", "operator": "isla"},
        {"action": "received"},
        {},
    ],
    ids=[
        "no alarm",
        "no operator",
        "operator of spaces",
        "no outcome",
        "unknown outcome",
        "unknown action",
        "no notification",
        "nothing",
    ],
)
async def test_an_action_with_something_missing_is_answered_invalid_and_changes_nothing(
    installation: Installation, raised: Raised, mqtt_hub: MqttHub, fields: dict[str, str]
) -> None:
    home, alarm_id = await raised()
    sent = {name: value.replace("ALARM", alarm_id) for name, value in fields.items()}
    action_id = f"invalid-{home.device_id}"

    mqtt_hub.say(json.dumps({"action_id": action_id, **sent}).encode())

    result = await mqtt_hub.result(action_id)
    assert (result["result"], bool(result["detail"])) == ("invalid", True)
    assert (await installation.alarm(home.device_id))["state"] == "open"


async def test_an_action_that_cannot_be_read_holds_up_no_other(raised: Raised, mqtt_hub: MqttHub) -> None:
    _, alarm_id = await raised()
    for noise in (b"", b"\xff\x00", b"[]", b"[" * 5000, b'{"action_id": 7}', b'{"action":"close","note":"\\u0000"}'):
        mqtt_hub.say(noise)
    assert (await mqtt_hub.act("acknowledge", alarm_id=alarm_id, operator="isla"))["result"] == "accepted"


async def test_an_action_sent_twice_is_answered_twice_alike(
    installation: Installation, raised: Raised, mqtt_hub: MqttHub
) -> None:
    home, alarm_id = await raised()
    body = {"action_id": f"twice-{home.device_id}", "action": "acknowledge", "alarm_id": alarm_id, "operator": "isla"}
    for _ in range(2):
        mqtt_hub.say(json.dumps(body).encode())
    await until(lambda: len(mqtt_hub.results(body["action_id"])) == 2)
    assert [each["result"] for each in mqtt_hub.results(body["action_id"])] == ["accepted", "accepted"]
    history = (await installation.alarm(home.device_id))["history"]
    assert [each["event"] for each in history].count("acknowledged") == 1
