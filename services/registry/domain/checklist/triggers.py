"""A test from each trigger: at a hub, and our receipt back at the box. docs/engineer.md says what is evidence of what."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from services.registry.domain.checklist.evidence import Event, Evidence, Trigger
from services.registry.domain.checklist.heartbeats import pace_s
from services.registry.domain.checklist.item import Item

# The contract: an alarm without a receipt is sent again after 10 s, doubling to 10 min, ± 20 %.
_REPEAT_FIRST_S: Final = 10.0
_REPEAT_MAX_S: Final = 600.0
_REPEAT_SPREAD: Final = 1.2
_LATE_S: Final = 2.0
_STUBBORN: Final = 3
"""Sent so often, it is not our receipt's first try any more."""
_HUB_LATE_S: Final = 60

_NAMES: Final = {
    "personal_trigger": "pendant",
    "fixed_trigger": "button or pull cord",
    "fall": "fall detector",
    "smoke": "smoke detector",
    "heat": "heat detector",
    "carbon_monoxide": "carbon monoxide detector",
    "gas": "gas detector",
    "flood": "flood detector",
    "bed": "bed sensor",
    "chair": "chair sensor",
    "door": "door sensor",
    "activity": "movement sensor",
    "local_unit": "button of the box itself",
}


def name_of(trigger: Trigger) -> str:
    """As an engineer calls it."""
    name = _NAMES.get(trigger.kind, trigger.kind.replace("_", " "))
    which = trigger.peripheral_id
    if which is None:
        return name
    return which if which.startswith(name) else f"{name} {which}"


def tried(trigger: Trigger, evidence: Evidence, now: datetime) -> Item:
    """The furthest that any test of this trigger has come; of those equally far, the newest."""
    title = f"Test: {name_of(trigger)}"
    tests = [event for event in evidence.proofs if trigger.is_tried_by(event)]
    found = [_judge(trigger.key, title, event, evidence, now) for event in tests]
    done = [item for item in found if item.done]
    if done or found:
        return (done or found)[-1]
    do = f"Put the box in test mode and set off its {name_of(trigger)}."
    return Item(trigger.key, title, "waiting", "Not tried yet.", do, wait_s=15)


def any_test(evidence: Evidence, now: datetime) -> Item:
    """Of a model whose triggers nobody wrote down: a test from one of them at least. Without one, nothing is proved."""
    title = "Test alarm"
    tests = [event for event in evidence.proofs if event.proof and event.status == "activated"]
    found = [_judge("trigger:any", title, event, evidence, now) for event in tests]
    done = [item for item in found if item.done]
    if done or found:
        return (done or found)[-1]
    return Item(
        "trigger:any", title, "waiting", "Not tried yet.", "Put the box in test mode and set it off.", wait_s=15
    )


def _judge(key: str, title: str, event: Event, evidence: Evidence, now: datetime) -> Item:
    return (
        _hub_missing(key, title, event, now)
        or _receipt_missing(key, title, event, evidence)
        or Item(key, title, "passed", f"At {event.hub or 'the hub'}, and the box has our receipt.")
    )


def _hub_missing(key: str, title: str, event: Event, now: datetime) -> Item | None:
    if event.reached_at is not None:
        return None
    if event.decided and event.told_at is None:
        say = "Too many tests of late: this one was noted and told to nobody."
        return Item(key, title, "failed", say, "Wait ten minutes, then set it off again.")
    waited_s = (now - event.received_at).total_seconds()
    if event.decided and event.hubs == 0:
        say = "It arrived here, and there is no hub to tell: the council’s alarms go nowhere."
        return Item(key, title, "failed", say, "Tell whoever runs this service. Do not leave the home like this.")
    if event.refused >= event.hubs > 0 or waited_s > _HUB_LATE_S:
        say = "It arrived here, and no hub has taken it."
        return Item(key, title, "failed", say, "Call the hub; its line to us may be down. Then set it off again.")
    return Item(key, title, "waiting", "It arrived here and is on its way to the hub.", wait_s=10)


def _receipt_missing(key: str, title: str, event: Event, evidence: Evidence) -> Item | None:
    """Both: the broker took the receipt for a session that is subscribed, and the box did not repeat what it would have."""
    if event.receipt == "nobody":
        say = "The hub has it. The box does not listen for our receipts."
        return Item(key, title, "failed", say, "Restart the box, then set it off again. If it stays so, exchange it.")
    quiet_at = _quiet_at(event)
    if event.receipt == "taken" and any(beat.received_at >= quiet_at for beat in evidence.beats):
        return None
    if event.repeats >= _STUBBORN:
        say = f"The hub has it. The box has sent it {event.repeats + 1} times: our receipt does not reach it."
        return Item(key, title, "failed", say, "Restart the box, then set it off again. If it stays so, exchange it.")
    wait_s = int((quiet_at - event.last_came_at).total_seconds()) + pace_s(evidence)
    return Item(key, title, "waiting", "The hub has it. Waiting to see that the box has our receipt.", wait_s=wait_s)


def _quiet_at(event: Event) -> datetime:
    """Heard after this, without having repeated the event: it has been told. (A box in doubt would have sent it again.)"""
    repeat_s = min(_REPEAT_FIRST_S * 2 ** min(event.repeats, 16), _REPEAT_MAX_S)
    return event.last_came_at + timedelta(seconds=repeat_s * _REPEAT_SPREAD + _LATE_S)
