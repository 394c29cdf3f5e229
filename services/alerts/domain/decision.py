"""What was decided, and why. Refusals are values: they are a caller's to pass on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from contracts.device import ReceiptState
from contracts.notification import AlarmNotificationType
from services.alerts.domain.alarm import Alarm, TransitionEvent

NOTIFICATIONS: Final[Mapping[TransitionEvent, AlarmNotificationType]] = {
    "raised": "alarm.raised",
    "repeated": "alarm.repeated",
    "escalated": "alarm.escalated",
    "restored": "alarm.restored",
    "cancelled": "alarm.cancelled",
    "acknowledged": "alarm.acknowledged",
    "released": "alarm.released",
    "closed": "alarm.closed",
    "test_received": "test.received",
}


@dataclass(frozen=True, slots=True)
class Policy:
    """How long we wait for people."""

    acknowledge_within: timedelta = timedelta(seconds=60)  # TSA: 97.5 % of calls answered within 60 s
    follow_up_after: timedelta = timedelta(hours=1)  # an acknowledged alarm that nobody closes


class Reason(StrEnum):
    """Why an alarm is as it now is. Part of the public history."""

    FIRST_EVENT = "first_event"
    SAME_AGAIN = "same_again"
    LESS_URGENT_EVENT = "less_urgent_event"
    MORE_URGENT_EVENT = "more_urgent_event"
    EVENT_AFTER_ACKNOWLEDGEMENT = "event_after_acknowledgement"
    FAULT_RESTORED = "fault_restored"
    RESTORED_BUT_NEEDS_A_PERSON = "restored_but_needs_a_person"
    CANCELLED_AT_DEVICE = "cancelled_at_device"
    NOTHING_OPEN = "nothing_open"
    TEST = "test"
    NOT_ACKNOWLEDGED = "not_acknowledged"
    NOT_CLOSED = "not_closed"
    BY_OPERATOR = "by_operator"
    ALREADY_SO = "already_so"
    DELIVERED = "delivered"
    REFUSED_EVERYWHERE = "refused_everywhere"


class RefusalReason(StrEnum):
    """Why nothing was done."""

    UNKNOWN_ALARM = "unknown_alarm"
    ALREADY_ACKNOWLEDGED = "already_acknowledged"
    ALREADY_CLOSED = "already_closed"
    NOT_DUE = "not_due"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing changes; `acknowledged_by` says who has the alarm when that is why."""

    reason: RefusalReason
    acknowledged_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The alarm as it is from now on; the next instant at which it is looked at again is its `wake_at`.

    `event` names the transition, which is always told to people; None: no transition. `reuse_unsent`: a channel that still
    has an earlier notification of this alarm unsent is sent that one now, instead of another. `receipt`: what the devices
    of the alarm's events are told.
    """

    alarm: Alarm
    reason: Reason
    event: TransitionEvent | None = None
    actor: str | None = None
    detail: str | None = None
    reuse_unsent: bool = False
    receipt: ReceiptState | None = None

    @property
    def notification(self) -> AlarmNotificationType | None:
        """The type of the notification that tells of it."""
        return NOTIFICATIONS[self.event] if self.event else None
