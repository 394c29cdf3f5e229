"""What is told of a device's health: an alarm event of our own, with figures that whoever looks after the device can use."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from contracts.alarm_event import AlarmEvent, Observed
from contracts.ids import CouncilId, DeviceId, EventId
from contracts.vocabulary import Status
from services.ingest.domain.health import Ailment, Limits, Readings, Turned

_TEXT_MAX: Final = 128
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class _Alarm:
    """By what it is known from other alarms of the device."""

    kind: str
    status: Status
    peripheral_id: str | None


_ALARMS: Final[Mapping[Ailment, _Alarm]] = MappingProxyType(
    {
        "battery_low": _Alarm("local_unit", "battery_low", None),
        "weak_signal": _Alarm("comms_link", "activated", "signal"),
        "clock_off": _Alarm("system_monitor", "activated", "clock"),
        "path_unsteady": _Alarm("comms_link", "activated", "path"),
    }
)
"""Mains lost are not among them: many at once are an outage, so alerts looks at them together (contracts/condition.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Of which device, by what it is told, and when."""

    event_id: EventId
    device_id: DeviceId
    council_id: CouncilId
    at: datetime


def event_of(turned: Turned, about: About, readings: Readings, limits: Limits) -> AlarmEvent:
    """What tells of it. Raises KeyError for `mains_lost`, of which a condition tells."""
    alarm = _ALARMS[turned.ailment]
    words = _began(turned.ailment, readings, limits) if turned.turn == "began" else _ended(turned, readings)
    return AlarmEvent(
        event_id=about.event_id,
        device_id=about.device_id,
        council_id=about.council_id,
        topic="",
        boot_id=None,
        seq=None,
        sent_at=None,
        received_at=about.at,
        kind=alarm.kind,
        status=alarm.status if turned.turn == "began" else "restored",
        peripheral_id=alarm.peripheral_id,
        location=None,
        text=words[:_TEXT_MAX],
        test=False,
        marks=(),
        payload_sha256=hashlib.sha256(about.event_id.encode()).hexdigest(),
        observed=Observed(begun_as=alarm.status),
    )


def _began(ailment: Ailment, readings: Readings, limits: Limits) -> str:
    match ailment:
        case "battery_low":
            without = " and it is without mains" if readings.mains is False else ""
            return f"Its battery is at {readings.battery_pct} %{without}"
        case "weak_signal":
            least = f"{limits.signal_dbm_min} dBm is the least it needs"
            return f"Its signal has been weak for an hour: {_dbm(readings)} on average, {least}"
        case "clock_off":
            return f"Its clock is {_off(readings.clock_behind_s or 0)}"
        case _:
            return f"It changed its way to us {readings.path_changes:.0f} times within an hour"


def _ended(turned: Turned, readings: Readings) -> str:
    if turned.withdrawn:
        return "It says so itself now"
    if not readings.watched:
        return "It is not in use any more"
    match turned.ailment:
        case "battery_low":
            return f"Its battery is at {readings.battery_pct} % again"
        case "weak_signal":
            return f"Its signal is good enough again: {_dbm(readings)} on average"
        case "clock_off":
            return "Its clock is right again"
        case _:
            return "It keeps its way to us again"


def _dbm(readings: Readings) -> str:
    return "unknown" if readings.signal_average is None else f"{readings.signal_average:.0f} dBm"


def _off(behind_s: int) -> str:
    """By how much a clock is, and which way."""
    off_s, way = abs(behind_s), "behind" if behind_s > 0 else "ahead"
    for unit_s, unit in ((_DAY_S, "days"), (_HOUR_S, "hours")):
        if off_s >= 2 * unit_s:
            return f"{off_s // unit_s} {unit} {way}"
    return f"{off_s // _MINUTE_S} minutes {way}"
