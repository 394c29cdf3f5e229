"""The canary's connections to the broker, through paho: the device that presses, the hub that is told."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from contracts.ids import CANARY, HubId
from contracts.topics import device_topic, hub_topic
from services.canary.identity import CanaryDevice
from services.chassis.mqtt import MqttUrl
from services.chassis.mqtt.threaded import hang_up

_log = structlog.get_logger(__name__)

HUB: Final = HubId(CANARY)
_KEEPALIVE_S: Final = 15
_RECONNECT_S: Final = (1, 10)
_PAYLOAD_MAX: Final = 64 * 1024


class Line:
    """A connection that mends itself, in a thread of paho's. `close` ends it."""

    def __init__(self, url: str, client_id: str) -> None:
        self._url = MqttUrl.parse(url)
        # A user of the broker is bound to its own name.
        self._client_id = self._url.username or client_id
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=self._client_id, protocol=mqtt.MQTTv5)
        if self._url.username is not None:
            self.client.username_pw_set(self._url.username, self._url.password)
        if self._url.tls:
            self.client.tls_set()
        self.client.reconnect_delay_set(*_RECONNECT_S)
        self.client.on_connect = self._connected
        self.client.on_disconnect = self._lost

    def open(self) -> None:
        """Connect now, or whenever the broker is there."""
        self.client.connect_async(self._url.host, self._url.port, keepalive=_KEEPALIVE_S)
        self.client.loop_start()

    def close(self) -> None:
        hang_up(self.client)

    def on_open(self) -> None:
        """Called in paho's thread at each connection."""

    def _connected(self, _client: Any, _data: Any, _flags: Any, code: ReasonCode, _properties: Any) -> None:
        if code.is_failure:
            _log.warning("canary_refused_by_broker", user=self._client_id, reason=str(code))
            return
        _log.info("canary_connected", user=self._client_id)
        self.on_open()

    def _lost(self, _client: Any, _data: Any, _flags: Any, code: ReasonCode, _properties: Any) -> None:
        if code.is_failure:
            _log.warning("canary_disconnected", user=self._client_id, reason=str(code))


class Pendant(Line):
    """The test pendant of one shard's device."""

    def __init__(self, device: CanaryDevice) -> None:
        super().__init__(device.mqtt_url, device.device_id)
        self.device = device
        self._topic = device_topic(device.council_id, device.device_id, "alarm")

    def press(self, boot_id: str, seq: int) -> bool:
        """Press it; whether the broker is there to take it."""
        if not self.client.is_connected():
            return False
        payload = {
            "boot_id": boot_id,
            "seq": seq,
            "sent_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "kind": "personal_trigger",
            "test": True,
        }
        return self.client.publish(self._topic, json.dumps(payload), qos=1).rc == mqtt.MQTT_ERR_SUCCESS


class Hub(Line):
    """Is told over MQTT, and says that it has received the canary's own tests. `heard(boot_id, seq)` comes in paho's thread.

    Whatever else comes here is somebody's who gave the canary's council as theirs: received by no hub that is nobody's, it goes on
    to the others in the ladder's own time.
    """

    def __init__(self, url: str, heard: Callable[[str, int], None]) -> None:
        super().__init__(url, f"hub-{HUB}")
        self._heard = heard
        self.client.on_message = self._told

    def on_open(self) -> None:
        self.client.subscribe(hub_topic(HUB, "notifications"), qos=1)

    def _told(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        """Paho's thread must outlive whatever comes: what can't be read is said, and passed over."""
        try:
            told = read(bytes(message.payload))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            _log.warning("canary_told_what_it_cannot_read", error=type(error).__name__)
            return
        if told is None:
            _log.error("canary_told_of_another", hint="a device says that its council is the canary's")
            return
        received = {"action_id": secrets.token_hex(8), "action": "received", "notification_id": told.notification_id}
        self.client.publish(hub_topic(HUB, "actions"), json.dumps(received), qos=1)
        self._heard(told.boot_id, told.seq)


class Told(NamedTuple):
    """A press that came round."""

    notification_id: str
    boot_id: str
    seq: int


def read(payload: bytes) -> Told | None:
    """What a notification tells of a canary's press; None: of anything else. Raises what JSON and dictionaries raise."""
    notification = json.loads(payload[:_PAYLOAD_MAX])
    alarm = notification["data"]
    if notification["type"] != "test.received" or not alarm["device_id"].startswith(f"{CANARY}-"):
        return None
    return Told(notification["id"], alarm["event"]["boot_id"], int(alarm["event"]["seq"]))
