"""What can happen to an alarm. A trigger carries the facts that the decision needs and nothing else."""

from dataclasses import dataclass, field
from typing import TypeAlias

from contracts.alarm_event import AlarmEvent
from contracts.ids import CouncilId
from contracts.vocabulary import Outcome


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """What the registry knows of a device. `sole_trigger` is the peripheral that is the person's only way to call."""

    council_id: CouncilId
    installation_ref: str | None
    sole_trigger: str | None


@dataclass(frozen=True, slots=True)
class EventArrived:
    """A device's event; `device` is None when it is not registered. `detail` is what an operator should know beside it."""

    event: AlarmEvent
    device: KnownDevice | None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Woken:
    """`wake_at` has come."""


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """An operator takes the alarm."""

    operator: str


@dataclass(frozen=True, slots=True)
class Release:
    """An operator gives it back."""

    operator: str


@dataclass(frozen=True, slots=True)
class Close:
    """An operator has dealt with it."""

    operator: str
    outcome: Outcome
    note: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Delivered:
    """A hub has one of its notifications."""


@dataclass(frozen=True, slots=True)
class RefusedForGood:
    """Every channel that was told has refused for good; `others_left` when the next step would tell another hub."""

    others_left: bool


Trigger: TypeAlias = EventArrived | Woken | Acknowledge | Release | Close | Delivered | RefusedForGood
