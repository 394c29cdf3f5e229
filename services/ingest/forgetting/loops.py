"""Erasure and retention, as loops."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter

from contracts.vocabulary import LOCATIONS
from services.chassis.clock import Clock
from services.chassis.erasing import EVERY_S, Erasing
from services.chassis.loop import Loop
from services.chassis.postgres import Connection, Pool, Queries
from services.chassis.postgres.borrow import borrow
from services.chassis.service import Runtime

QUERIES = Queries.beside(__file__)

_RETENTION_EVERY_S: Final = 3600.0
_HEARTBEATS_MAX: Final = 5_000
_CANARY_KEPT: Final = timedelta(days=7)  # as alerts keeps its alarms
_PLACES: Final = sorted(LOCATIONS)
# Before this, `at` is where the heartbeats of an absurd clock are filed, and no time.
_ABSURD_UNTIL: Final = datetime(2001, 1, 1, tzinfo=UTC)


async def erase(connection: Connection, erasure_id: UUID) -> int:
    """Some of what an erasure asks for."""
    events = await connection.fetch(QUERIES["erase_events"], erasure_id, _PLACES)
    return len(events) + len(await connection.fetch(QUERIES["erase_quarantine"], erasure_id))


@dataclass(frozen=True, slots=True)
class Retention:
    """Heartbeats by whole chunks; texts, quarantined bytes and the canary's presses some at a time."""

    pool: Pool
    clock: Clock
    heartbeats: timedelta
    texts: timedelta
    dropped: Counter

    async def run_once(self) -> int:
        """Forget some; returns how many rows, which calls for more at once."""
        now = self.clock.now()
        rows = 0
        async with borrow(self.pool) as connection:
            rows += await self._heartbeats(connection, now - self.heartbeats)
            for what, query in (("text", "forget_texts"), ("quarantine", "forget_quarantine")):
                arguments = (now - self.texts, _PLACES) if what == "text" else (now - self.texts,)
                forgotten = len(await connection.fetch(QUERIES[query], *arguments))
                self.dropped.labels(what).inc(forgotten)
                rows += forgotten
            presses = len(await connection.fetch(QUERIES["forget_canary"], now - _CANARY_KEPT))
            self.dropped.labels("canary").inc(presses)
            rows += presses
        return rows

    async def _heartbeats(self, connection: Connection, before: datetime) -> int:
        chunks = await connection.fetchval(QUERIES["drop_heartbeats"], before)
        self.dropped.labels("heartbeat_chunk").inc(chunks or 0)
        until = before if chunks is None else _ABSURD_UNTIL
        rows = len(await connection.fetch(QUERIES["delete_heartbeats"], until, before, _HEARTBEATS_MAX))
        self.dropped.labels("heartbeat").inc(rows)
        return rows


def dropped_counter(registry: CollectorRegistry) -> Counter:
    """What went by its age; a chunk is a day of heartbeats."""
    counter = Counter("telecare_ingest_forgotten", "What was kept long enough, by kind.", ("what",), registry=registry)
    for what in ("heartbeat_chunk", "heartbeat", "text", "quarantine", "canary"):
        counter.labels(what)
    return counter


def forgetting_loops(runtime: Runtime, pool: Pool) -> tuple[Loop, ...]:
    settings = runtime.settings
    retention = Retention(
        pool,
        runtime.clock,
        timedelta(days=settings.keep_heartbeats_days),
        timedelta(days=settings.keep_text_days),
        dropped_counter(runtime.metrics),
    )
    erasing = Erasing(pool, runtime.clock, QUERIES, erase)
    return (
        Loop("ingest-erasing", erasing.run_once, EVERY_S),
        Loop("ingest-retention", retention.run_once, _RETENTION_EVERY_S),
    )
