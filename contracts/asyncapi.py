"""The MQTT side of the contract as an AsyncAPI 3.0 document, seen from the service: `receive` is what comes to us."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic.json_schema import models_json_schema

from contracts.action import Acknowledge, ActionResult, Close, Received, Release
from contracts.device import Alarm, Command, DeviceStatus, Heartbeat, Receipt
from contracts.fields import Payload
from contracts.ids import DEVICE_ID_PATTERN, SLUG_PATTERN
from contracts.notification import Notification, OutageNotification, Probe
from contracts.provisioning import SERIAL_PATTERN, Credential, ProvisioningRefusal, ProvisioningRequest
from contracts.topics import ROOT

_DEVICE: Final = f"{ROOT}/devices/{{council_id}}/{{device_id}}"
_PROVISIONING: Final = f"{ROOT}/provisioning/{{serial}}"
_HUB: Final = f"{ROOT}/hubs/{{hub_id}}"
_PARAMETERS: Final = {
    "council_id": f"A council's slug, `{SLUG_PATTERN}`, such as `glasgow-city`; at most 64 characters.",
    "device_id": f"The device, `{DEVICE_ID_PATTERN}`: unique in the country, and its MQTT client id.",
    "serial": f"What is printed on the unit, `{SERIAL_PATTERN}`.",
    "hub_id": f"A hub's slug, `{SLUG_PATTERN}`, such as `aberdeen-arc`; at most 64 characters.",
}


@dataclass(frozen=True, slots=True)
class _Channel:
    """One topic, who publishes on it, and what."""

    name: str
    address: str
    action: Literal["send", "receive"]
    messages: tuple[type[Payload], ...]
    description: str
    retain: bool = False


CHANNELS: Final = (
    _Channel(
        "deviceHeartbeat",
        f"{_DEVICE}/heartbeat",
        "receive",
        (Heartbeat,),
        "A sign of life. A bad optional field costs only itself. Sent with a message expiry of two intervals (MQTT 5); "
        "gets no receipt.",
    ),
    _Channel(
        "deviceAlarm",
        f"{_DEVICE}/alarm",
        "receive",
        (Alarm,),
        "No alarm is refused: what falls short of this schema is salvaged. Kept by the device and sent again, byte for "
        "byte, after 10 s, doubling to 10 min, until a receipt for it arrives; PUBACK is no receipt. Never expires. QoS 0 "
        "is accepted.",
    ),
    _Channel(
        "deviceStatus",
        f"{_DEVICE}/status",
        "receive",
        (DeviceStatus,),
        "Retained, and the will, which says `offline`. A hint, never a proof of life.",
        retain=True,
    ),
    _Channel(
        "deviceReceipt",
        f"{_DEVICE}/receipt",
        "send",
        (Receipt,),
        "Sent after the alarm is committed, and again at each state it reaches.",
    ),
    _Channel(
        "deviceCommand",
        f"{_DEVICE}/command",
        "send",
        (Command,),
        "Sent with a message expiry that ends at `expires_at` (MQTT 5).",
    ),
    _Channel(
        "provisioningRequest",
        f"{_PROVISIONING}/request",
        "receive",
        (ProvisioningRequest,),
        "A unit that has a claim asks for its own credential. It connects with the user name and client id `claim:{serial}` and "
        "the claim as its password, subscribes to `response` first, and asks again, byte for byte, until it is answered.",
    ),
    _Channel(
        "provisioningResponse",
        f"{_PROVISIONING}/response",
        "send",
        (Credential, ProvisioningRefusal),
        "The credential, or why there is none. The same request gets the same answer for as long as its claim lives; never "
        "retained, never sent unasked.",
    ),
    _Channel(
        "hubNotifications",
        f"{_HUB}/notifications",
        "send",
        (Notification, OutageNotification, Probe),
        "Every transition of an alarm, once, and news of outages: the same body as a webhook's. Delivered when the hub answers "
        "`received`.",
    ),
    _Channel(
        "hubActions",
        f"{_HUB}/actions",
        "receive",
        (Received, Acknowledge, Release, Close),
        "What a hub's people do. Each is answered on `action-results`, under its `action_id`.",
    ),
    _Channel("hubActionResults", f"{_HUB}/action-results", "send", (ActionResult,), "The answer to each action."),
)


def asyncapi() -> dict[str, Any]:
    """The whole document; the same each time."""
    models = [model for channel in CHANNELS for model in channel.messages]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Telecare over MQTT",
            "version": "1.0.0",
            "description": "What devices and hubs may rely on. MQTT 3.1.1 or 5, QoS 1, persistent sessions; JSON in UTF-8. "
            "Unknown fields are ignored, types are strict, numbers finite, times RFC 3339 with an offset. A device's "
            "payload has at most 4 KiB; 16 KiB are accepted.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": {f"{channel.action}{_capital(channel.name)}": _operation(channel) for channel in CHANNELS},
        "components": {
            "messages": {model.__name__: _message(model) for model in models},
            "parameters": {name: {"description": text} for name, text in _PARAMETERS.items()},
            "schemas": _schemas(models),
        },
    }


def _channel(channel: _Channel) -> dict[str, Any]:
    return {
        "address": channel.address,
        "description": channel.description,
        "messages": {model.__name__: _ref("components/messages", model.__name__) for model in channel.messages},
        "parameters": {
            name: _ref("components/parameters", name) for name in _PARAMETERS if f"{{{name}}}" in channel.address
        },
    }


def _operation(channel: _Channel) -> dict[str, Any]:
    return {
        "action": channel.action,
        "channel": _ref("channels", channel.name),
        "messages": [_ref(f"channels/{channel.name}/messages", model.__name__) for model in channel.messages],
        "bindings": {"mqtt": {"qos": 1, "retain": channel.retain, "bindingVersion": "0.2.0"}},
    }


def _message(model: type[Payload]) -> dict[str, Any]:
    summary = (model.__doc__ or "").strip().splitlines()[0]
    return {"name": model.__name__, "summary": summary, "payload": _ref("components/schemas", model.__name__)}


def _schemas(models: list[type[Payload]]) -> dict[str, Any]:
    _, schema = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    definitions: dict[str, Any] = schema["$defs"]
    return definitions


def _ref(place: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/{place}/{name}"}


def _capital(name: str) -> str:
    return name[0].upper() + name[1:]
