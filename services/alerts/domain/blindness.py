"""When it is told that the devices are not heard, and when that is over. Pure.

Not to be heard is nobody's silence: one alarm says so, to every hub, in place of a thousand.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from contracts.alarm_event import AlarmEvent
from contracts.ids import DeviceId, EventId
from contracts.vocabulary import MONITORING_IMPAIRED

DEVICE: Final = DeviceId("monitoring")
"""Whose alarm it is: no home's."""

TOLD_AFTER: Final = timedelta(seconds=15)
"""A take-over lasts 5 to 6 s, 13 s when the broker is a black hole: nobody is woken for those."""
HEARS: Final = timedelta(seconds=5)
OVER_AFTER: Final = timedelta(seconds=10)
"""Heard again for so long, it is over."""

_NAMESPACE: Final = uuid.UUID("4c1c9f35-1d6e-4a39-9a2f-5d5c0b7d3e21")  # any constant of our own
_TEXT_MAX: Final = 128

Turn: TypeAlias = Literal["activated", "restored"]


@dataclass(frozen=True, slots=True)
class Ear:
    """A shard of ingest: all that the broker had for it until `heard_until` is stored."""

    shard: str
    heard_until: datetime


@dataclass(frozen=True, slots=True)
class Blindness:
    """One that began, and who was deaf then."""

    shards: tuple[str, ...]
    began_at: datetime

    @property
    def blindness_id(self) -> uuid.UUID:
        """Follows from it: whoever notices it, and however often, it is one."""
        return uuid.uuid5(_NAMESPACE, f"{','.join(self.shards)} since {self.began_at.isoformat()}")


def to_be_told(ears: Sequence[Ear], now: datetime) -> Blindness | None:
    """What hubs must know: somebody has been deaf for too long."""
    deaf = [ear for ear in ears if now - ear.heard_until >= TOLD_AFTER]
    if not deaf:
        return None
    return Blindness(tuple(sorted(ear.shard for ear in deaf)), min(ear.heard_until for ear in deaf))


def all_hear(ears: Sequence[Ear], now: datetime) -> bool:
    return all(now - ear.heard_until < HEARS for ear in ears)


def is_over(heard_since: datetime | None, now: datetime) -> bool:
    return heard_since is not None and now - heard_since >= OVER_AFTER


def blindness_event(blindness: Blindness, turn: Turn, now: datetime) -> AlarmEvent:
    """The event that raises the alarm, or says that it is over. Its id follows from the blindness: told twice, it is one."""
    made = uuid.uuid5(blindness.blindness_id, turn)
    since = f"{blindness.began_at:%H:%M:%S} UTC"
    if turn == "activated":
        text = f"Devices have not been heard since {since} ({', '.join(blindness.shards)}). Silence says nothing now."
    else:
        text = f"Devices are heard again; they were not since {since}."
    return AlarmEvent(
        event_id=EventId(str(made)),
        device_id=DEVICE,
        council_id=None,
        topic="",
        boot_id=None,
        seq=None,
        sent_at=None,
        received_at=now,
        kind=MONITORING_IMPAIRED,
        status=turn,
        peripheral_id=None,
        location=None,
        text=text[:_TEXT_MAX],
        test=False,
        marks=(),
        payload_sha256=hashlib.sha256(str(made).encode()).hexdigest(),
    )
