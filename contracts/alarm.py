"""The alarm as hubs, operators and the HTTP API see it."""

from typing import Any, Self

from pydantic import ConfigDict

from contracts.alarm_event import AlarmEvent
from contracts.fields import Payload, Time
from contracts.vocabulary import AlarmState, Outcome, Priority, Status, dty_of, lco_of, stc_of


class AlarmView(Payload):
    """What people handle. A time is None until it has happened; `raised_at` is the device's clock, the others ours."""

    alarm_id: str
    device_id: str
    council_id: str | None
    priority: Priority
    kind: str
    status: Status
    peripheral_id: str | None
    location: str | None
    state: AlarmState
    step: int
    event_count: int
    test: bool
    unregistered: bool
    raised_at: Time | None
    received_at: Time
    notified_at: Time | None
    acknowledged_at: Time | None
    acknowledged_by: str | None
    closed_at: Time | None
    outcome: Outcome | None
    installation_ref: str | None
    at_risk: bool
    """The person's only device is unprotected (priority 3)."""
    repair_due_at: Time | None
    """The fault clock: overdue after that, and told to every hub."""


class HistoryEntry(Payload):
    """One thing that happened to an alarm, and why; further fields say more of some of them."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Any]

    at: Time
    event: str
    reason: str


class AlarmDetail(AlarmView):
    """A single alarm, with its history, oldest first."""

    history: list[HistoryEntry]


class StoryEvent(Payload):
    """One event that its device sent, without its text: `event_id` is what the logs of all services name it by."""

    event_id: str
    received_at: Time
    sent_at: Time | None
    """The device's clock."""
    kind: str
    status: Status
    boot_id: str | None
    seq: int | None
    marks: list[str]
    """What was wrong with what it sent, in words of ours: what could not be read was put up with."""


class StoryDelivery(Payload):
    """One notification on its way over one channel, to a hub or else to a responder."""

    notification_id: str
    type: str
    channel: str
    hub_id: str | None
    responder_id: str | None
    state: str
    attempts: int
    created_at: Time
    finished_at: Time | None
    """When it was delivered, or refused for good; None while it is tried."""
    last_error: str | None
    """What the last attempt met; told to `ops` only."""


class StorySilence(Payload):
    """A silence that lasted while the alarm was open: of its device, its postcode district, or (both None) its whole council."""

    device_id: str | None
    postcode_district: str | None
    priorities: list[int]
    reason: str
    operator: str
    hub_id: str | None
    """The hub whose operator it was; None: ops."""
    starts_at: Time
    ends_at: Time
    ended_by: str | None
    """Who ended it before its time."""


class StoryErasure(Payload):
    """What is about a person was to be erased, of this alarm too."""

    asked_at: Time
    what: list[str]
    done_at: Time | None
    """None while an alarm of its device is open, or the work is under way."""


class StoryGap(Payload):
    """So many are left out of a list that would be too long, behind its first `after`."""

    after: int
    count: int


class AlarmStory(Payload):
    """All that is known of how an alarm came and went: what was sent, what it led to, who was told. Each oldest first.

    Of many events or deliveries there are the first and the newest.
    """

    alarm: AlarmDetail
    events: list[StoryEvent]
    deliveries: list[StoryDelivery]
    events_left_out: StoryGap | None
    deliveries_left_out: StoryGap | None
    silenced_until: Time | None
    """Until then nobody is told of it; None: it is not held back."""
    silences: list[StorySilence]
    """As far as they are the asker's business."""
    erasures: list[StoryErasure]


class ScaipCodes(Payload):
    """The event in SCAIP's codes (SS 91100:2014); 0 is unknown."""

    dty: int
    stc: int
    lco: int


class EventView(Payload):
    """The device's event that caused a notification."""

    kind: str
    status: Status
    sent_at: Time | None
    boot_id: str | None
    seq: int | None
    location: str | None
    peripheral_id: str | None
    text: str | None
    scaip: ScaipCodes

    @classmethod
    def of(cls, event: AlarmEvent) -> Self:
        """The view of one event."""
        return cls(
            kind=event.kind,
            status=event.status,
            sent_at=event.sent_at,
            boot_id=event.boot_id,
            seq=event.seq,
            location=event.location,
            peripheral_id=event.peripheral_id,
            text=event.text,
            scaip=ScaipCodes(dty=dty_of(event.kind), stc=stc_of(event.status), lco=lco_of(event.location)),
        )
