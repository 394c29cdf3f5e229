"""Ingest's watch over the devices: a real database, a clock that the test moves, and each pass called by hand."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from prometheus_client import CollectorRegistry

from contracts.condition import ConditionChange
from services.chassis.postgres import Pool
from services.chassis.postgres.pool import open_pool
from services.ingest.heartbeat_store import HeartbeatStore
from services.ingest.liveness.sweep import Sweep
from services.ingest.metrics import LivenessMetrics
from services.ingest.registrations import Registrations
from tests.integration.ingest.liveness.beats import Beats

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


class MovedClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self._now = NOW

    def now(self) -> datetime:
        return self._now

    def move(self, **by: float) -> None:
        self._now += timedelta(**by)


class Watch:
    """One installation's ingest, as far as it watches; `database` sees it from outside."""

    def __init__(self, pool: Pool, database: asyncpg.Connection[asyncpg.Record]) -> None:
        self.clock = MovedClock()
        self.pool = pool
        self.database = database
        self.metrics = CollectorRegistry()
        self.sweep = self.sweeper(self.metrics)
        self.beats = Beats(HeartbeatStore(pool), self.clock)

    def sweeper(self, metrics: CollectorRegistry | None = None) -> Sweep:
        """Of another process."""
        return Sweep(self.pool, self.clock, uuid.uuid4().hex, LivenessMetrics(metrics or CollectorRegistry()))

    async def register(self, *device_ids: str, stage: str = "live", model: str = "Careline 3", **more: Any) -> None:
        """Put devices on the register, and have ingest told."""
        for device_id in device_ids:
            await self.database.execute(
                "insert into registry.device (device_id, council_id, serial, model, stage, registered_at, changed_at, "
                "postcode_district, sim_operator) values ($1, $2, $1, $3, $4, $5, $5, 'G12', '23410')",
                *(device_id, more.get("council_id", "glasgow-city"), model, stage, self.clock.now()),
            )
            await self.database.execute(
                "insert into chassis.event_log (stream, key, urgency, body, created_at, not_before) "
                "values ('devices', $1, 5, '{}', $2, $2)",
                *(device_id, self.clock.now()),
            )
        await self.learn()

    async def change(self, device_id: str, **columns: Any) -> None:
        """As the registry changes a device."""
        for column, value in columns.items():
            await self.database.execute(
                f"update registry.device set {column} = $2, changed_at = $3 where device_id = $1",
                *(device_id, value, self.clock.now()),
            )
        await self.learn()

    async def learn(self) -> None:
        """Ingest takes what the registry told."""
        while await Registrations(self.pool, self.clock).take():
            pass

    async def model(
        self, model: str, interval_s: int = 60, late_after: int = 3, silent_s: int = 600, **more: Any
    ) -> None:
        """Write down what a model promises, instead of what was there."""
        await self.database.execute("delete from registry.device_model where lower(model) = lower($1)", model)
        await self.database.execute(
            "insert into registry.device_model (model, heartbeat_interval_s, late_after_missed, silent_after_s, "
            "battery_hours, signal_dbm_min, changed_at, changed_by) values ($1, $2, $3, $4, $5, $6, $7, 'test')",
            *(model, interval_s, late_after, silent_s, more.get("battery_hours"), more.get("signal_dbm_min")),
            self.clock.now(),
        )

    async def hear(self, *device_ids: str, **readings: Any) -> None:
        """A heartbeat of each comes in."""
        await self.beats.send(device_ids, **readings)

    async def look(self, sweep: Sweep | None = None) -> list[ConditionChange]:
        """A pass while we hear; what alerts is told for it, in order. Handled by nobody, so that it is told once."""
        await self.database.execute(
            "update chassis.shard set heard_until = $1 where service = 'ingest'", self.clock.now()
        )
        await (sweep or self.sweep).run_once()
        return await self.told()

    async def told(self) -> list[ConditionChange]:
        """What is in the log for alerts; taken off."""
        rows = await self.database.fetch(
            "with taken as (delete from chassis.event_log where stream = 'conditions' returning event_log_id, body) "
            "select body::text from taken order by event_log_id"
        )
        return [ConditionChange.from_json(row["body"]) for row in rows]

    async def deaf(self, *, lasted_s: float, shard: str = "heartbeats-0") -> None:
        """Until now we could not hear, for so long."""
        now = self.clock.now()
        await self.database.execute(
            "insert into chassis.hearing_lapse (shard, started_at, ended_at, reason) values ($1, $2, $3, 'test')",
            *(shard, now - timedelta(seconds=lasted_s), now),
        )

    async def row(self, device_id: str) -> asyncpg.Record:
        """What is known of a device."""
        [row] = await self.database.fetch("select * from ingest.liveness where device_id = $1", device_id)
        return row

    async def silent(self) -> set[str]:
        """Who is."""
        rows = await self.database.fetch("select device_id from ingest.liveness where silent")
        return {row["device_id"] for row in rows}


@asynccontextmanager
async def run_watch(database_url: str) -> AsyncIterator[Watch]:
    pool = await open_pool(database_url, role="telecare_ingest", name="test")
    database = await asyncpg.connect(database_url)
    try:
        yield Watch(pool, database)
    finally:
        await database.close()
        pool.terminate()
