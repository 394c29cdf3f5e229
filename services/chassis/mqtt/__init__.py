"""MQTT: a session acknowledged after the commit (`Session`), and a publisher for the rest (`Publisher`)."""

from services.chassis.mqtt.backoff import Backoff
from services.chassis.mqtt.errors import (
    ConnectFailed,
    ConnectionRefused,
    Disconnected,
    DisconnectReason,
    MqttError,
    PublishFailed,
    PublishRefused,
    SubscriptionRefused,
)
from services.chassis.mqtt.inbox import Message
from services.chassis.mqtt.options import Filter, SessionOptions
from services.chassis.mqtt.publisher import Publisher
from services.chassis.mqtt.session import Session
from services.chassis.mqtt.url import MqttUrl

__all__ = [
    "Backoff",
    "ConnectFailed",
    "ConnectionRefused",
    "DisconnectReason",
    "Disconnected",
    "Filter",
    "Message",
    "MqttError",
    "MqttUrl",
    "PublishFailed",
    "PublishRefused",
    "Publisher",
    "Session",
    "SessionOptions",
    "SubscriptionRefused",
]
