"""How soon people answered: the TSA's figures, by calendar months of Scotland.

A *wait* is one period in which an alarm of priority 1 or 2 waits for a person: from when it was raised, re-opened, released or
rose to that priority, until somebody acknowledged it, or closed it without. Each is a call of its own, of the month in which
it began. One that goes on counts once it has lasted longer than the last target allows: no answer is in time from then on.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, Self

from contracts.rota import LONDON

PERCENTILES: Final[Mapping[str, float]] = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1.0}
"""Nearest rank: each is the time of a call that happened."""

_MONTH: Final = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Target:
    """So many of a thousand calls answered within so many seconds."""

    within_s: int
    per_mille: int

    def met(self, answered: int, calls: int) -> bool | None:
        """Counted in whole calls, so that 97.5 % is 97.5 %; None when there was none."""
        return answered * 1000 >= calls * self.per_mille if calls else None


TARGETS: Final = (Target(60, 975), Target(180, 990))
"""Alarm calls answered (TSA): 97.5 % within 60 s, 99 % within 180 s."""


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month by the clocks of Scotland."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """From `2026-11`; None when it is nothing of the kind."""
        found = _MONTH.fullmatch(text)
        return cls(int(found[1]), int(found[2])) if found else None

    @classmethod
    def of(cls, now: datetime) -> Self:
        """The month that `now` is in."""
        local = now.astimezone(LONDON)
        return cls(local.year, local.month)

    @property
    def begins(self) -> datetime:
        """Its first instant, in UTC."""
        return datetime(self.year, self.number, 1, tzinfo=LONDON).astimezone(UTC)

    @property
    def ends(self) -> datetime:
        """The first instant of the next one, in UTC."""
        return self.next.begins

    @property
    def next(self) -> Self:
        return type(self)(self.year + self.number // 12, self.number % 12 + 1)

    @property
    def previous(self) -> Self:
        return type(self)(self.year - (self.number == 1), (self.number - 2) % 12 + 1)

    @property
    def name(self) -> str:
        """As people write it: November 2026."""
        return f"{date(self.year, self.number, 1):%B %Y}"

    def __str__(self) -> str:
        return f"{self.year}-{self.number:02}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Within:
    """How many calls were answered within a target's seconds. `share` and `met` are None when there was no call."""

    within_s: int
    target: float
    answered: int
    share: float | None
    met: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is told of some calls.

    `calls` = answered, soon or late, + `not_answered`, which wait for longer than the last target. `waiting` are not counted yet.
    `percentiles_s`: seconds from when a call began to wait to when it was answered; None of none.
    """

    calls: int
    answered: int
    not_answered: int
    waiting: int
    within: tuple[Within, ...]
    percentiles_s: Mapping[str, float | None]

    @classmethod
    def of(
        cls,
        *,
        within: Sequence[int],
        answered: int,
        not_answered: int,
        waiting: int,
        percentiles_s: Sequence[float] | None,
    ) -> Self:
        """From counts: `within` as `TARGETS`, `percentiles_s` as `PERCENTILES`."""
        calls = answered + not_answered
        measured = (
            Within(
                within_s=target.within_s,
                target=target.per_mille / 1000,
                answered=count,
                share=count / calls if calls else None,
                met=target.met(count, calls),
            )
            for target, count in zip(TARGETS, within, strict=True)
        )
        seconds = [None] * len(PERCENTILES) if percentiles_s is None else [round(each, 3) for each in percentiles_s]
        return cls(
            calls=calls,
            answered=answered,
            not_answered=not_answered,
            waiting=waiting,
            within=tuple(measured),
            percentiles_s=dict(zip(PERCENTILES, seconds, strict=True)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Excluded:
    """What happened in the month and is no call.

    Repeats are events that joined an alarm which waited already, or whose person still has it; alarms count by the priority
    at which they began to wait (5: they never did).
    """

    tests: int
    repeats: int
    priority_3: int
    priority_4: int
    priority_5: int


@dataclass(frozen=True, slots=True)
class Group:
    """The figures of a council, a hub or a priority. `key` is empty where nobody knows the council, or no hub was told."""

    key: str
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A month, as far as it has come."""

    month: Month
    as_of: datetime
    total: Figures
    councils: tuple[Group, ...]
    hubs: tuple[Group, ...]
    priorities: tuple[Group, ...]
    excluded: Excluded

    @property
    def complete(self) -> bool:
        """Nothing can change any more: the month is over, and so are all waits that began in it."""
        return self.as_of >= self.month.ends and self.total.waiting == 0
