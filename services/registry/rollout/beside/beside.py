"""Counts what stands beside the rollout every half minute, in whichever process is first."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from services.chassis.clock import Clock
from services.chassis.postgres import Pool, Queries
from services.chassis.postgres.borrow import borrow

_QUERIES = Queries.beside(__file__)

EVERY_S: Final = 30.0
_FRESH: Final = timedelta(seconds=EVERY_S / 2)


class Beside:
    """For a loop."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def run_once(self) -> int:
        """Count, unless another process just has. There is nothing to go on with."""
        now = self._clock.now()
        async with borrow(self._pool) as connection, connection.transaction():
            if await connection.fetchval(_QUERIES["is_ours"], now - _FRESH):
                await connection.execute(_QUERIES["count"], now)
        return 0
