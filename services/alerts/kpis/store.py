"""A month's figures, counted by the database from what happened and stays as it happened (`alerts.transition`)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from asyncpg import Record

from services.alerts.domain.kpis import PERCENTILES, TARGETS, Excluded, Figures, Group, Month, Report
from services.alerts.http.asker import Scope
from services.chassis.postgres import Connection, Pool, Queries
from services.chassis.postgres.borrow import borrow

QUERIES = Queries.beside(__file__)

_WITHIN_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Months:
    """One month is counted at a time: a country's takes seconds, and its connections are those that show alarms to operators."""

    pool: Pool
    _one: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def read(self, month: Month, scope: Scope, now: datetime) -> Report:
        """As `read_month`. TimeoutError when there is too much of a queue."""
        async with asyncio.timeout(_WITHIN_S), self._one, borrow(self.pool) as connection:
            return await read_month(connection, month, scope, now)

    async def names(self) -> dict[tuple[str, str], str]:
        """What people call each council and hub, by `("council", council_id)` or `("hub", hub_id)`."""
        async with borrow(self.pool) as connection:
            rows = await connection.fetch(QUERIES["names"])
        return {(row["dimension"], row["key"]): row["name"] for row in rows}


async def read_month(connection: Connection, month: Month, scope: Scope, now: datetime) -> Report:
    """The calls of `month` that are the asker's business, as they stand at `now`."""
    first, last = TARGETS
    async with connection.transaction(readonly=True):
        await connection.execute(QUERIES["interpreted"])
        rows = await connection.fetch(
            QUERIES["kpis"],
            *(month.begins, month.ends, now, scope.hub, scope.councils),
            *(first.within_s, last.within_s, list(PERCENTILES.values())),
        )
    (everything,) = (row for row in rows if row["dimension"] == "all")
    return Report(
        month=month,
        as_of=now,
        total=_figures(everything),
        councils=_groups(rows, "council"),
        hubs=_groups(rows, "hub"),
        priorities=_groups(rows, "priority"),
        excluded=Excluded(
            tests=everything["tests"],
            repeats=everything["repeats"],
            priority_3=everything["priority_3"],
            priority_4=everything["priority_4"],
            priority_5=everything["priority_5"],
        ),
    )


def _groups(rows: Sequence[Record], dimension: str) -> tuple[Group, ...]:
    return tuple(Group(row["key"], _figures(row)) for row in rows if row["dimension"] == dimension)


def _figures(row: Record) -> Figures:
    return Figures.of(
        within=(row["within_first"], row["within_last"]),
        answered=row["answered"],
        not_answered=row["not_answered"],
        waiting=row["waits"] - row["answered"] - row["not_answered"],
        percentiles_s=row["percentiles_s"],
    )
