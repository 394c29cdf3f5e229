"""Every minute, some pages at each pass: which cells, districts, firmwares and networks are badly heard, and so counted each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from services.chassis.postgres import Connection
from services.ingest.domain.counting import Way
from services.ingest.domain.naming import ATTRIBUTES, Look, Name, Names, named_anew, values
from services.ingest.domain.slices import first_place
from services.ingest.liveness.sql import QUERIES

_AT_ONCE: Final = 2_000
_WHOLE_EVERY: Final = timedelta(minutes=10)
"""So often all devices are looked at. In between those who are missing do, for a fifth of the cost or less."""

_ANOTHER_FLEET: Final = 10
"""Larger or smaller by one in so many."""


@dataclass(slots=True)
class Naming:
    """Of the process that counts. What is named is in the database, with what was counted by it."""

    _names: Names | None = None
    _look: Look = field(default_factory=Look)
    _whole: bool = True
    _whole_at: datetime | None = None  # None: the next is whole
    _devices: int = 0  # then
    _left_out: frozenset[Way] = frozenset()  # then; now, while the look is a whole one

    def forget(self) -> None:
        """Somebody else counts."""
        self._names = self._whole_at = None

    async def by_attribute(self, connection: Connection, now: datetime) -> Sequence[list[str]]:
        """For SQL: the values by which devices are counted, of each attribute."""
        if self._names is None:
            rows = await connection.fetch(QUERIES["names"])
            self._names = {Name(row["attribute"], row["value"]): now for row in rows}
        return [values(self._names, attribute) for attribute in ATTRIBUTES]

    def begin(self, now: datetime) -> None:
        """A look. One that was not ended is none."""
        self._whole = self._whole_at is None or not timedelta(0) <= now - self._whole_at < _WHOLE_EVERY
        self._look = Look({} if self._whole else self._look.due)
        if self._whole:
            self._left_out = frozenset()

    async def go_on(
        self,
        connection: Connection,
        slices: tuple[int, int],
        heard_since: Sequence[datetime | None],
        deaf: AbstractSet[Way],
    ) -> None:
        """Look at some slices, from one to before another, in one statement: each would tell of most cells again.

        `deaf`: of the ways by which their devices are heard those by which none can have been, and which say nothing.
        """
        first, until = slices
        places = first_place(first), first_place(until)
        left_out = [topics for topics, _ in deaf], [model_id for _, model_id in deaf]
        if self._whole:
            self._left_out |= deaf
        rows = await connection.fetch(QUERIES["look_roughly"], *places, heard_since, self._whole, *left_out)
        for number, row in enumerate(rows):
            name = Name(row["attribute"], row["value"])
            if self._whole:
                self._look.add_due(name, row["due"])
            if row["missing"]:
                self._look.add_missing(name, row["missing"])
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)

    def end(self, devices: int, deaf: AbstractSet[Way], now: datetime) -> None:
        """All pages were looked at. `devices` should be heard: are these another fleet than they were, this look says nothing.

        Nor does it if some of them were left out when all were looked at, and can be heard again: nobody knows how many they are.
        """
        if self._whole:
            self._whole_at, self._devices = now, devices
        elif abs(devices - self._devices) * _ANOTHER_FLEET > self._devices or self._left_out - deaf:
            self._whole_at = None
            return
        self._names = named_anew(self._names or {}, self._look.seen(), now)
