"""Gauges that count rows, refreshed in the background and not at the scrape; and what keeps the service from being ready."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from contracts.ids import HubId
from services.alerts.metrics import PRIORITIES, WAITING, Metrics
from services.alerts.store import QUERIES
from services.chassis.clock import Clock
from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow

EVERY_S: Final = 2.0
_STANDS: Final = timedelta(seconds=15)
"""Whoever has a session says so each second, for as long as his lease lasts: 14 s."""


@dataclass(frozen=True, slots=True)
class Gauges:
    pool: Pool
    metrics: Metrics
    fallback_hub: HubId | None

    async def run_once(self) -> int:
        """Refresh all. Returns 0: there is never more to do at once."""
        async with borrow(self.pool) as connection:
            rows = await connection.fetch(QUERIES["waiting"])
            councils = await connection.fetch(QUERIES["life_alarm_waits"])
            unroutable = await connection.fetchval(QUERIES["unroutable"])
        counted = {(str(row["priority"]), row["state"]): row for row in rows}
        for priority in PRIORITIES:
            for state in WAITING:
                row = counted.get((priority, state))
                self.metrics.open.labels(priority, state).set(row["alarms"] if row else 0)
        oldest = {priority: row["oldest"] for (priority, state), row in counted.items() if state == "open"}
        self.metrics.oldest_unacknowledged.tell({(priority,): oldest.get(priority) for priority in PRIORITIES})
        self.metrics.life_alarm_waits.tell({(row["council_id"],): row["oldest"] for row in councils})
        self.metrics.unroutable.set(unroutable)
        return 0

    async def check(self) -> str | None:
        """Ready: somebody can be told, and no alarm waits that only an emergency measure could route."""
        async with borrow(self.pool) as connection:
            row = await connection.fetchrow(QUERIES["recipients_exist"], self.fallback_hub)
            unroutable = await connection.fetchval(QUERIES["unroutable"])
        if row is None or not row["anybody"]:
            return "No hub has a verified channel: nobody can be told of an alarm. Register one (PUT /api/v1/hubs/…)."
        if unroutable:
            whom = f"the fallback hub {self.fallback_hub}" if row["fallback"] else "every hub"
            return (
                f"{unroutable} alarm(s) of councils without a usable route were told to {whom}: "
                "set the councils' routing (PUT /api/v1/councils/…/routing)."
            )
        return None


@dataclass(frozen=True, slots=True)
class SessionGauge:
    """MQTT sessions that nobody has, by which hubs and units are heard: what devices send has a watch of its own (`impaired`)."""

    pool: Pool
    clock: Clock
    metrics: Metrics

    async def run_once(self) -> int:
        """Look. Returns 0: there is never more to do at once."""
        async with borrow(self.pool) as connection:
            rows = await connection.fetch(QUERIES["sessions"])
        now = self.clock.now()
        away = {row["shard"]: row["at"] - row["stood_at"] for row in rows}
        self.metrics.session_away.tell(
            {(shard,): None if lasts < _STANDS else now - lasts for shard, lasts in away.items()}
        )
        return 0
