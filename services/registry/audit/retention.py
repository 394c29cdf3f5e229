"""Rows of the audit log that are old enough; never one that is younger than a year, which the database itself sees to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from prometheus_client import Counter

from services.chassis.clock import Clock
from services.chassis.loop import Loop
from services.chassis.postgres import Pool, Queries
from services.chassis.postgres.borrow import borrow
from services.chassis.service import Runtime

_QUERIES = Queries.beside(__file__)
_EVERY_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class AuditRetention:
    pool: Pool
    clock: Clock
    kept: timedelta
    dropped: Counter

    async def run_once(self) -> int:
        """Some; returns how many, which calls for more at once."""
        async with borrow(self.pool) as connection:
            rows = int(await connection.fetchval(_QUERIES["forget_audit"], self.clock.now() - self.kept))
        self.dropped.inc(rows)
        return rows


def audit_retention_loop(runtime: Runtime, pool: Pool) -> Loop:
    dropped = Counter("telecare_audit_log_forgotten", "Rows that were kept long enough.", registry=runtime.metrics)
    kept = timedelta(days=runtime.settings.keep_audit_days)
    return Loop("audit-retention", AuditRetention(pool, runtime.clock, kept, dropped).run_once, _EVERY_S)
