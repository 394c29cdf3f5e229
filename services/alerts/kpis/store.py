"""A month's figures, counted by the database from what happened and stays as it happened (`alerts.transition`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from asyncpg import Record

from services.alerts.domain.kpis import PERCENTILES, TARGETS, Excluded, Figures, Group, Month, Report
from services.alerts.http.asker import Scope
from services.chassis.postgres import Connection, Queries

QUERIES = Queries.beside(__file__)


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


async def read_names(connection: Connection) -> dict[tuple[str, str], str]:
    """What people call each council and hub, by `("council", council_id)` or `("hub", hub_id)`."""
    return {(row["dimension"], row["key"]): row["name"] for row in await connection.fetch(QUERIES["names"])}


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
