"""What was decided, and why. Refusals are values: they are a caller's to pass on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from contracts.device import ReceiptState
from contracts.ids import HubId
from contracts.notification import AlarmNotificationType
from contracts.policy import DEFAULT_POLICY, DEFAULT_POLICY_ID, Policy
from contracts.vocabulary import CHANNEL_FAILING, Priority
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


HELD_FOR: Final = timedelta(minutes=10)
"""An alarm that an outage says already is looked at again so often; the end of the outage wakes it."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a decision is taken in: the policy that the alarm began with, and until when silences hold, by priority.

    `held_back` are the kinds of alarm that an outage says already, whose member the device is.
    """

    policy_id: int = DEFAULT_POLICY_ID
    policy: Policy = DEFAULT_POLICY
    silences: Mapping[Priority, datetime] = field(default_factory=dict)
    held_back: frozenset[str] = frozenset()

    def silenced_until(self, alarm: Alarm, now: datetime) -> datetime | None:
        """Until when it is held back. Life and welfare never are; nor is a dead channel to a hub, which is no home's fault."""
        can_be = alarm.priority >= Priority.UNPROTECTED and alarm.kind != CHANNEL_FAILING
        if not can_be:
            return None
        until = max(self.silences.get(alarm.priority, now), now + HELD_FOR if alarm.kind in self.held_back else now)
        return until if until > now else None


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
    TEST_BEYOND_LIMIT = "test_beyond_limit"
    PRESSED_AGAIN = "pressed_again"
    NOT_DELIVERED = "not_delivered"
    NOT_ACKNOWLEDGED = "not_acknowledged"
    REPAIR_OVERDUE = "repair_overdue"
    ROSE_WITH_TIME = "rose_with_time"
    SILENCED = "silenced"
    SILENCE_ENDED = "silence_ended"
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

    `event` names the transition; None: no transition. `tells`: people are told of it; a silence, or the limit of tests, keeps
    it to those who were told of the alarm before. `to_others`: they have refused it, so that others are told now, if there are
    any. `reuse_unsent`: a channel that still has an earlier notification of this
    alarm unsent is sent that one now, instead of another. `receipt`: what the devices of the alarm's events are told.
    """

    alarm: Alarm
    reason: Reason
    event: TransitionEvent | None = None
    actor: str | None = None
    hub: HubId | None = None  # the actor's
    tells: bool = True
    to_others: bool = False
    detail: str | None = None
    reuse_unsent: bool = False
    receipt: ReceiptState | None = None

    @property
    def notification(self) -> AlarmNotificationType | None:
        """The type of the notification that tells of it."""
        return NOTIFICATIONS[self.event] if self.event else None
