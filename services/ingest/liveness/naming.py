"""Every minute, some pages at each pass: which cells, districts, firmwares and networks are badly heard, and so counted each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.chassis.postgres import Connection
from services.ingest.domain.naming import ATTRIBUTES, Look, Name, Names, named_anew, values
from services.ingest.domain.slices import first_place
from services.ingest.liveness.sql import QUERIES

_AT_ONCE: Final = 2_000


@dataclass(slots=True)
class Naming:
    """Of the process that counts. What is named is in the database, with what was counted by it."""

    _names: Names | None = None
    _look: Look = field(default_factory=Look)

    def forget(self) -> None:
        """Somebody else counts."""
        self._names = None

    async def by_attribute(self, connection: Connection, now: datetime) -> Sequence[list[str]]:
        """For SQL: the values by which devices are counted, of each attribute."""
        if self._names is None:
            rows = await connection.fetch(QUERIES["names"])
            self._names = {Name(row["attribute"], row["value"]): now for row in rows}
        return [values(self._names, attribute) for attribute in ATTRIBUTES]

    def begin(self) -> None:
        """A look."""
        self._look = Look()

    async def go_on(
        self, connection: Connection, first: int, until: int, heard_since: Sequence[datetime | None]
    ) -> None:
        """Look at some slices, in one statement: each would tell of most cells again."""
        rows = await connection.fetch(QUERIES["look_roughly"], first_place(first), first_place(until), heard_since)
        for number, row in enumerate(rows):
            self._look.add(Name(row["attribute"], row["value"]), row["due"], row["heard"])
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)

    def end(self, now: datetime) -> None:
        """All pages were looked at."""
        self._names = named_anew(self._names or {}, self._look.seen, now)
        self._look = Look()
