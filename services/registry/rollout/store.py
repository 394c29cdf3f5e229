"""The figures of the rollout, counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from asyncpg import Record

from services.chassis.postgres import Pool, Queries
from services.chassis.postgres.borrow import borrow
from services.registry.domain.rollout import CouncilRollout, Rollout, by_stage, country

_QUERIES = Queries.beside(__file__)


class RolloutStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self) -> Rollout:
        """All councils' devices by stage, as they are now."""
        async with borrow(self._pool) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            rows = await connection.fetch(_QUERIES["counts"])
            councils = await connection.fetch(_QUERIES["councils"])
        counts = defaultdict[str, dict[str, int]](dict)
        for row in rows:
            counts[row["council_id"]][row["stage"]] = row["devices"]
        return country([_council(row, counts[row["council_id"]]) for row in councils])


def _council(row: Record, counts: Mapping[str, int]) -> CouncilRollout:
    stages = by_stage(counts)
    return CouncilRollout(**row, live=stages["live"], devices=sum(stages.values()), stages=stages)
