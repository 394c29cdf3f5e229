"""Which hubs have dead channels, for Prometheus: refreshed in the background and not at the scrape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.alerts.metrics import Metrics
from services.alerts.probes.store import QUERIES
from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow

EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class HealthGauges:
    pool: Pool
    metrics: Metrics

    async def run_once(self) -> int:
        """Refresh all. Returns 0: there is never more to do at once."""
        async with borrow(self.pool) as connection:
            rows = await connection.fetch(QUERIES["failing_by_hub"])
        self.metrics.hub_undelivered.tell({(row["hub_id"],): row["waiting_since"] for row in rows})
        self.metrics.channel_failing.tell({(row["hub_id"],): row["failing"] for row in rows})
        return 0
