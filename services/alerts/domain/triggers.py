"""What can happen to an alarm. A trigger carries the facts that the decision needs and nothing else."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from contracts.alarm_event import AlarmEvent
from contracts.ids import CouncilId, HubId
from contracts.vocabulary import Outcome


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """What the registry knows of a device.

    `sole_trigger` is the peripheral that is the person's only way to call; `sole_device`: the home has no other device.
    """

    council_id: CouncilId
    installation_ref: str | None
    sole_trigger: str | None
    sole_device: bool = True


@dataclass(frozen=True, slots=True)
class RecentTests:
    """Tests that hubs were told of: of this device within ten minutes, of all devices within one."""

    of_device: int = 0
    of_all: int = 0


@dataclass(frozen=True, slots=True)
class EventArrived:
    """A device's event; `device` is None when it is not registered. `detail` is what an operator should know beside it.

    `tests` are the told ones of late: only their notification is limited. `wavered`: of a battery that is low, how often it was
    so within a day, and was over by itself.
    """

    event: AlarmEvent
    device: KnownDevice | None
    detail: str | None = None
    tests: RecentTests = RecentTests()
    wavered: int = 0


@dataclass(frozen=True, slots=True)
class Woken:
    """`wake_at` has come."""


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """An operator takes the alarm. `hub` is the operator's, None for ops."""

    operator: str
    hub: HubId | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """An operator gives it back."""

    operator: str
    hub: HubId | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """An operator has dealt with it."""

    operator: str
    outcome: Outcome
    note: str | None = field(default=None, repr=False)
    hub: HubId | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """A hub has one of its notifications, of something that happened at `told_at`."""

    told_at: datetime


@dataclass(frozen=True, slots=True)
class RefusedForGood:
    """Every hub's channel that was told has refused for good."""


Trigger: TypeAlias = EventArrived | Woken | Acknowledge | Release | Close | Delivered | RefusedForGood
