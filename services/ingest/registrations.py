"""The registry's changes, from the event log: a device has its liveness row before it is first heard, and is watched from then."""

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
        async with borrow(self._pool) as connection, connection.transaction():
            taken = await connection.fetch(QUERIES["take_registrations"], self._clock.now(), _BATCH_MAX)
            if taken:
                device_ids = sorted({row["key"] for row in taken})
                await connection.execute(QUERIES["add_models"], device_ids)
                await connection.execute(QUERIES["know_registered"], device_ids)
        return len(taken)
