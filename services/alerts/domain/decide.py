"""The alarm machine: `decide` is total and pure, and gives a named reason for everything.

One rule stands above the others: an alarm is never lost, never merged away, and there is always a next instant at which
somebody will look at it again.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final, assert_never

from services.alerts.domain.alarm import Alarm
from services.alerts.domain.decision import Decision, Policy, Reason, Refusal, RefusalReason
from services.alerts.domain.events import event_arrived
from services.alerts.domain.triggers import (
    Acknowledge,
    Close,
    Delivered,
    EventArrived,
    RefusedForGood,
    Release,
    Trigger,
    Woken,
)

POLICY: Final = Policy()


def decide(  # noqa: PLR0911 - one return per trigger is the plainest reading of a machine
    alarm: Alarm | None, trigger: Trigger, now: datetime, policy: Policy = POLICY
) -> Decision | Refusal:
    """What becomes of `alarm`: for an event, the open alarm that it joins, or None."""
    if isinstance(trigger, EventArrived):
        return event_arrived(alarm, trigger, now, policy)
    if alarm is None:
        return Refusal(RefusalReason.UNKNOWN_ALARM)
    match trigger:
        case Delivered():
            return _delivered(alarm, now)
        case _ if alarm.state == "closed":
            return Refusal(RefusalReason.ALREADY_CLOSED)
        case Woken():
            return _woken(alarm, now, policy)
        case Acknowledge():
            return _acknowledge(alarm, trigger, now, policy)
        case Release():
            return _release(alarm, trigger, now, policy)
        case Close():
            return _close(alarm, trigger, now)
        case RefusedForGood():
            return _refused_for_good(alarm, trigger, now)
        case _:
            assert_never(trigger)


def _woken(alarm: Alarm, now: datetime, policy: Policy) -> Decision | Refusal:
    """Nobody took it within 60 s: the next step, for ever. Somebody took it and never closed it: told again each hour."""
    if alarm.wake_at is None or alarm.wake_at > now:
        return Refusal(RefusalReason.NOT_DUE)
    if alarm.state == "acknowledged":
        return Decision(
            alarm=replace(alarm, wake_at=now + policy.follow_up_after, changed_at=now),
            event="escalated",
            reason=Reason.NOT_CLOSED,
        )
    return Decision(
        alarm=replace(alarm, step=alarm.step + 1, wake_at=now + policy.acknowledge_within, changed_at=now),
        event="escalated",
        reason=Reason.NOT_ACKNOWLEDGED,
        reuse_unsent=True,
    )


def _acknowledge(alarm: Alarm, trigger: Acknowledge, now: datetime, policy: Policy) -> Decision | Refusal:
    """The first operator has it; the same one may say so again, another is told whose it is."""
    if alarm.state == "acknowledged":
        if alarm.acknowledged_by == trigger.operator:
            return Decision(alarm=alarm, reason=Reason.ALREADY_SO)
        return Refusal(RefusalReason.ALREADY_ACKNOWLEDGED, alarm.acknowledged_by)
    return Decision(
        alarm=replace(
            alarm,
            state="acknowledged",
            acknowledged_at=now,
            acknowledged_by=trigger.operator,
            wake_at=now + policy.follow_up_after,
            changed_at=now,
        ),
        event="acknowledged",
        reason=Reason.BY_OPERATOR,
        actor=trigger.operator,
        receipt="acknowledged",
    )


def _release(alarm: Alarm, trigger: Release, now: datetime, policy: Policy) -> Decision:
    """Clears who has it, whoever asks: an operator who has gone home cannot. The ladder goes on where it stood."""
    if alarm.state == "open":
        return Decision(alarm=alarm, reason=Reason.ALREADY_SO)
    return Decision(
        alarm=replace(
            alarm,
            state="open",
            acknowledged_at=None,
            acknowledged_by=None,
            opened_at=now,
            wake_at=now + policy.acknowledge_within,
            changed_at=now,
        ),
        event="released",
        reason=Reason.BY_OPERATOR,
        actor=trigger.operator,
    )


def _close(alarm: Alarm, trigger: Close, now: datetime) -> Decision:
    """A named person with an outcome closes it, acknowledged before or not. Nobody can delete one (Newham)."""
    return Decision(
        alarm=replace(
            alarm,
            state="closed",
            closed_at=now,
            closed_by=trigger.operator,
            outcome=trigger.outcome,
            note=trigger.note,
            wake_at=None,
            changed_at=now,
        ),
        event="closed",
        reason=Reason.BY_OPERATOR,
        actor=trigger.operator,
        receipt="closed",
    )


def _delivered(alarm: Alarm, now: datetime) -> Decision:
    """The first delivery is when a hub knew. Devices whose event has had no receipt from us get `notified`."""
    known = alarm if alarm.notified_at is not None else replace(alarm, notified_at=now)
    return Decision(alarm=known, reason=Reason.DELIVERED, receipt="notified")


def _refused_for_good(alarm: Alarm, trigger: RefusedForGood, now: datetime) -> Decision:
    """Whoever was told will never take it: the next step at once, as long as that tells somebody else."""
    if alarm.state != "open" or not trigger.others_left or alarm.wake_at is None or alarm.wake_at <= now:
        return Decision(alarm=alarm, reason=Reason.ALREADY_SO)
    return Decision(alarm=replace(alarm, wake_at=now, changed_at=now), reason=Reason.REFUSED_EVERYWHERE)
