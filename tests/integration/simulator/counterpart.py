"""What a fleet talks to in these tests: an independent client (paho) that takes all in and answers as told."""

import hashlib
import json
import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from contracts.device import Alarm
from contracts.topics import parse_device_topic, reply_topic
from services.chassis.mqtt.threaded import hang_up

Answer = Callable[["Heard"], Sequence[str]]


@dataclass(frozen=True)
class Heard:
    """One message of a device."""

    topic: str
    lane: str
    device: str
    payload: bytes
    qos: int
    retained: bool
    expiry_s: int | None

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.payload)
        return body


class Counterpart:
    """`answer(alarm)` says which receipts it gets, in order."""

    def __init__(self, port: int) -> None:
        self.answer: Answer = lambda _alarm: ["stored"]
        self._heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        self._kept: list[Heard] = []
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="counterpart", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_message = self._on_message
        self._subscribed: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._client.on_connect = lambda client, *_: client.subscribe("telecare/v1/devices/+/+/+", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.put(None)
        self._client.connect("127.0.0.1", port, clean_start=True)

    def heard(self, lane: str) -> list[Heard]:
        """Everything so far, in order of arrival."""
        while not self._heard.empty():
            self._kept.append(self._heard.get())
        return [message for message in self._kept if message.lane == lane]

    def receipt(self, alarm: Heard, state: str) -> None:
        """Publish one; by identity where it can be read, else by digest."""
        try:
            read = Alarm.model_validate_json(alarm.payload)
            identity: dict[str, Any] = {"boot_id": read.boot_id, "seq": read.seq}
        except ValueError:
            digest = hashlib.sha256(alarm.payload).hexdigest()
            identity = {"boot_id": None, "seq": None, "payload_sha256": digest}
        body = identity | {"state": state, "alarm_id": "a-1", "at": datetime.now(UTC).isoformat()}
        self._reply(alarm.topic, "receipt", body)

    def command(self, topic: str, name: str, **args: Any) -> None:
        """Command the device of that topic."""
        expires_at = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
        self._reply(topic, "command", {"command_id": name, "name": name, "args": args, "expires_at": expires_at})

    def _reply(self, topic: str, lane: Any, body: dict[str, Any]) -> None:
        reply = reply_topic(topic, lane)
        assert reply is not None
        self._client.publish(reply, json.dumps(body), qos=1)

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        topic = parse_device_topic(message.topic)
        if topic is None or topic.lane in {"receipt", "command"}:
            return
        expiry_s = getattr(message.properties, "MessageExpiryInterval", None)
        heard = Heard(
            message.topic, topic.lane, topic.device, bytes(message.payload), message.qos, bool(message.retain), expiry_s
        )
        self._heard.put(heard)
        if topic.lane == "alarm":
            for state in self.answer(heard):
                self.receipt(heard, state)

    def __enter__(self) -> Self:
        self._client.loop_start()
        self._subscribed.get(timeout=60)
        return self

    def __exit__(self, *_: object) -> None:
        hang_up(self._client)
