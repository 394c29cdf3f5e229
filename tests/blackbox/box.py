"""A device in a home, on paho-mqtt: it sends, listens for receipts, and says the same again byte for byte."""

import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.support.servers import Broker, until

PRIVATE = "mrs-mackay-on-the-kitchen-floor"
"""Stands in every free text that the tests send, so that it can be looked for where it must not be."""

Version = Literal[4, 5]  # 4 is how MQTT calls its 3.1.1
_RETRY_MAX_S = 1
PATIENCE_S = 60.0
"""For what nobody promises within a time: a process of a busy machine may pause for seconds."""
REPEATED_AFTER_S = 10.0  # by the contract


@dataclass(frozen=True)
class Sent:
    """What was sent, to be sent again and to be known in receipts."""

    topic: str
    payload: bytes
    boot_id: str | None
    seq: int | None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.payload).hexdigest()


class Peer:
    """A paho client with a persistent session in a thread of its own, which reads JSON from the topics it subscribes."""

    def __init__(self, broker: Broker, client_id: str, *topics: str, version: Version = 5) -> None:
        self._broker = broker
        self._topics = topics
        self._version = version
        self._client_id = client_id
        self._heard: list[tuple[str, Any]] = []
        self.client = self._new_client()

    def _new_client(self) -> Client:
        self._subscribed = threading.Event()
        persistent = {"clean_session": False} if self._version == MQTTv311 else {}
        client = Client(CallbackAPIVersion.VERSION2, self._client_id, protocol=self._version, **persistent)  # type: ignore[arg-type]  # paho's are ints
        client.reconnect_delay_set(min_delay=1, max_delay=_RETRY_MAX_S)
        client.on_connect = self._subscribe
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.on_message = self._hear
        return client

    async def connect(self) -> None:
        """Return once subscribed."""
        if self._version == MQTTv5:
            session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
            session.SessionExpiryInterval = 3600
            self.client.connect_async(self._broker.host, self._broker.port, clean_start=False, properties=session)
        else:
            self.client.connect_async(self._broker.host, self._broker.port_v311)
        self.client.loop_start()
        await until(self._subscribed.is_set, what="to be subscribed")

    def close(self) -> None:
        """Say goodbye to the broker, which keeps the session for the next `connect`."""
        self.client.disconnect()
        with suppress(AttributeError):  # paho's thread forgets itself as it ends: paho may be about to wait for it
            self.client.loop_stop()
        self.client = self._new_client()  # paho leaks a socket when one client is started twice

    def heard(self, topic: str) -> Iterator[Any]:
        """What came on a topic, oldest first."""
        return (body for heard_on, body in list(self._heard) if heard_on == topic)

    def _subscribe(self, client: Client, *_: object) -> None:
        client.subscribe([(topic, 1) for topic in self._topics])

    def _hear(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        self._heard.append((message.topic, json.loads(message.payload)))


class Box(Peer):
    """One device. Its `boot_id` is new at every boot, its `seq` one for all its topics."""

    def __init__(self, broker: Broker, device_id: str, council_id: str, *, version: Version = 5) -> None:
        self.device_id = device_id
        self.council_id = council_id
        self.topic = f"telecare/v1/devices/{council_id}/{device_id}"
        self.qos = 1  # with which it publishes, unless told otherwise
        super().__init__(broker, device_id, f"{self.topic}/receipt", version=version)
        self.reboot()

    def reboot(self) -> None:
        """As after a power cut: a new `boot_id`, and `seq` from the start."""
        self.boot_id = secrets.token_hex(8)
        self.seq = 0

    def press(self, kind: str = "personal_trigger", **fields: object) -> Sent:
        """Send an alarm as the contract has it; a field of None is left out."""
        return self.send("alarm", {"kind": kind, **fields})

    def beat(self, **fields: object) -> Sent:
        """Send a heartbeat."""
        return self.send("heartbeat", fields)

    def send(self, lane: str, fields: dict[str, object]) -> Sent:
        """Send what bears an identity, on one of the device's topics."""
        self.seq += 1
        identity = {"boot_id": self.boot_id, "seq": self.seq, "sent_at": now()}
        body = {name: value for name, value in {**identity, **fields}.items() if value is not None}
        return self.say(lane, json.dumps(body).encode(), self.boot_id, self.seq)

    def say(
        self, lane: str, payload: bytes, boot_id: str | None = None, seq: int | None = None, *, qos: int | None = None
    ) -> Sent:
        """Send any bytes."""
        sent = Sent(f"{self.topic}/{lane}", payload, boot_id, seq)
        self.again(sent, qos=qos)
        return sent

    def again(self, sent: Sent, *, qos: int | None = None, retain: bool = False) -> MQTTMessageInfo:
        """The same, byte for byte."""
        return self.client.publish(sent.topic, sent.payload, self.qos if qos is None else qos, retain)

    def receipts(self, sent: Sent | None = None) -> list[dict[str, Any]]:
        """The receipts, all or those of one alarm, oldest first."""
        return [each for each in self.heard(f"{self.topic}/receipt") if sent is None or _is_of(each, sent)]

    async def receipt(
        self, sent: Sent, state: str = "stored", *, timeout_s: float = PATIENCE_S, insists: bool = True
    ) -> dict[str, Any]:
        """Wait for the first receipt of an alarm that tells this state; any state implies that it is stored.

        As long as there is none at all the alarm is said again, as every box must: a receipt is sent once, and lost if we have no
        line to the broker just then, of which `/readyz` says nothing. Not `insists`: it is ours alone to see to it.
        """
        again_at = time.monotonic() + REPEATED_AFTER_S

        def told() -> dict[str, Any] | None:
            nonlocal again_at
            receipts = self.receipts(sent)
            if insists and not receipts and time.monotonic() > again_at:
                again_at = time.monotonic() + REPEATED_AFTER_S
                self.again(sent)
            return next((each for each in receipts if state in {"stored", each["state"]}), None)

        found = await until(told, timeout_s, what=f"a receipt '{state}' for {sent.seq} of {self.device_id}")
        assert found is not None
        return found


def _is_of(receipt: dict[str, Any], sent: Sent) -> bool:
    if sent.boot_id is None:
        return receipt.get("payload_sha256") == sent.sha256
    return (receipt["boot_id"], receipt["seq"]) == (sent.boot_id, sent.seq)


def now() -> str:
    """The time as devices write it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
