"""Which cells, districts, firmwares and networks are badly heard, and so counted each. Pure.

There are tens of thousands of values, and few of them are of interest. So they are looked at roughly, one attribute at a time, and
those that are low are *named*: from then on devices are counted by them, together with all else that they share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

Attribute: TypeAlias = Literal["cell", "postcode_district", "firmware", "network"]
ATTRIBUTES: Final[tuple[Attribute, ...]] = get_args(Attribute)
"""The finest first."""

LOW: Final = 0.8
WELL: Final = 0.9
DEVICES_MIN: Final = 20
"""As of whoever judges the count (alerts, `domain/degraded.py`): whatever is low there must be named, until it is over."""
KEPT: Final = timedelta(minutes=5)
"""So long after it was low last a value is still counted, so that it is seen to be well."""
NAMES_MAX: Final = 50
"""Of each attribute: those that miss most. What a device says of itself makes no more."""


class Name(NamedTuple):
    """Cell 234-10-4711, say. Its value is never empty."""

    attribute: Attribute
    value: str


class Rough(NamedTuple):
    """Devices of a value that should be heard, those aside that are called silent, and how many are."""

    due: int
    heard: int

    @property
    def low(self) -> bool:
        return self.due >= DEVICES_MIN and self.heard < LOW * self.due

    @property
    def well(self) -> bool:
        return self.due == 0 or self.heard > WELL * self.due


_NONE: Final = Rough(0, 0)


@dataclass(slots=True)
class Look:
    """One rough look over all pages: who is missing, by each value. `due` may be of some minutes ago: it hardly changes."""

    due: dict[Name, int] = field(default_factory=dict)
    missing: dict[Name, int] = field(default_factory=dict)

    def add_due(self, name: Name, due: int) -> None:
        self.due[name] = self.due.get(name, 0) + due

    def add_missing(self, name: Name, missing: int) -> None:
        self.missing[name] = self.missing.get(name, 0) + missing

    def seen(self) -> dict[Name, Rough]:
        """Of values that anybody misses: all others are well."""
        due = {name: max(self.due.get(name, 0), missing) for name, missing in self.missing.items()}
        return {name: Rough(due[name], due[name] - missing) for name, missing in self.missing.items()}


Names: TypeAlias = Mapping[Name, datetime]
"""What is named, and when it was last not well."""


def named_anew(names: Names, seen: Mapping[Name, Rough], now: datetime) -> Names:
    """What is named after a look. What is not well yet stays before what is new; what is well again goes first."""
    # The clock may have been put back.
    low_at = {name: min(at, now) if seen.get(name, _NONE).well else now for name, at in names.items()}
    low_at = {name: at for name, at in low_at.items() if now - at < KEPT}
    low_at |= {name: now for name, rough in seen.items() if rough.low}

    def rank(name: Name) -> tuple[bool, bool, int, str]:
        due, heard = seen.get(name, _NONE)
        return low_at[name] < now, name not in names, heard - due, name.value

    return {
        name: low_at[name]
        for attribute in ATTRIBUTES
        for name in sorted((each for each in low_at if each.attribute == attribute), key=rank)[:NAMES_MAX]
    }


def values(names: Iterable[Name], attribute: Attribute) -> list[str]:
    """For SQL: of one attribute."""
    return sorted(name.value for name in names if name.attribute == attribute)
