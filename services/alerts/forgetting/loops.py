"""Erasure and retention, as loops."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from prometheus_client import Counter

from contracts.vocabulary import LOCATIONS
from services.chassis.clock import Clock
from services.chassis.erasing import EVERY_S, Erasing
from services.chassis.loop import Loop
from services.chassis.postgres import Connection, Pool, Queries
from services.chassis.postgres.borrow import borrow
from services.chassis.service import Runtime

QUERIES = Queries.beside(__file__)

_RETENTION_EVERY_S: Final = 3600.0
_PLACES: Final = sorted(LOCATIONS)
_CANARY_KEPT: Final = timedelta(
    days=7
)  # its tests are worth nothing then; the database keeps them so long, whatever it is told


async def erase(connection: Connection, erasure_id: UUID) -> int:
    """Some of what an erasure asks for, of closed alarms and of outages."""
    contacts = int(await connection.fetchval(QUERIES["erase_contacts"], erasure_id))
    return contacts + int(await connection.fetchval(QUERIES["erase"], erasure_id, _PLACES))


@dataclass(frozen=True, slots=True)
class WordRetention:
    """Of alarms that were closed long ago: what the box said in words, and what operators wrote."""

    pool: Pool
    clock: Clock
    kept: timedelta
    dropped: Counter

    async def run_once(self) -> int:
        """Of some alarms; returns how many, which calls for more at once."""
        async with borrow(self.pool) as connection:
            alarms = int(await connection.fetchval(QUERIES["forget_words"], self.clock.now() - self.kept, _PLACES))
        self.dropped.inc(alarms)
        return alarms


@dataclass(frozen=True, slots=True)
class CanaryRetention:
    """The canary's tests, which are the only alarms that are ever deleted (record 25)."""

    pool: Pool
    clock: Clock

    async def run_once(self) -> int:
        """Some; returns how many rows, which calls for more at once."""
        async with borrow(self.pool) as connection:
            return int(await connection.fetchval(QUERIES["forget_canary"], self.clock.now() - _CANARY_KEPT))


def forgetting_loops(runtime: Runtime, pool: Pool) -> tuple[Loop, ...]:
    """On a pool that no alarm waits for."""
    dropped = Counter(
        "telecare_alerts_forgotten", "Closed alarms whose words were kept long enough.", registry=runtime.metrics
    )
    retention = WordRetention(pool, runtime.clock, timedelta(days=runtime.settings.keep_text_days), dropped)
    return (
        Loop("alerts-erasing", Erasing(pool, runtime.clock, QUERIES, erase).run_once, EVERY_S),
        Loop("alerts-retention", retention.run_once, _RETENTION_EVERY_S),
        Loop("alerts-canary-retention", CanaryRetention(pool, runtime.clock).run_once, _RETENTION_EVERY_S),
    )
