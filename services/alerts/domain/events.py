"""What a device's event makes of an alarm.

An event joins the open alarm (that is: not closed) of the same device, kind and peripheral; another kind is another alarm.
"""

import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from contracts.alarm_event import OF_NO_HOME, AlarmEvent
from contracts.ids import AlarmId, EventId
from contracts.vocabulary import CHANNEL_FAILING, MONITORING_IMPAIRED, Priority, priority_of
from services.alerts.domain import ladder
from services.alerts.domain.alarm import SYSTEM, Alarm, TransitionEvent
from services.alerts.domain.decision import Circumstances, Decision, Reason
from services.alerts.domain.triggers import EventArrived, KnownDevice

_NAMESPACE: Final = uuid.UUID("5f0d3a53-5d5c-4c39-9b0c-0d6f3a1c8f57")  # any constant of our own
_OF_NO_HOME: Final = frozenset({CHANNEL_FAILING, MONITORING_IMPAIRED})

# Commissioning sends a test from each trigger; a whole platform's monthly tests must not drown its alarms (Luleå).
TESTS_OF_DEVICE_MAX: Final = 10
TESTS_OF_ALL_MAX: Final = 60

# A pendant's battery that is low whenever it is cold: told twice within a day, and from then on when it has been so for a while.
WAVERS_MAX: Final = 2
WAVERING_TOLD_AFTER: Final = timedelta(minutes=30)


def event_arrived(alarm: Alarm | None, trigger: EventArrived, now: datetime, circumstances: Circumstances) -> Decision:
    """Decide on an event. `alarm` is the open alarm that it joins; a test joins none, and none joins it."""
    event = trigger.event
    if event.test:
        return _test(trigger, now, circumstances)
    if alarm is None:
        ends_something = event.status in {"restored", "cancelled"}
        return (_ended_nothing if ends_something else _raised)(trigger, now, circumstances)
    if event.status == "restored":
        return _restored(alarm, event, now)
    if event.status == "cancelled":
        return _cancelled(alarm)
    if event.observed is not None and judged(event, trigger.device) >= alarm.priority:
        return _seen_too(alarm, trigger)
    return _joined(alarm, trigger, now, circumstances)


def alarm_id_of(event_id: EventId) -> AlarmId:
    """The id of the alarm that an event raises. It follows from the event's: deciding again is no second alarm."""
    return AlarmId(str(uuid.uuid5(_NAMESPACE, event_id)))


def judged(event: AlarmEvent, device: KnownDevice | None) -> Priority:
    """The event's priority. No lifecycle stage lowers it."""
    sole: bool | None = None  # unknown unless the registry names the sole trigger and the event names what failed
    if device is not None and device.sole_trigger is not None and event.peripheral_id is not None:
        sole = event.peripheral_id == device.sole_trigger
    return priority_of(event.kind, event.status, test=event.test, sole_trigger=sole)


def _born(trigger: EventArrived, now: datetime, circumstances: Circumstances) -> Alarm:
    """A new alarm, closed until its maker says otherwise. Where registry and topic disagree on the council, the registry wins."""
    event, device = trigger.event, trigger.device
    of_no_home = event.topic == "" and (event.kind in _OF_NO_HOME or OF_NO_HOME in event.marks)
    return Alarm(
        alarm_id=alarm_id_of(event.event_id),
        device_id=event.device_id,
        council_id=device.council_id if device else event.council_id,
        kind=event.kind,
        status=event.status,
        peripheral_id=event.peripheral_id,
        location=event.location,
        priority=judged(event, device),
        state="closed",
        step=0,
        event_count=1,
        test=event.test,
        unregistered=device is None and not of_no_home,
        installation_ref=device.installation_ref if device else None,
        raised_at=event.sent_at,
        received_at=event.received_at,
        opened_at=min(event.received_at, now),  # whoever pressed waits since then, and not since we came round to it
        changed_at=now,
        last_event_at=now,
        policy_id=circumstances.policy_id,
        ladder_at=now,
        told_at=now,
        wake_at=None,
        closed_at=now,
        closed_by=SYSTEM,
        sole_device=not of_no_home and (device is None or device.sole_device),
    )


def _raised(trigger: EventArrived, now: datetime, circumstances: Circumstances) -> Decision:
    born = replace(_born(trigger, now, circumstances), state="open", closed_at=None, closed_by=None)
    told = Decision(alarm=born, event="raised", reason=Reason.FIRST_EVENT, detail=trigger.detail)
    raised = _begun(born, now, circumstances, told)
    if raised.tells and trigger.wavered >= WAVERS_MAX and born.priority == Priority.DEGRADED:
        raised = replace(raised, alarm=ladder.held_back(born, now + WAVERING_TOLD_AFTER, now), tells=False)
    clocked = ladder.with_clocks(raised.alarm, circumstances.policy, trigger.event.received_at)
    return replace(raised, alarm=_foreseen(clocked, trigger.event))


def _foreseen(alarm: Alarm, event: AlarmEvent) -> Alarm:
    """It rises when what was observed is expected to be worse, whatever its policy says of others."""
    foreseen = event.observed.rises_at if event.observed else None
    if foreseen is None or alarm.priority != Priority.DEGRADED:
        return alarm
    return replace(alarm, rises_at=foreseen if alarm.rises_at is None else min(alarm.rises_at, foreseen))


def _begun(alarm: Alarm, now: datetime, circumstances: Circumstances, decision: Decision) -> Decision:
    """`decision`, with its alarm at the foot of its ladder; or held back by a silence."""
    until = circumstances.silenced_until(alarm, now)
    stands = ladder.begun(alarm, now) if until is None else ladder.held_back(alarm, until, now)
    return replace(decision, alarm=stands, tells=until is None)


def _test(trigger: EventArrived, now: datetime, circumstances: Circumstances) -> Decision:
    """Listed and receipted always, and told, unless there are too many: only the telling of tests is limited."""
    born = _born(trigger, now, circumstances)
    tests = trigger.tests
    if tests.of_device >= TESTS_OF_DEVICE_MAX or tests.of_all >= TESTS_OF_ALL_MAX:
        untold = replace(born, told_at=None)
        return Decision(alarm=untold, event="test_received", reason=Reason.TEST_BEYOND_LIMIT, tells=False)
    return Decision(alarm=born, event="test_received", reason=Reason.TEST)


def _ended_nothing(trigger: EventArrived, now: datetime, circumstances: Circumstances) -> Decision:
    """A restore or cancel of nothing that is open: listed and told with one transition, and done (priority 5).

    Nobody is told that what we saw is over, when the device, or a person, has said so before.
    """
    born = _born(trigger, now, circumstances)
    event: TransitionEvent = "restored" if born.status == "restored" else "cancelled"
    tells = trigger.event.observed is None
    return Decision(alarm=born, event=event, reason=Reason.NOTHING_OPEN, receipt="closed", tells=tells)


def _restored(alarm: Alarm, event: AlarmEvent, now: datetime) -> Decision:
    """Closes an unprotected or degraded one (priority 3, 4). Of life and welfare it is told, and changes nothing.

    The end of what we saw is no end of another fault that the device reported by the same kind.
    """
    if event.observed is not None and alarm.status != event.observed.begun_as:
        return Decision(alarm=alarm, reason=Reason.ALREADY_SO)
    counted = replace(alarm, event_count=alarm.event_count + 1)
    if alarm.priority <= Priority.WELFARE:
        return Decision(alarm=counted, event="restored", reason=Reason.RESTORED_BUT_NEEDS_A_PERSON)
    closed = replace(counted, state="closed", closed_at=now, closed_by=SYSTEM, silenced_until=None)
    untold = alarm.silenced_until is not None
    return Decision(alarm=closed, event="restored", reason=Reason.FAULT_RESTORED, receipt="closed", tells=not untold)


def _cancelled(alarm: Alarm) -> Decision:
    """Told, and closes nothing: a cancelled fall may be a fallen person who reached the button."""
    counted = replace(alarm, event_count=alarm.event_count + 1)
    untold = alarm.silenced_until is not None
    return Decision(alarm=counted, event="cancelled", reason=Reason.CANCELLED_AT_DEVICE, tells=not untold)


def _joined(alarm: Alarm, trigger: EventArrived, now: datetime, circumstances: Circumstances) -> Decision:
    """An event as urgent as its alarm re-opens an acknowledged one, and restarts its ladder; so does a more urgent one always.

    Less urgent (a battery_low joining a fall): told, and touches nothing.
    """
    event = trigger.event
    priority = judged(event, trigger.device)
    counted = replace(alarm, event_count=alarm.event_count + 1)
    silenced = alarm.silenced_until is not None
    if priority > alarm.priority:
        return Decision(
            alarm=counted,
            event="repeated",
            reason=Reason.LESS_URGENT_EVENT,
            detail=trigger.detail,
            tells=not silenced,
        )
    # At least as urgent: it says what the alarm is about.
    current = replace(
        counted, priority=priority, status=event.status, location=event.location or alarm.location, last_event_at=now
    )
    if priority < alarm.priority:
        told = Decision(alarm=current, event="escalated", reason=Reason.MORE_URGENT_EVENT, detail=trigger.detail)
        restarted = _begun(_opened(current, now), now, circumstances, told)
        return replace(restarted, alarm=ladder.with_clocks(restarted.alarm, circumstances.policy, now))
    if alarm.state == "acknowledged":
        told = Decision(
            alarm=current, event="repeated", reason=Reason.EVENT_AFTER_ACKNOWLEDGEMENT, detail=trigger.detail
        )
        return _begun(_opened(current, now), now, circumstances, told)
    if _again_so_soon(alarm, now, circumstances):
        climbed = current
        if not ladder.at_top(alarm, circumstances.policy):
            climbed = ladder.climbed(current, circumstances.policy, now)
        return Decision(alarm=climbed, event="repeated", reason=Reason.PRESSED_AGAIN, detail=trigger.detail)
    # Told, and the ladder goes on by its own clock: whoever presses every 50 seconds must not hold back the next step.
    return Decision(
        alarm=current, event="repeated", reason=Reason.SAME_AGAIN, detail=trigger.detail, tells=not silenced
    )


def _seen_too(alarm: Alarm, trigger: EventArrived) -> Decision:
    """What the device itself reported we saw, too: whoever was told of it is told what we expect, and it waits as it waited."""
    counted = replace(alarm, event_count=alarm.event_count + 1)
    return Decision(
        alarm=_foreseen(counted, trigger.event),
        event="repeated",
        reason=Reason.SAME_AGAIN,
        detail=trigger.detail,
        tells=False,
    )


def _again_so_soon(alarm: Alarm, now: datetime, circumstances: Circumstances) -> bool:
    """A second press, while nobody has come (Luleå): the next step at once."""
    within = circumstances.policy.of(alarm.priority).press_again_within_s
    return within is not None and alarm.silenced_until is None and (now - alarm.last_event_at).total_seconds() <= within


def _opened(alarm: Alarm, now: datetime) -> Alarm:
    """It waits for a person; anew, if somebody had it."""
    return replace(
        alarm,
        state="open",
        acknowledged_at=None,
        acknowledged_by=None,
        acknowledged_hub=None,
        opened_at=alarm.opened_at if alarm.state == "open" else now,
    )
