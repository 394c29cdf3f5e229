"""What the engineer's pages look up."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.chassis.postgres import Pool, Queries
from services.chassis.postgres.borrow import borrow

_QUERIES = Queries.beside(__file__)


@dataclass(frozen=True, slots=True)
class AtWork:
    """A device that is on its way to be live."""

    device_id: str
    serial: str
    model: str
    council_id: str
    stage: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Labelled:
    device_id: str
    serial: str
    model: str
    council_id: str


def _within(councils: Collection[str] | None) -> list[str] | None:
    return None if councils is None else list(councils)


@dataclass(frozen=True, slots=True)
class EngineerStore:
    pool: Pool

    async def device_of(self, text: str) -> str | None:
        """The id of the device with this id or serial."""
        async with borrow(self.pool) as connection:
            found: str | None = await connection.fetchval(_QUERIES["device_of"], text)
        return found

    async def at_work(self, councils: Collection[str] | None) -> list[AtWork]:
        async with borrow(self.pool) as connection:
            return [AtWork(**row) for row in await connection.fetch(_QUERIES["at_work"], _within(councils))]

    async def councils(self, councils: Collection[str] | None) -> dict[str, str]:
        """Names by id, in order."""
        async with borrow(self.pool) as connection:
            rows = await connection.fetch(_QUERIES["councils"], _within(councils))
        return {row["council_id"]: row["name"] for row in rows}

    async def models(self) -> list[str]:
        async with borrow(self.pool) as connection:
            return [row["model"] for row in await connection.fetch(_QUERIES["models"])]

    async def labelled(self, device_ids: Sequence[str], councils: Collection[str] | None) -> list[Labelled]:
        """Those of these devices that are in these councils, in the order asked for."""
        async with borrow(self.pool) as connection:
            rows = await connection.fetch(_QUERIES["labelled"], list(device_ids), _within(councils))
        return [Labelled(**row) for row in rows]
