"""The escalation ladder of one alarm: where it stands, and the next instant at which somebody looks at it again.

Everything follows from three times of the alarm: `ladder_at`, from which the policy's steps are counted; `told_at`, when people
were last told; `reached_at`, when a hub first had it. So there is no timer to lose.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from contracts.policy import Ladder, Policy, seconds
from services.alerts.domain.alarm import Alarm

LOOK_WITHIN: Final = timedelta(days=1)
"""No alarm that is not closed goes longer without a look (a CHECK of its table)."""


def not_ahead(alarm: Alarm, now: datetime) -> Alarm:
    """As it is, none of the times that it waits by later than now: the database's clock was put back, and people wait by theirs."""
    return replace(
        alarm,
        opened_at=min(alarm.opened_at, now),
        last_event_at=min(alarm.last_event_at, now),
        ladder_at=min(alarm.ladder_at, now),
        told_at=None if alarm.told_at is None else min(alarm.told_at, now),
    )


def begun(alarm: Alarm, now: datetime) -> Alarm:
    """At the foot of its ladder, and told."""
    return replace(alarm, step=0, ladder_at=now, told_at=now, reached_at=None, silenced_until=None)


def held_back(alarm: Alarm, until: datetime, now: datetime) -> Alarm:
    """At the foot of its ladder, and not told until the silence ends."""
    return replace(alarm, step=0, ladder_at=now, told_at=None, reached_at=None, silenced_until=until)


def climbed(alarm: Alarm, policy: Policy, now: datetime) -> Alarm:
    """One step up, and told; at the top, told again."""
    return replace(alarm, step=min(alarm.step + 1, top(alarm, policy)), told_at=now)


def timed_out(alarm: Alarm, policy: Policy, now: datetime) -> Alarm:
    """Its time on its step is up: one step up; or, had it climbed early, those on its step are told again at a step's time."""
    ladder = policy.of(alarm.priority)
    if _passed_early(alarm, ladder) and now < alarm.ladder_at + seconds(ladder.steps[alarm.step + 1].after_s):
        return replace(alarm, told_at=now)
    return climbed(alarm, policy, now)


def top(alarm: Alarm, policy: Policy) -> int:
    """The last step of its ladder."""
    return len(policy.of(alarm.priority).steps) - 1


def at_top(alarm: Alarm, policy: Policy) -> bool:
    """Whether everybody who can be told is told."""
    return alarm.step >= top(alarm, policy)


def released(alarm: Alarm, policy: Policy, now: datetime) -> Alarm:
    """It waits again, on the step where it stood, as if that had begun now."""
    ladder = policy.of(alarm.priority)
    stood_for = seconds(ladder.steps[min(alarm.step, top(alarm, policy))].after_s)
    return replace(alarm, ladder_at=now - stood_for, told_at=now, reached_at=None)


def step_due_at(alarm: Alarm, ladder: Ladder) -> datetime:
    """When an open alarm's time on its step is up: the next step's time, or at the top the next round's.

    Has it climbed early, by a second press or because no hub had it, the times of the steps that it passed come first: a
    press must not hold back what was due without it. (While no hub has it, the shorter clock of what is undelivered runs.)
    """
    if alarm.step + 1 >= len(ladder.steps):
        return (alarm.told_at or alarm.ladder_at) + seconds(ladder.repeat_every_s)
    return next(iter(_passed_early(alarm, ladder)), alarm.ladder_at + seconds(ladder.steps[alarm.step + 1].after_s))


def undelivered_at(alarm: Alarm, ladder: Ladder) -> datetime | None:
    """When it climbs because no hub has it; None when one has, or when there is nobody else to tell.

    At the top there is the last resort (domain/routing.py), once: for a policy of one step, and for who presses quickly.
    """
    if alarm.reached_at is not None:
        return None
    told_at, patience = alarm.told_at or alarm.ladder_at, seconds(ladder.undelivered_after_s)
    if alarm.step + 1 < len(ladder.steps):
        return told_at + patience
    return alarm.ladder_at + patience if told_at < alarm.ladder_at + patience else None


def overdue(alarm: Alarm, now: datetime) -> bool:
    """Whether its fault clock has run out, and nobody was told since."""
    due_at = alarm.repair_due_at
    return due_at is not None and due_at <= now and (alarm.told_at is None or alarm.told_at < due_at)


def waiting(alarm: Alarm, policy: Policy, now: datetime) -> Alarm:
    """With the next instant at which somebody looks at it again: set unless it is closed, and within a day."""
    if alarm.state == "closed":
        return replace(alarm, wake_at=None)
    return replace(alarm, wake_at=min(now + LOOK_WITHIN, *_due(alarm, policy.of(alarm.priority), now)))


def with_clocks(alarm: Alarm, policy: Policy, now: datetime) -> Alarm:
    """With the clocks that its priority sets running: the fault clock of an unprotected one, the rise of a degraded one."""
    ladder = policy.of(alarm.priority)
    runs = alarm.state != "closed"
    return replace(
        alarm,
        repair_due_at=now + seconds(ladder.repair_within_s) if runs and ladder.repair_within_s else None,
        rises_at=now + seconds(ladder.rises_after_s) if runs and ladder.rises_after_s else None,
    )


def _passed_early(alarm: Alarm, ladder: Ladder) -> Sequence[datetime]:
    """The times, of steps up to its own, that had not come when people were last told. Not while no hub has it, nor at the top."""
    if alarm.reached_at is None or alarm.step + 1 >= len(ladder.steps):
        return ()
    times = (alarm.ladder_at + seconds(step.after_s) for step in ladder.steps[: alarm.step + 1])
    return [at for at in times if at > (alarm.told_at or alarm.ladder_at)]


def _due(alarm: Alarm, ladder: Ladder, now: datetime) -> Iterator[datetime]:
    if alarm.silenced_until is not None:
        yield alarm.silenced_until
        return
    if alarm.state == "acknowledged":
        yield (alarm.told_at or now) + seconds(ladder.follow_up_after_s)
    else:
        yield step_due_at(alarm, ladder)
        unreached = undelivered_at(alarm, ladder)
        if unreached is not None:
            yield unreached
    if alarm.repair_due_at is not None and (alarm.told_at is None or alarm.told_at < alarm.repair_due_at):
        yield alarm.repair_due_at
    if alarm.rises_at is not None:
        yield alarm.rises_at
