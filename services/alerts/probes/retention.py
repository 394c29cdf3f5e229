"""Probes are many, and worth nothing a week later; with them go the codes that verified channels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from services.alerts.probes.store import QUERIES
from services.chassis.clock import Clock
from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow

EVERY_S: Final = 3600.0
KEPT_FOR: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class ProbeRetention:
    pool: Pool
    clock: Clock

    async def run_once(self) -> int:
        """Forget some that are older than a week. Returns how many: again at once, until there are none."""
        async with borrow(self.pool) as connection:
            forgotten: int = await connection.fetchval(QUERIES["forget_probes"], self.clock.now() - KEPT_FOR)
        return forgotten
