"""Councils in the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from services.chassis.postgres import Connection, Pool, Queries
from services.chassis.postgres.borrow import borrow

_QUERIES = Queries.beside(__file__)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a council tells of its telecare, from which source, as of which day. `target`: live devices by `target_date`."""

    telecare_users: int | None = None
    analogue_units: int | None = None
    target: int | None = None
    target_date: date | None = None
    source: str | None = None
    as_of: date | None = None
    # Of a figure that comes from elsewhere, or is of another day, than the others: {"telecare_users": {"source": …, "as_of": …}}
    sources: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Council:
    """A council, with the hubs that take its alarms in the order in which they are told."""

    council_id: str
    name: str
    telecare_users: int | None
    analogue_units: int | None
    target: int | None
    target_date: date | None
    source: str | None
    as_of: date | None
    sources: dict[str, dict[str, str | None]]
    hubs: list[str]


class CouncilStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(self, after_id: str | None, limit: int) -> list[Council]:
        """The councils whose ids follow `after_id`, in order."""
        async with borrow(self._pool) as connection:
            rows = await connection.fetch(_QUERIES["councils_page"], after_id, limit)
        return [Council(**row) for row in rows]

    async def get(self, council_id: str) -> Council | None:
        async with borrow(self._pool) as connection:
            return await _get(connection, council_id)

    async def put(self, council_id: str, facts: Facts) -> Council | None:
        """Replace what the council tells; None when there is no such council."""
        async with borrow(self._pool) as connection, connection.transaction():
            await connection.execute(
                _QUERIES["put_council"],
                council_id,
                facts.telecare_users,
                facts.analogue_units,
                facts.target,
                facts.target_date,
                facts.source,
                facts.as_of,
                facts.sources,
            )
            return await _get(connection, council_id)


async def _get(connection: Connection, council_id: str) -> Council | None:
    row = await connection.fetchrow(_QUERIES["council"], council_id)
    return None if row is None else Council(**row)
