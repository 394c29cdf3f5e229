"""The registry's changes, from the event log: a device has its liveness row before it is first heard."""

from services.chassis.clock import Clock
from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow
from services.ingest.sql import QUERIES

STREAM = "devices"
_BATCH_MAX = 500


class Registrations:
    """`take` is a loop's `run_once`."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def take(self) -> int:
        """Take some changes off the log, and return how many; what they led to is in the same transaction."""
        async with borrow(self._pool) as connection:
            taken: int = await connection.fetchval(QUERIES["take_registrations"], self._clock.now(), _BATCH_MAX)
        return taken
