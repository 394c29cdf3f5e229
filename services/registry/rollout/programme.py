"""What the programme aims at, and has aimed at before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from services.chassis.postgres import Connection, Pool, Queries
from services.chassis.postgres.borrow import borrow
from services.registry.domain.rollout import Aim

_QUERIES = Queries.beside(__file__)


class ProgrammeStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def history(self) -> Sequence[Aim]:
        """All that was aimed at, the newest, which is in force, first (500 at most)."""
        async with borrow(self._pool) as connection:
            return await _history(connection)

    async def aim(
        self, target: int, target_date: date | None, source: str | None, *, actor: str, now: datetime
    ) -> Sequence[Aim]:
        """Aim at this from now on; the same again changes nothing."""
        wanted = (target, target_date, source)
        async with borrow(self._pool) as connection, connection.transaction():
            await connection.execute(_QUERIES["one_aim_at_a_time"])
            present = (await _history(connection))[0]
            if (present.target, present.target_date, present.source) != wanted:
                await connection.execute(_QUERIES["set_programme"], *wanted, now, actor)
            return await _history(connection)


async def _history(connection: Connection) -> Sequence[Aim]:
    return [Aim(**row) for row in await connection.fetch(_QUERIES["programme_history"])]
