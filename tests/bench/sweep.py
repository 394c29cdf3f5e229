"""The sweep over two million devices: a first pass, the steady ones after it, and how soon whoever fell silent is told of."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import asyncpg

from services.chassis.postgres import Queries
from tests.bench.plan import Plan
from tests.integration.ingest.liveness.watch import Watch, run_watch
from tests.support.servers import DatabaseServer
from tests.support.stack import RealPostgres

_SQL: Final = Queries.beside(__file__)
_SETTINGS: Final = {"shared_buffers": "2GB"}
_TIMEOUT_S: Final = 600
_STEADY: Final = 5
_SILENT_AFTER_S: Final = 601


@dataclass(frozen=True)
class Swept:
    """Seconds. `reference_s`: one bare statement that reads the same pages. `hot`: of heartbeats' updates of rows that settled."""

    devices: int
    reference_s: float
    first_s: float
    steady_s: float
    telling_s: float
    told: int
    hot: float


async def sweep(plan: Plan) -> Swept:
    """On a database of its own, with nothing beside it."""
    server = DatabaseServer(RealPostgres(settings=_SETTINGS))
    server.start()
    try:
        database = await server.create_database()
        async with run_watch(database.url) as watch:
            return await _measure(watch, plan)
    finally:
        server.close()


async def _measure(watch: Watch, plan: Plan) -> Swept:
    database = watch.database
    await database.execute(_SQL["model"])
    await database.execute(_SQL["devices"], plan.swept_devices, watch.clock.now(), timeout=_TIMEOUT_S)
    await _settle(database)
    reference_s = min([await _timed_reference(database) for _ in range(3)])
    first_s, told = await _pass(watch)
    assert told == 0, "nobody has been silent for long enough"
    steady = []
    for _ in range(_STEADY):
        watch.clock.move(seconds=2)
        steady.append((await _pass(watch))[0])
    # All but a thousandth are heard once more, in rows that have room for it.
    watch.clock.move(seconds=_SILENT_AFTER_S)
    before = await _updates(database)
    await database.execute(_SQL["beat"], watch.clock.now(), timeout=_TIMEOUT_S)
    hot = await _hot_since(database, before)
    await _settle(database)
    telling_s, told = await _pass(watch)
    return Swept(plan.swept_devices, reference_s, first_s, sorted(steady)[_STEADY // 2], telling_s, told, hot)


async def _pass(watch: Watch) -> tuple[float, int]:
    """How long, and how many were told of."""
    await watch.database.execute(_SQL["hear"], watch.clock.now())
    started_s = time.perf_counter()
    await watch.sweep.run_once()
    took_s = time.perf_counter() - started_s
    return took_s, len(await watch.told())


async def _timed_reference(database: asyncpg.Connection[asyncpg.Record]) -> float:
    started_s = time.perf_counter()
    await database.fetch(_SQL["reference"], timeout=_TIMEOUT_S)
    return time.perf_counter() - started_s


async def _settle(database: asyncpg.Connection[asyncpg.Record]) -> None:
    await database.execute("vacuum (analyze) ingest.liveness", timeout=_TIMEOUT_S)
    await database.execute("checkpoint", timeout=_TIMEOUT_S)


async def _updates(database: asyncpg.Connection[asyncpg.Record]) -> tuple[int, int]:
    await database.execute("select pg_stat_force_next_flush()")
    row = await database.fetchrow(_SQL["updates"])
    assert row is not None
    return row["updated"], row["hot"]


async def _hot_since(database: asyncpg.Connection[asyncpg.Record], before: tuple[int, int]) -> float:
    updated, hot = await _updates(database)
    return (hot - before[1]) / max(1, updated - before[0])
