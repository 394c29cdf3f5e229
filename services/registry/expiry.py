"""What is needed no more is kept no longer: secrets that were replaced, codes and claims that have expired."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from services.chassis.clock import Clock
from services.chassis.postgres import Pool, Queries
from services.chassis.postgres.borrow import borrow
from services.registry.domain.verification import SENDS_WITHIN
from services.registry.identity.claims import QUERIES as CLAIMS

_QUERIES = Queries.beside(__file__)

_UNUSED_KEPT: Final = timedelta(days=1)  # whoever comes late is told that it has expired, and not that there is none
_USED_KEPT: Final = timedelta(days=30)


class Expiry:
    """For a loop; how often is of no matter, for nothing that has expired counts anywhere."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def run_once(self) -> int:
        """Forget what has expired. There is nothing to go on with."""
        now = self._clock.now()
        async with borrow(self._pool) as connection:
            await connection.execute(_QUERIES["forget_secrets"], now)
            await connection.execute(_QUERIES["forget_codes"], now, SENDS_WITHIN)
            await connection.execute(CLAIMS["forget_claims"], now - _UNUSED_KEPT, now - _USED_KEPT)
        return 0
