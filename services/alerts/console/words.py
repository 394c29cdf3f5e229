"""Our words for people: what happened, where, and why, in plain English. Whatever is not known is shown as it was given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from contracts.vocabulary import Outcome, Priority

KINDS: Final[Mapping[str, str]] = {
    "personal_trigger": "Pendant pressed",
    "fixed_trigger": "Pull cord or wall button",
    "fall": "Fall detected",
    "personal_attack": "Personal attack alarm",
    "panic": "Panic alarm",
    "epilepsy": "Epilepsy sensor",
    "heart_rate": "Heart rate alarm",
    "gas": "Gas detected",
    "smoke": "Smoke detected",
    "heat": "Heat detected",
    "carbon_monoxide": "Carbon monoxide detected",
    "bogus_caller": "Bogus caller button",
    "intruder": "Intruder alarm",
    "man_down": "Person down",
    "sprinkler": "Sprinkler released",
    "lift": "Lift alarm",
    "fire_system": "Fire system alarm",
    "unreadable": "Unreadable alarm",
    "unprocessable": "Alarm we could not process",
    "monitoring_impaired": "Monitoring impaired",
    "activity": "No activity",
    "pill_dispenser": "Pill dispenser",
    "bed": "Bed sensor",
    "mat": "Pressure mat",
    "door": "Door sensor",
    "wandering": "Wandering",
    "enuresis": "Enuresis sensor",
    "occupancy": "Occupancy sensor",
    "environmental": "Room temperature or humidity",
    "boundary": "Left the safe area",
    "flood": "Flood detected",
    "bath": "Bath sensor",
    "perimeter": "Perimeter sensor",
    "chair": "Chair sensor",
    "tracking_device": "Tracking device",
    "device_silent": "Device gone silent",
    "channel_failing": "Hub channel failing",
    "local_unit": "Alarm unit",
    "duty_switch": "Duty switch",
    "lighting": "Lighting",
    "heating": "Heating",
    "system_monitor": "System monitor",
    "comms_link": "Connection of the unit",
    "latch_key": "Key safe or latch",
    "tamper": "Tampering",
    "printer": "Printer",
    "router": "Router",
    "power_supply": "Mains power lost",
    "access_controller": "Door entry",
    "controller": "Controller",
    "monitoring_device": "Monitoring device",
    "radio_unit": "Radio unit",
}

_THINGS: Final[Mapping[str, str]] = {
    "personal_trigger": "Pendant",
    "fall": "Fall detector",
    "smoke": "Smoke detector",
    "heat": "Heat detector",
    "gas": "Gas detector",
    "carbon_monoxide": "CO detector",
    "flood": "Flood detector",
    "activity": "Activity sensor",
    "power_supply": "Power supply",
}
"""What is meant when it is the thing that is in trouble: its battery, or itself."""

_STATUSES: Final[Mapping[str, str]] = {
    "battery_low": "battery low",
    "failure": "fault",
    "restored": "restored",
    "cancelled": "cancelled at the device",
}

PRIORITIES: Final[Mapping[int, str]] = {
    Priority.LIFE: "Life",
    Priority.WELFARE: "Welfare",
    Priority.UNPROTECTED: "Unprotected",
    Priority.DEGRADED: "Degraded",
    Priority.LOG: "Log",
}

OUTCOMES: Final[Mapping[Outcome, str]] = {
    "attended": "Somebody attended",
    "emergency_services": "Emergency services called",
    "advice_given": "Spoke to them, advice given",
    "no_response": "No response to our call",
    "accidental": "Pressed by accident",
    "test": "Test call",
    "equipment_fault": "Equipment fault",
    "data_quality": "Wrong or incomplete records",
}

CHANNELS: Final[Mapping[str, str]] = {"webhook": "webhook", "mqtt": "MQTT", "email": "e-mail", "sms": "text message"}

_EVENTS: Final[Mapping[str, str]] = {
    "raised": "Alarm raised",
    "repeated": "The device sent it again",
    "escalated": "Escalated",
    "restored": "The device says it is restored",
    "cancelled": "Cancelled at the device",
    "acknowledged": "Acknowledged",
    "released": "Released",
    "closed": "Closed",
    "test_received": "Test alarm received",
}

_REASONS: Final[Mapping[str, str]] = {
    "first_event": "the first of its kind from this device",
    "same_again": "the same again while it was open",
    "pressed_again": "pressed again while nobody had taken it: the next hub is told at once",
    "less_urgent_event": "less urgent than the alarm itself, so nothing else changes",
    "more_urgent_event": "more urgent than before: everything starts again",
    "event_after_acknowledgement": "it came again after somebody had taken it, so it is open again",
    "fault_restored": "the fault is over, so the alarm is closed",
    "restored_but_needs_a_person": "a person must still look at it",
    "cancelled_at_device": "somebody cancelled it there; a person must still look at it",
    "nothing_open": "there was no open alarm that it belongs to",
    "test": "a test: nobody needs to act",
    "test_beyond_limit": "a test, one of so many that hubs are not told of each",
    "silenced": "held back by a silence",
    "silence_ended": "what held it back, a silence or an outage, is over",
    "not_acknowledged": "nobody had taken it in time, so more people are told",
    "not_delivered": "no hub had received it in time, so the next is told",
    "refused_everywhere": "every hub told so far refused it, so the next is told",
    "not_closed": "taken a while ago and not closed: its hubs are reminded",
    "repair_overdue": "the repair is overdue",
    "rose_with_time": "not dealt with for so long that it became more urgent",
    "by_operator": "",
    "already_so": "",
    "delivered": "a hub has received it",
}


def headline(kind: str, status: str) -> str:
    """`Fall detected`, `Pendant: battery low`; a kind that we do not know stands in quotation marks."""
    known = KINDS.get(kind, f"Unknown alarm “{kind}”")
    return known if status not in _STATUSES else f"{_THINGS.get(kind, known)}: {_STATUSES[status]}"


def place(location: str | None) -> str:
    """`front_door` → `Front door`; free text as it is."""
    return location.replace("_", " ").capitalize() if location else ""


def what_happened(entry: Mapping[str, Any]) -> str:
    """The line of a history entry."""
    event, actor = entry["event"], entry.get("actor")
    line = _EVENTS.get(event, _plain(event))
    return f"{line} by {actor}" if actor and actor != "system" else line


def why(reason: str) -> str:
    """A history entry's reason; empty where the line says it all."""
    return _REASONS.get(reason, _plain(reason).lower())


def knows_reason(reason: str) -> bool:
    """Whether there is a sentence for it."""
    return reason in _REASONS


def _plain(word: str) -> str:
    return word.replace("_", " ").capitalize()
