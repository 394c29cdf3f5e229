import asyncio
import contextlib
import json
import queue
from collections.abc import Iterator
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from services.chassis.mqtt.threaded import hang_up
from services.simulator.desk import HubConfig
from services.simulator.hub_mqtt import MqttHub
from tests.support.servers import Broker, until

CONFIG = HubConfig(hub_id="fife-arc", reaction_s=(0.0, 0.0), handling_s=0.0, seed=1)


class Service:
    """Our side, on paho: tells the hub, and answers its actions."""

    def __init__(self, port: int) -> None:
        self.actions: list[dict[str, Any]] = []
        self.verdict = "accepted"
        self.ready: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.client = Client(CallbackAPIVersion.VERSION2, client_id="service", protocol=MQTTProtocolVersion.MQTTv5)
        self.client.on_connect = lambda client, *_: client.subscribe("telecare/v1/hubs/+/actions", qos=1)
        self.client.on_subscribe = lambda *_: self.ready.put(None)
        self.client.on_message = self._on_message
        self.client.connect("127.0.0.1", port, clean_start=True)

    def tell(self, id_: str, **data: Any) -> None:
        defaults = {"alarm_id": "a1", "priority": 1, "state": "open", "test": False}
        body = {"id": id_, "type": "alarm.raised", "timestamp": "2026-11-21T09:00:00Z", "data": defaults | data}
        self.client.publish("telecare/v1/hubs/fife-arc/notifications", json.dumps(body), qos=1)

    def _on_message(self, client: Client, _userdata: Any, message: MQTTMessage) -> None:
        action = json.loads(message.payload)
        self.actions.append(action)
        if action["action"] != "received":
            result = {"action_id": action["action_id"], "result": self.verdict}
            client.publish("telecare/v1/hubs/fife-arc/action-results", json.dumps(result), qos=1)


@pytest.fixture
def service(broker: Broker) -> Iterator[Service]:
    service = Service(broker.port)
    service.client.loop_start()
    service.ready.get(timeout=60)
    yield service
    hang_up(service.client)


@contextlib.asynccontextmanager
async def running(hub: MqttHub) -> Any:
    task = asyncio.create_task(hub.run())
    await hub.online.wait()
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_hub_says_received_for_every_delivery_and_acts_once(broker: Broker, service: Service) -> None:
    hub = MqttHub(broker.url, CONFIG)
    async with running(hub):
        service.tell("n1")
        service.tell("n1")
        await until(lambda: hub.desk.closed == ["a1"])
        await until(lambda: len(service.actions) == 4)
    asked = [action["action"] for action in service.actions]
    assert sorted(asked) == ["acknowledge", "close", "received", "received"]
    assert {action.get("notification_id") for action in service.actions} == {"n1", None}
    assert [result.result for result in hub.results] == ["accepted", "accepted"]


async def test_an_alarm_that_another_has_taken_is_left_to_them(broker: Broker, service: Service) -> None:
    service.verdict = "already_acknowledged"
    hub = MqttHub(broker.url, CONFIG)
    async with running(hub):
        service.tell("n1")
        await until(lambda: len(hub.results) == 1)
    assert hub.desk.acknowledged == hub.desk.closed == []


async def test_what_was_told_while_the_hub_was_away_waits_for_it(broker: Broker, service: Service) -> None:
    hub = MqttHub(broker.url, CONFIG)
    async with running(hub):
        pass
    service.tell("n1")
    again = MqttHub(broker.url, CONFIG)
    async with running(again):
        await until(lambda: again.desk.closed == ["a1"])
