"""Which pages of liveness must be looked at, and which can wait: what a sweep remembers from one pass to the next. Pure.

A heartbeat only ever moves a silence on. So where nobody can be due before some instant, nobody is looked at until then; unless
something else became different, and then all of it is forgotten. What is remembered is never stored: whoever begins, looks at all.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

PAGES: Final = 512
"""Of 8 KiB, half full: some 11,000 devices, looked at in some milliseconds."""


@dataclass(slots=True)
class Slices:
    """Slice `n` is the pages from `n * PAGES` on."""

    _next_at: dict[int, datetime] = field(default_factory=dict)
    _as_it_was: Hashable = None
    _looked_at: datetime | None = None

    def begin(self, now: datetime, as_it_is: Hashable) -> None:
        """A pass. `as_it_is`: whatever may bring a silence nearer, but for time. So does a clock that is put back."""
        if as_it_is != self._as_it_was or (self._looked_at is not None and now < self._looked_at):
            self._next_at.clear()
        self._as_it_was, self._looked_at = as_it_is, now

    def due(self, pages: int, now: datetime) -> Iterator[int]:
        """Those to look at, of a table of so many pages. The last ones may be filling just now."""
        for number in range(-(-pages // PAGES)):
            next_at = self._next_at.get(number)
            if next_at is None or next_at <= now:
                yield number

    def looked(self, number: int, next_at: datetime) -> None:
        """Nobody in it is due before `next_at`."""
        self._next_at[number] = next_at

    def forget(self) -> None:
        """Look at all of it again."""
        self._next_at.clear()


def first_place(number: int) -> tuple[int, int]:
    """Where a slice begins, as PostgreSQL's ctid (page, row from 1 on)."""
    return number * PAGES, 0
