"""How many live devices are silent, for Prometheus. (Which ones, and what to do about it, is for alerts.)"""

from datetime import timedelta

from services.chassis.clock import Clock
from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow
from services.ingest.metrics import Metrics
from services.ingest.sql import QUERIES

SILENT_AFTER = timedelta(minutes=10)
REFRESH_EVERY_S = 10.0


class SilenceGauge:
    """`refresh` is a loop's `run_once`."""

    def __init__(self, pool: Pool, clock: Clock, metrics: Metrics) -> None:
        self._pool = pool
        self._clock = clock
        self._metrics = metrics

    async def refresh(self) -> int:
        """Count them."""
        async with borrow(self._pool) as connection:
            rows = await connection.fetch(QUERIES["silent_devices"], self._clock.now() - SILENT_AFTER)
        self._metrics.silent({row["council_id"]: row["silent"] for row in rows})
        return 0
