"""The alarm as we keep it; its fields are the columns of `alerts.alarm`."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, TypeAlias

from contracts.alarm import AlarmView
from contracts.ids import AlarmId, CouncilId, DeviceId, HubId
from contracts.vocabulary import AlarmState, Outcome, Priority, Status

SYSTEM: Final = "system"
"""Who acted when nobody did: `closed_by` of an alarm that a device's own event closed."""

TransitionEvent: TypeAlias = Literal[
    "raised",
    "repeated",
    "escalated",
    "restored",
    "cancelled",
    "acknowledged",
    "released",
    "closed",
    "test_received",
]
"""What happened to an alarm; each is one transition and one notification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One or more events of the same device, kind and peripheral. Every time but `raised_at` is ours.

    `wake_at` is the next instant at which somebody looks at it again: set unless it is closed. `opened_at` is when it last
    began to wait for a person: received, re-opened or released. `policy_id` is the version it began with; `ladder_at`, `told_at`
    and `reached_at` say where it stands on that (domain/ladder.py). `sole_device`: its person has no other.
    """

    alarm_id: AlarmId
    device_id: DeviceId
    council_id: CouncilId | None
    kind: str
    status: Status
    peripheral_id: str | None
    location: str | None
    priority: Priority
    state: AlarmState
    step: int
    event_count: int
    test: bool
    unregistered: bool
    installation_ref: str | None
    raised_at: datetime | None
    received_at: datetime
    opened_at: datetime
    changed_at: datetime
    last_event_at: datetime
    policy_id: int
    ladder_at: datetime
    told_at: datetime | None
    wake_at: datetime | None
    reached_at: datetime | None = None
    silenced_until: datetime | None = None
    repair_due_at: datetime | None = None
    rises_at: datetime | None = None
    sole_device: bool = False
    notified_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    acknowledged_hub: HubId | None = None  # the operator's: two hubs may have a Morag each
    closed_at: datetime | None = None
    closed_by: str | None = None
    outcome: Outcome | None = None
    note: str | None = field(default=None, repr=False)  # about a person: never in a log

    def view(self) -> AlarmView:
        """As hubs, operators and the HTTP API see it."""
        return AlarmView(
            alarm_id=self.alarm_id,
            device_id=self.device_id,
            council_id=self.council_id,
            priority=self.priority,
            kind=self.kind,
            status=self.status,
            peripheral_id=self.peripheral_id,
            location=self.location,
            state=self.state,
            step=self.step,
            event_count=self.event_count,
            test=self.test,
            unregistered=self.unregistered,
            raised_at=self.raised_at,
            received_at=self.received_at,
            notified_at=self.notified_at,
            acknowledged_at=self.acknowledged_at,
            acknowledged_by=self.acknowledged_by,
            closed_at=self.closed_at,
            outcome=self.outcome,
            installation_ref=self.installation_ref,
            at_risk=self.sole_device and self.priority == Priority.UNPROTECTED,
            repair_due_at=self.repair_due_at,
        )
