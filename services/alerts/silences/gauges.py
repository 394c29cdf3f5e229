"""How many silences last, for Prometheus: refreshed in the background and not at the scrape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.alerts.metrics import Metrics
from services.alerts.silences.store import QUERIES
from services.chassis.clock import Clock
from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow

EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class SilenceGauges:
    pool: Pool
    clock: Clock
    metrics: Metrics

    async def run_once(self) -> int:
        """Refresh all. Returns 0: there is never more to do at once."""
        async with borrow(self.pool) as connection:
            rows = await connection.fetch(QUERIES["active_by_council"], self.clock.now())
        self.metrics.silences({row["council_id"]: row["active"] for row in rows})
        return 0
