"""A device that is affected by itself, as an alarm of its own: the ladder, silences and hubs are as for any other."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from contracts.alarm_event import AlarmEvent, Observed
from contracts.condition import Condition
from contracts.ids import CouncilId, DeviceId, EventId
from contracts.rota import LONDON
from contracts.vocabulary import DEVICE_SILENT

KINDS: Final[dict[Condition, str]] = {"silent": DEVICE_SILENT, "mains_lost": "power_supply"}
_NAMESPACE: Final = uuid.UUID("6a1f6a52-8a3e-4d2b-9c86-0d0f4c0f9f38")  # any constant of our own


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """One time that a device was affected. `affected_id` makes the events about it, so that told again they are the same.

    `version`: of the latest verdict. One that flaps may be told of more than once in that time, each time by a verdict of its own.
    """

    affected_id: int
    version: int
    device_id: DeviceId
    council_id: CouncilId | None
    condition: Condition
    since: datetime | None
    expected_silent_at: datetime | None
    asked_at: datetime | None = None  # somebody asked after the person, from an outage's list


def affected(single: Single, now: datetime) -> AlarmEvent:
    """The event that raises its alarm."""
    asked = f"; asked after {_moment(single.asked_at)}" if single.asked_at else ""
    return _event(single, "activated", _words(single) + asked, now, of_verdict=f":{single.version}")


def well_again(single: Single, at: datetime) -> AlarmEvent:
    """The event that closes it."""
    words = "Heard again" if single.condition == "silent" else "Mains back"
    return _event(single, "restored", f"{words} {_moment(at)}", at)


def watched_no_more(single: Single, at: datetime) -> AlarmEvent:
    """The event that closes it when the device was suspended, say, or withdrawn: nobody may read that it works."""
    return _event(single, "restored", "It is not in use any more", at)


def _words(single: Single) -> str:
    if single.condition == "silent":
        return (
            "Never heard since it was installed" if single.since is None else f"Not heard since {_moment(single.since)}"
        )
    since = f"No mains since {_moment(single.since)}" if single.since else "No mains"
    if single.expected_silent_at is None:
        return since
    return f"{since}; its battery is expected to last until {_moment(single.expected_silent_at)}"


def _moment(at: datetime) -> str:
    return f"{at.astimezone(LONDON):%H:%M on %d %b}"


def _event(
    single: Single, status: Literal["activated", "restored"], text: str, at: datetime, *, of_verdict: str = ""
) -> AlarmEvent:
    event_id = str(uuid.uuid5(_NAMESPACE, f"{single.affected_id}:{status}{of_verdict}"))
    return AlarmEvent(
        event_id=EventId(event_id),
        device_id=single.device_id,
        council_id=single.council_id,
        topic="",
        boot_id=None,
        seq=None,
        sent_at=None,
        received_at=at,
        kind=KINDS[single.condition],
        status=status,
        peripheral_id=None,
        location=None,
        text=text,
        test=False,
        marks=(),
        payload_sha256=hashlib.sha256(event_id.encode()).hexdigest(),
        observed=Observed(rises_at=single.expected_silent_at) if single.condition == "mains_lost" else None,
    )
