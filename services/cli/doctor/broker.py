"""The broker, looked at through paho-mqtt: a client independent of the one that the service itself uses."""

from __future__ import annotations

import asyncio
import queue
import secrets
import ssl
import threading
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from services.chassis.mqtt import MqttUrl
from services.chassis.mqtt.threaded import hang_up
from services.chassis.settings import Settings
from services.cli.doctor.finding import Finding, good, note, wrong

_AREA = "broker"
_TIMEOUT_S = 5.0
_BACKLOG = 1200  # above Mosquitto's default max_queued_messages of 1,000, which drops what comes after without a word
_SESSION_EXPIRY_S = 7 * 24 * 3600  # what ingest asks for
_PAYLOAD_ACCEPTED = 16 * 1024  # contract, "What a device promises"


async def examine_broker(settings: Settings) -> list[Finding]:
    try:
        url = MqttUrl.parse(settings.mqtt_url.get_secret_value())
    except ValueError as error:
        return [
            wrong(_AREA, f"TELECARE_MQTT_URL is not usable: {error}", "write it like mqtt://user:password@host:1883")
        ]
    return await asyncio.to_thread(_examine, url)


@dataclass
class _Client:
    """One paho connection, driven step by step."""

    url: MqttUrl
    client_id: str
    connected: queue.Queue[tuple[Any, ReasonCode, Any]] = field(default_factory=queue.Queue)
    suback: queue.Queue[list[ReasonCode]] = field(default_factory=queue.Queue)
    received: int = 0
    wanted: int = 0
    complete: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.paho = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=self.client_id, protocol=mqtt.MQTTv5)
        if self.url.username is not None:
            self.paho.username_pw_set(self.url.username, self.url.password)
        if self.url.tls:
            self.paho.tls_set()
        self.paho.max_inflight_messages_set(100)
        self.paho.max_queued_messages_set(0)
        self.paho.on_connect = lambda _c, _u, flags, code, properties: self.connected.put((flags, code, properties))
        self.paho.on_subscribe = lambda _c, _u, _mid, codes, _properties: self.suback.put(codes)
        self.paho.on_message = self._count

    def _count(self, _client: Any, _userdata: Any, _message: Any) -> None:
        self.received += 1
        if self.received >= self.wanted > 0:
            self.complete.set()

    def connect(self, *, clean: bool, expiry_s: int) -> tuple[Any, ReasonCode, Any]:
        properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho types its attributes at run time
        properties.SessionExpiryInterval = expiry_s
        self.paho.connect(self.url.host, self.url.port, keepalive=30, clean_start=clean, properties=properties)
        self.paho.loop_start()
        return self.connected.get(timeout=_TIMEOUT_S)

    def close(self) -> None:
        hang_up(self.paho)


def _examine(url: MqttUrl) -> list[Finding]:
    name = f"telecare-doctor-{secrets.token_hex(4)}"
    try:
        return _examine_session(url, name)
    except queue.Empty:
        return [
            wrong(
                _AREA,
                "no answer to MQTT 5's CONNECT",
                "is it an MQTT 5 broker on that port, and not an HTTP or 3.1.1 one?",
            )
        ]
    except ssl.SSLCertVerificationError as error:
        advice = (
            f"its certificate must name {url.host} (or TELECARE_MQTT_URL another host, which it names), and be signed, "
            "with its chain in the broker's file, by whom this process trusts (SSL_CERT_FILE, or this host's authorities)"
        )
        return [wrong(_AREA, f"no connection ({type(error).__name__}: {error.verify_message})", advice)]
    except (OSError, ValueError) as error:
        return [
            wrong(
                _AREA,
                f"no connection ({type(error).__name__}: {error})",
                "is it running, and do host and port reach it?",
            )
        ]
    finally:
        _forget(url, name)


def _examine_session(url: MqttUrl, name: str) -> list[Finding]:
    topic = f"telecare-doctor/{name}"
    first = _Client(url, name)
    try:
        _, code, properties = first.connect(clean=False, expiry_s=_SESSION_EXPIRY_S)
        if code.is_failure:
            return [wrong(_AREA, f"the broker refuses us: {code}", "check user and password in TELECARE_MQTT_URL")]
        found = [good(_AREA, "reachable, speaks MQTT 5"), *_limits(properties)]
        first.paho.subscribe(topic, qos=1)
        if any(each.is_failure for each in first.suback.get(timeout=_TIMEOUT_S)):
            return [
                *found,
                note(_AREA, "may not subscribe to a test topic", f"allow {topic!r}, or check the session by hand"),
            ]
    finally:
        first.close()
    _publish(url, topic)
    return [*found, *_session_kept(url, name)]


def _limits(properties: Any) -> list[Finding]:
    found = []
    expiry = getattr(properties, "SessionExpiryInterval", None)
    if expiry is not None and expiry < _SESSION_EXPIRY_S:
        advice = "raise the broker's session expiry (Mosquitto: persistent_client_expiration) above a week"
        found.append(wrong(_AREA, f"keeps a session for {expiry} s only", advice))
    size = getattr(properties, "MaximumPacketSize", None)
    if size is not None and size < 2 * _PAYLOAD_ACCEPTED:
        advice = "raise message_size_limit / max_packet_size: payloads of 16 KiB are accepted"
        found.append(wrong(_AREA, f"packets of at most {size} bytes", advice))
    if getattr(properties, "MaximumQoS", 2) < 1:
        found.append(wrong(_AREA, "QoS 0 only", "allow QoS 1: without it nothing is ever sent again"))
    if not getattr(properties, "WildcardSubscriptionAvailable", True):
        found.append(
            wrong(_AREA, "no wildcard subscriptions", "allow them: alarms are heard by telecare/v1/devices/+/+/alarm")
        )
    return found or [good(_AREA, "limits as far as it tells them: session expiry, packet size, QoS, wildcards")]


def _publish(url: MqttUrl, topic: str) -> None:
    """Fill the absent session's queue. Raises queue.Empty when the broker does not acknowledge in time."""
    publisher = _Client(url, f"telecare-doctor-{secrets.token_hex(4)}")
    try:
        publisher.connect(clean=True, expiry_s=0)
        sent = [publisher.paho.publish(topic, f"{number}", qos=1) for number in range(_BACKLOG)]
        for each in sent:
            each.wait_for_publish(_TIMEOUT_S)
    finally:
        publisher.close()


def _session_kept(url: MqttUrl, name: str) -> list[Finding]:
    second = _Client(url, name, wanted=_BACKLOG)
    try:
        flags, _, _ = second.connect(clean=False, expiry_s=_SESSION_EXPIRY_S)
        if not flags.session_present:
            advice = "let it keep sessions (Mosquitto: persistence true, persistent_client_expiration 14d)"
            return [wrong(_AREA, "forgot our session when we went", advice)]
        second.complete.wait(_TIMEOUT_S)
        if second.received < _BACKLOG:
            advice = "let it queue without that limit (Mosquitto: max_queued_messages 0, bounded by max_queued_bytes)"
            return [
                wrong(
                    _AREA,
                    f"queued {second.received} of {_BACKLOG} messages for an absent client, and dropped the rest",
                    advice,
                )
            ]
        return [good(_AREA, f"keeps sessions: {_BACKLOG} of {_BACKLOG} messages queued for an absent client came")]
    finally:
        second.close()


def _forget(url: MqttUrl, name: str) -> None:
    """Leave no session behind; a broker that is away has none."""
    client = _Client(url, name)
    try:
        client.connect(clean=True, expiry_s=0)
    except (OSError, ValueError, queue.Empty):
        return
    finally:
        client.close()
