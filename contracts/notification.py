"""What a hub is told: the body of a webhook and of an MQTT notification alike."""

from typing import Final, Literal, TypeAlias

from contracts.alarm import AlarmView, EventView
from contracts.fields import Payload, Time

AlarmNotificationType: TypeAlias = Literal[
    "alarm.raised",
    "alarm.repeated",
    "alarm.escalated",
    "alarm.restored",
    "alarm.cancelled",
    "alarm.acknowledged",
    "alarm.released",
    "alarm.closed",
    "test.received",
]
NotificationType: TypeAlias = (
    AlarmNotificationType | Literal["outage.opened", "outage.updated", "outage.closed", "hub.probe"]
)

WEBHOOK_ID_HEADER: Final = "webhook-id"
"""The header (Standard Webhooks) that equals the body's `id`."""


class AlarmData(AlarmView):
    """The alarm as it stood after the transition, with the device's latest event; None where we raised it ourselves."""

    event: EventView | None


class ProbeData(Payload):
    """A channel is asked whether it is alive; or, before it counts, sent a code that is entered at the registry."""

    channel_id: str
    kind: str
    hub_id: str | None
    verification_code: str | None = None


class Probe(Payload):
    """Told to a channel every five minutes, so that a dead one is found before the next alarm. Delivered as any other."""

    id: str
    type: Literal["hub.probe"]
    timestamp: Time
    data: ProbeData


class Notification(Payload):
    """One transition of one alarm. `id` equals the header `webhook-id`, and the body of one `id` never changes."""

    id: str
    type: AlarmNotificationType
    timestamp: Time
    data: AlarmData
