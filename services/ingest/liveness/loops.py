"""The room as its service has it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.chassis.loop import Loop
from services.chassis.postgres import Pool, is_transient
from services.chassis.postgres.borrow import borrow
from services.chassis.service import Runtime
from services.ingest.liveness.counting import STALE_AFTER
from services.ingest.liveness.sql import QUERIES
from services.ingest.liveness.sweep import EVERY_S, Sweep
from services.ingest.metrics import LivenessMetrics

_REST_S: Final = 0.25
_GAUGES_EVERY_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Liveness:
    """Its loops, and how it lets go."""

    sweep: Sweep
    loops: tuple[Loop, ...]

    async def let_go(self) -> None:
        """Another process may sweep at once. A database that is away is told nothing: the lease lapses."""
        try:
            await self.sweep.release()
        except Exception as error:
            if not is_transient(error):
                raise


def liveness(runtime: Runtime, pool: Pool, metrics: LivenessMetrics) -> Liveness:
    sweep = Sweep(pool, runtime.clock, runtime.instance, metrics)

    async def gauges() -> int:
        await read_gauges(pool, metrics, runtime.clock.now())
        return 0

    return Liveness(
        sweep,
        (
            Passes(sweep).loop,
            Loop("silent-devices", gauges, _GAUGES_EVERY_S),
        ),
    )


@dataclass(slots=True)
class Passes:
    """They begin `EVERY_S` apart however long each takes, for a silence may wait for two; but the database has its rest."""

    sweep: Sweep
    loop: Loop = field(init=False)

    def __post_init__(self) -> None:
        self.loop = Loop("liveness", self.run_once, EVERY_S)

    async def run_once(self) -> int:
        started_s = time.monotonic()
        try:
            return await self.sweep.run_once()
        finally:
            self.loop.every_s = max(_REST_S, EVERY_S - (time.monotonic() - started_s))


async def read_gauges(pool: Pool, metrics: LivenessMetrics, now: datetime) -> None:
    """What the database has of silence, and of who is heard: every process tells the same."""
    async with borrow(pool) as connection:
        silent = await connection.fetch(QUERIES["silent_by_council"])
        late = await connection.fetch(QUERIES["late_by_council"])
        heard = await connection.fetch(QUERIES["hearing_by_shard"], now - STALE_AFTER)
        named = await connection.fetch(QUERIES["named_by_attribute"], now - STALE_AFTER)
    metrics.silent({row["council_id"]: row["silent"] for row in silent})
    metrics.late({row["council_id"]: row["late"] for row in late})
    metrics.hears({row["shard"]: row["heard"] / row["expected"] if row["expected"] else None for row in heard})
    metrics.named({row["attribute"]: row["named"] for row in named})
