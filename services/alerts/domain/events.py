"""What a device's event makes of an alarm.

An event joins the open alarm (that is: not closed) of the same device, kind and peripheral; another kind is another alarm.
"""

import uuid
from dataclasses import replace
from datetime import datetime
from typing import Final

from contracts.alarm_event import AlarmEvent
from contracts.ids import AlarmId
from contracts.vocabulary import Priority, priority_of
from services.alerts.domain.alarm import SYSTEM, Alarm, TransitionEvent
from services.alerts.domain.decision import Decision, Policy, Reason
from services.alerts.domain.triggers import EventArrived, KnownDevice

_NAMESPACE: Final = uuid.UUID("5f0d3a53-5d5c-4c39-9b0c-0d6f3a1c8f57")  # any constant of our own


def event_arrived(alarm: Alarm | None, trigger: EventArrived, now: datetime, policy: Policy) -> Decision:
    """Decide on an event. `alarm` is the open alarm that it joins; a test joins none, and none joins it."""
    event = trigger.event
    if event.test:
        return _born_closed(trigger, now)
    if alarm is None:
        ends_something = event.status in {"restored", "cancelled"}
        return _born_closed(trigger, now) if ends_something else _raised(trigger, now, policy)
    if event.status == "restored":
        return _restored(alarm, now)
    if event.status == "cancelled":
        return _cancelled(alarm, now)
    return _joined(alarm, trigger, now, policy)


def judged(event: AlarmEvent, device: KnownDevice | None) -> Priority:
    """The event's priority. No lifecycle stage lowers it."""
    sole: bool | None = None  # unknown unless the registry names the sole trigger and the event names what failed
    if device is not None and device.sole_trigger is not None and event.peripheral_id is not None:
        sole = event.peripheral_id == device.sole_trigger
    return priority_of(event.kind, event.status, test=event.test, sole_trigger=sole)


def _born(trigger: EventArrived, now: datetime) -> Alarm:
    """A new alarm, closed until its maker says otherwise. Its id follows from the event's: deciding again is no second alarm.

    Where registry and topic disagree on the council, the registry wins.
    """
    event, device = trigger.event, trigger.device
    return Alarm(
        alarm_id=AlarmId(str(uuid.uuid5(_NAMESPACE, event.event_id))),
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
        unregistered=device is None,
        installation_ref=device.installation_ref if device else None,
        raised_at=event.sent_at,
        received_at=event.received_at,
        opened_at=now,
        changed_at=now,
        wake_at=None,
        closed_at=now,
        closed_by=SYSTEM,
    )


def _raised(trigger: EventArrived, now: datetime, policy: Policy) -> Decision:
    born = _born(trigger, now)
    waiting = replace(born, state="open", wake_at=now + policy.acknowledge_within, closed_at=None, closed_by=None)
    return Decision(alarm=waiting, event="raised", reason=Reason.FIRST_EVENT, detail=trigger.detail)


def _born_closed(trigger: EventArrived, now: datetime) -> Decision:
    """Tests, and restores and cancels of nothing that is open: listed and told with one transition, and done (priority 5)."""
    born = _born(trigger, now)
    if born.test:
        return Decision(alarm=born, event="test_received", reason=Reason.TEST)
    event: TransitionEvent = "restored" if born.status == "restored" else "cancelled"
    return Decision(alarm=born, event=event, reason=Reason.NOTHING_OPEN, receipt="closed")


def _restored(alarm: Alarm, now: datetime) -> Decision:
    """Closes an unprotected or degraded one (priority 3, 4). Of life and welfare it is told, and changes nothing."""
    counted = replace(alarm, event_count=alarm.event_count + 1, changed_at=now)
    if alarm.priority <= Priority.WELFARE:
        return Decision(alarm=counted, event="restored", reason=Reason.RESTORED_BUT_NEEDS_A_PERSON)
    closed = replace(counted, state="closed", closed_at=now, closed_by=SYSTEM, wake_at=None)
    return Decision(alarm=closed, event="restored", reason=Reason.FAULT_RESTORED, receipt="closed")


def _cancelled(alarm: Alarm, now: datetime) -> Decision:
    """Told, and closes nothing: a cancelled fall may be a fallen person who reached the button."""
    counted = replace(alarm, event_count=alarm.event_count + 1, changed_at=now)
    return Decision(alarm=counted, event="cancelled", reason=Reason.CANCELLED_AT_DEVICE)


def _joined(alarm: Alarm, trigger: EventArrived, now: datetime, policy: Policy) -> Decision:
    """An event as urgent as its alarm re-opens an acknowledged one, and restarts its ladder; so does a more urgent one always.

    On an open alarm the same again is told but leaves the ladder alone: whoever presses every 50 seconds must not hold
    back the next step. Less urgent (a battery_low joining a fall): told, and touches nothing.
    """
    event = trigger.event
    priority = judged(event, trigger.device)
    counted = replace(alarm, event_count=alarm.event_count + 1, changed_at=now)
    if priority > alarm.priority:
        return Decision(alarm=counted, event="repeated", reason=Reason.LESS_URGENT_EVENT, detail=trigger.detail)
    current = replace(
        counted, priority=priority, status=event.status, location=event.location or alarm.location
    )  # at least as urgent: it says what the alarm is about
    if priority < alarm.priority:
        restarted = _restarted(current, now, policy)
        return Decision(alarm=restarted, event="escalated", reason=Reason.MORE_URGENT_EVENT, detail=trigger.detail)
    if alarm.state == "acknowledged":
        restarted = _restarted(current, now, policy)
        return Decision(
            alarm=restarted, event="repeated", reason=Reason.EVENT_AFTER_ACKNOWLEDGEMENT, detail=trigger.detail
        )
    return Decision(alarm=current, event="repeated", reason=Reason.SAME_AGAIN, detail=trigger.detail)


def _restarted(alarm: Alarm, now: datetime, policy: Policy) -> Alarm:
    """Open, at the foot of the ladder."""
    return replace(
        alarm,
        state="open",
        step=0,
        acknowledged_at=None,
        acknowledged_by=None,
        opened_at=alarm.opened_at if alarm.state == "open" else now,
        wake_at=now + policy.acknowledge_within,
    )
