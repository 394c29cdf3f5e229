"""What a hub is told: the body of a webhook and of an MQTT notification alike."""

from typing import Final, Literal, TypeAlias

from contracts.alarm import AlarmView, EventView
from contracts.condition import Condition
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
OutageNotificationType: TypeAlias = Literal["outage.opened", "outage.updated", "outage.closed"]
NotificationType: TypeAlias = AlarmNotificationType | OutageNotificationType | Literal["hub.probe"]

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


class OutageData(Payload):
    """Many devices that are affected together, and what they have in common: one outage, and no alarm of each.

    `began_at`: when most of its members were last well; `members`: whoever was one, `members_now`: who is affected still;
    `merged_into`: closed, for it is part of that other outage. `p_value`: of chance; `log_likelihood_ratio`: natural, of its name.
    `called_at`: when an alarm was last raised for those left. `closed_as`: nearly all returned, or nobody else did for hours.
    `left_behind`: who was affected still then, and is told of by himself, or is of another outage. Both null of old ones.
    """

    outage_id: str
    condition: Condition
    attribute: Literal["sim_operator", "cell_id", "network", "council_id", "postcode_district", "firmware", "model"]
    value: str
    state: Literal["open", "closed"]
    opened_at: Time
    began_at: Time
    closed_at: Time | None
    merged_into: str | None
    members: int
    members_now: int
    councils: list[str]
    p_value: float
    log_likelihood_ratio: float
    called_at: Time | None = None
    closed_as: Literal["returned", "stalled", "merged"] | None = None
    left_behind: int | None = None


class OutageNotification(Payload):
    """News of an outage, to every hub that serves one of its councils; at most one a minute. Delivered as any other."""

    id: str
    type: OutageNotificationType
    timestamp: Time
    data: OutageData
