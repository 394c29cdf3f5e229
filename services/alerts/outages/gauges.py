"""How many outages there are, and of how many devices, for Prometheus: refreshed in the background and not at the scrape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.alerts.metrics import Metrics
from services.alerts.outages.sql import QUERIES
from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow

EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class OutageGauges:
    pool: Pool
    metrics: Metrics

    async def run_once(self) -> int:
        """Refresh all. Returns 0: there is never more to do at once."""
        async with borrow(self.pool) as connection:
            rows = await connection.fetch(QUERIES["gauges"])
        self.metrics.outages_open.set(sum(row["open"] for row in rows))
        for row in rows:
            self.metrics.outage_members.labels(row["condition"]).set(row["members"])
        return 0
