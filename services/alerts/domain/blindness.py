"""When it is told that the devices are not heard, and when that is over. Pure.

Not to be heard is nobody's silence: one alarm says so, to every hub, in place of a thousand.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, Self, TypeAlias

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
REMEMBERED_TO: Final = timedelta(minutes=1)
"""So exactly a watermark is told from memory: those who saw it a second apart mostly tell the same body."""

_NAMESPACE: Final = uuid.UUID("4c1c9f35-1d6e-4a39-9a2f-5d5c0b7d3e21")  # any constant of our own
_TEXT_MAX: Final = 128

Turn: TypeAlias = Literal["activated", "restored"]
About: TypeAlias = Literal["deaf", "unheard"]
"""They were heard and are no longer; or never were, for nobody listens."""


@dataclass(frozen=True, slots=True)
class Ear:
    """A shard of ingest: all that the broker had for it until `heard_until` is stored. Or whoever has none, by name."""

    shard: str
    heard_until: datetime


@dataclass(frozen=True, slots=True)
class Blindness:
    """One that began, and who was deaf then. Whoever notices it, and however often, its id is the same."""

    blindness_id: uuid.UUID
    shards: tuple[str, ...]
    began_at: datetime

    @classmethod
    def seen(cls, shards: Sequence[str], began_at: datetime) -> Self:
        """By whoever has the database, which takes one of them."""
        named = tuple(sorted(shards))
        return cls(uuid.uuid5(_NAMESPACE, f"{','.join(named)} since {began_at.isoformat()}"), named, began_at)

    @classmethod
    def remembered(cls, shards: Sequence[str], heard_until: datetime, mark: str) -> Self:
        """By each who has it no longer. `mark`: what all had from it last, and what no later blindness has.

        The id is of the day, and no finer: two that looked on both sides of a whole minute tell one, each by its own minute.
        Two whose last looks lie on both sides of midnight (UTC), or of another mark, tell two.
        """
        named = tuple(sorted(shards))
        epoch = datetime.min.replace(tzinfo=heard_until.tzinfo)
        began_at = heard_until - (heard_until - epoch) % REMEMBERED_TO
        told = f"{','.join(named)} on {began_at:%Y-%m-%d} after {mark}"
        return cls(uuid.uuid5(_NAMESPACE, told), named, began_at)

    @property
    def remembered_told_at(self) -> datetime:
        """When it is said to have been told, whoever tells it from memory."""
        return self.began_at + TOLD_AFTER


def to_be_told(ears: Sequence[Ear], now: datetime) -> Blindness | None:
    """What hubs must know: somebody has been deaf for too long. Whoever was a moment later is named, too: not by `wider`."""
    began_at = min((ear.heard_until for ear in ears), default=now)
    if now - began_at < TOLD_AFTER:
        return None
    deaf = [ear for ear in ears if now - ear.heard_until >= TOLD_AFTER or ear.heard_until <= began_at + HEARS]
    return Blindness.seen([ear.shard for ear in deaf], began_at)


def wider(known: Blindness, ears: Sequence[Ear], now: datetime) -> Blindness | None:
    """What hubs must know though they know of one: others that still heard when it began are deaf, too."""
    later = [ear for ear in ears if ear.shard not in known.shards and ear.heard_until > known.began_at + HEARS]
    more = to_be_told(later, now)
    return None if more is None else Blindness.seen([*known.shards, *more.shards], known.began_at)


def all_hear(ears: Collection[Ear], now: datetime) -> bool:
    return all(now - ear.heard_until < HEARS for ear in ears)


def hears_anew(heard_since: datetime | None, now: datetime) -> bool:
    """Whether it counts from now that all hear: they did not, or since what is the future by now, for the clock was put back."""
    return heard_since is None or heard_since > now


def is_over(heard_since: datetime | None, now: datetime) -> bool:
    return heard_since is not None and now - heard_since >= OVER_AFTER


def blindness_event(blindness: Blindness, turn: Turn, now: datetime, about: About = "deaf") -> AlarmEvent:
    """The event that raises the alarm, or says that it is over. Its id follows from the blindness: told twice, it is one."""
    made = uuid.uuid5(blindness.blindness_id, turn)
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
        peripheral_id=None if about == "deaf" else about,
        location=None,
        text=_text(blindness, turn, about),
        test=False,
        marks=(),
        payload_sha256=hashlib.sha256(str(made).encode()).hexdigest(),
    )


def _text(blindness: Blindness, turn: Turn, about: About) -> str:
    since = f"{blindness.began_at:%H:%M:%S} UTC"
    match about, turn:
        case "deaf", "activated":
            return _named(
                f"Devices have not been heard since {since} (", blindness.shards, "). Silence says nothing now."
            )
        case "deaf", _:
            return f"Devices are heard again; they were not since {since}."
        case _, "activated":
            return _named("Nobody listens there, and nobody there is called silent: ", blindness.shards, ".")
        case _:
            return _named("Somebody listens now to: ", blindness.shards, ".")


def _named(before: str, names: Sequence[str], after: str) -> str:
    """Of the names as many as there is room for, whole, and how many more there are; of the first at least its beginning."""
    room = _TEXT_MAX - len(before) - len(after)
    for count in range(len(names), 0, -1):
        left = len(names) - count
        said = ", ".join(names[:count]) + (f" and {left} more" if left else "")
        if len(said) <= room:
            return before + said + after
    more = f"… and {len(names) - 1} more" if len(names) > 1 else "…"
    return before + names[0][: room - len(more)] + more + after
