"""The alarm machine: `decide` is total and pure, and gives a named reason for everything.

One rule stands above the others: an alarm is never lost, never merged away, and there is always a next instant at which
somebody will look at it again.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final, assert_never

from contracts.policy import seconds
from contracts.vocabulary import Priority
from services.alerts.domain import ladder
from services.alerts.domain.alarm import Alarm
from services.alerts.domain.decision import Circumstances, Decision, Reason, Refusal, RefusalReason
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

_ORDINARY: Final = Circumstances()


def decide(
    alarm: Alarm | None, trigger: Trigger, now: datetime, circumstances: Circumstances = _ORDINARY
) -> Decision | Refusal:
    """What becomes of `alarm`: for an event, the open alarm that it joins, or None."""
    outcome = _decide(None if alarm is None else ladder.not_ahead(alarm, now), trigger, now, circumstances)
    # After a look there is always a next one to name: the waker would look at the same alarm for ever.
    if isinstance(outcome, Refusal) or (outcome.alarm == alarm and not isinstance(trigger, Woken)):
        return outcome
    # Here and nowhere else it is said when somebody looks again.
    changed = replace(outcome.alarm, changed_at=now)
    return replace(outcome, alarm=ladder.waiting(changed, circumstances.policy, now))


def _decide(  # noqa: PLR0911 - one return per trigger is the plainest reading of a machine
    alarm: Alarm | None, trigger: Trigger, now: datetime, circumstances: Circumstances
) -> Decision | Refusal:
    if isinstance(trigger, EventArrived):
        return event_arrived(alarm, trigger, now, circumstances)
    if alarm is None:
        return Refusal(RefusalReason.UNKNOWN_ALARM)
    match trigger:
        case Delivered():
            return _delivered(alarm, trigger, now)
        case _ if alarm.state == "closed":
            return Refusal(RefusalReason.ALREADY_CLOSED)
        case Woken():
            return _woken(alarm, now, circumstances)
        case Acknowledge():
            return _acknowledge(alarm, trigger, now)
        case Release():
            return _release(alarm, trigger, now, circumstances)
        case Close():
            return _close(alarm, trigger, now)
        case RefusedForGood():
            return _refused_for_good(alarm, now, circumstances)
        case _:
            assert_never(trigger)


def _woken(alarm: Alarm, now: datetime, circumstances: Circumstances) -> Decision | Refusal:
    """Its time has come: silences first, then the clocks that run whoever has it, then the ladder."""
    if alarm.wake_at is None or alarm.wake_at > now:
        return Refusal(RefusalReason.NOT_DUE)
    whoever_has_it = _silenced(alarm, now, circumstances) or _clocked(alarm, now, circumstances)
    if whoever_has_it is not None:
        return whoever_has_it
    return (_followed_up if alarm.state == "acknowledged" else _climbed)(alarm, now, circumstances)


def _silenced(alarm: Alarm, now: datetime, circumstances: Circumstances) -> Decision | None:
    """Held back while a silence lasts; told from the foot of its ladder when it has ended."""
    until = circumstances.silenced_until(alarm, now)
    if until is not None and alarm.state == "open":
        return Decision(alarm=ladder.held_back(alarm, until, now), reason=Reason.SILENCED)
    return None if alarm.silenced_until is None else _told_again(ladder.begun(alarm, now), Reason.SILENCE_ENDED)


def _clocked(alarm: Alarm, now: datetime, circumstances: Circumstances) -> Decision | None:
    """A degraded one that nobody mended rises; an unprotected one that is overdue is told to everybody, once."""
    if alarm.rises_at is not None and alarm.rises_at <= now:
        return _told_again(_risen(alarm, now, circumstances), Reason.ROSE_WITH_TIME)
    if ladder.overdue(alarm, now):
        everybody = replace(alarm, step=ladder.top(alarm, circumstances.policy), told_at=now)
        return _told_again(everybody, Reason.REPAIR_OVERDUE)
    return None


def _climbed(alarm: Alarm, now: datetime, circumstances: Circumstances) -> Decision:
    """Nobody took it in time, or no hub even has it: the next step; at the top everybody again, for ever."""
    rungs = circumstances.policy.of(alarm.priority)
    undelivered_at = ladder.undelivered_at(alarm, rungs)
    if ladder.step_due_at(alarm, rungs) <= now:
        return _told_again(ladder.timed_out(alarm, circumstances.policy, now), Reason.NOT_ACKNOWLEDGED)
    if undelivered_at is not None and undelivered_at <= now:
        return _told_again(ladder.climbed(alarm, circumstances.policy, now), Reason.NOT_DELIVERED)
    return Decision(alarm=replace(alarm, changed_at=now), reason=Reason.ALREADY_SO)


def _followed_up(alarm: Alarm, now: datetime, circumstances: Circumstances) -> Decision:
    """Somebody took it and never closed it: told again."""
    due_at = (alarm.told_at or alarm.changed_at) + seconds(circumstances.policy.of(alarm.priority).follow_up_after_s)
    if due_at > now:
        return Decision(alarm=replace(alarm, changed_at=now), reason=Reason.ALREADY_SO)
    return Decision(alarm=replace(alarm, told_at=now), event="escalated", reason=Reason.NOT_CLOSED)


def _told_again(alarm: Alarm, reason: Reason) -> Decision:
    return Decision(alarm=alarm, event="escalated", reason=reason, reuse_unsent=True)


def _risen(alarm: Alarm, now: datetime, circumstances: Circumstances) -> Alarm:
    """More urgent by one. Whoever has it keeps it; if nobody has, the ladder begins anew."""
    urgent = replace(alarm, priority=Priority(alarm.priority - 1))
    begun = ladder.begun(urgent, now) if alarm.state == "open" else replace(urgent, told_at=now)
    return ladder.with_clocks(begun, circumstances.policy, now)


def _acknowledge(alarm: Alarm, trigger: Acknowledge, now: datetime) -> Decision | Refusal:
    """The first operator has it; the same one may say so again, another is told whose it is: a namesake at another hub too."""
    if alarm.state == "acknowledged":
        if alarm.acknowledged_by != trigger.operator:
            return Refusal(RefusalReason.ALREADY_ACKNOWLEDGED, alarm.acknowledged_by)
        if None not in {alarm.acknowledged_hub, trigger.hub} and alarm.acknowledged_hub != trigger.hub:
            namesake = f"{alarm.acknowledged_by} of {alarm.acknowledged_hub}"
            return Refusal(RefusalReason.ALREADY_ACKNOWLEDGED, namesake)
        return Decision(alarm=alarm, reason=Reason.ALREADY_SO)
    return Decision(
        alarm=replace(
            alarm,
            state="acknowledged",
            acknowledged_at=now,
            acknowledged_by=trigger.operator,
            acknowledged_hub=trigger.hub,
            told_at=now,
            silenced_until=None,
        ),
        event="acknowledged",
        reason=Reason.BY_OPERATOR,
        actor=trigger.operator,
        hub=trigger.hub,
        receipt="acknowledged",
    )


def _release(alarm: Alarm, trigger: Release, now: datetime, circumstances: Circumstances) -> Decision:
    """Clears who has it, whoever asks: an operator who has gone home cannot. The ladder goes on where it stood."""
    if alarm.state == "open":
        return Decision(alarm=alarm, reason=Reason.ALREADY_SO)
    waits = replace(
        alarm, state="open", acknowledged_at=None, acknowledged_by=None, acknowledged_hub=None, opened_at=now
    )
    return Decision(
        alarm=ladder.released(waits, circumstances.policy, now),
        event="released",
        reason=Reason.BY_OPERATOR,
        actor=trigger.operator,
        hub=trigger.hub,
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
            silenced_until=None,
        ),
        event="closed",
        reason=Reason.BY_OPERATOR,
        actor=trigger.operator,
        hub=trigger.hub,
        receipt="closed",
    )


def _delivered(alarm: Alarm, trigger: Delivered, now: datetime) -> Decision:
    """The first delivery is when a hub knew. Devices whose event has had no receipt from us get `notified`."""
    known = alarm if alarm.notified_at is not None else replace(alarm, notified_at=now)
    # Only news of since it last began to wait, or to climb: a hub that has an older one may think that somebody has it.
    since = max(alarm.ladder_at, alarm.opened_at)
    if alarm.state == "open" and alarm.reached_at is None and trigger.told_at >= since:
        known = replace(known, reached_at=now)
    return Decision(alarm=known, reason=Reason.DELIVERED, receipt="notified")


def _refused_for_good(alarm: Alarm, now: datetime, circumstances: Circumstances) -> Decision:
    """Whoever was told will never take it: the next step at once. At the top, everybody again when that round is due."""
    if alarm.state != "open" or alarm.silenced_until is not None or ladder.at_top(alarm, circumstances.policy):
        return Decision(alarm=alarm, reason=Reason.ALREADY_SO)
    climbed = ladder.climbed(alarm, circumstances.policy, now)
    return replace(_told_again(climbed, Reason.REFUSED_EVERYWHERE), to_others=True)
