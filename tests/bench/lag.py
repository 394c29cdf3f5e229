"""How long a silence goes untold when a quarter of two million devices die: each at its own deadline, or all at one instant.

In life each reports at its own phase, so deadlines lie evenly within a stretch, and over all pages. Heartbeats of others are stored
meanwhile, and what is told is taken off the log at once, as alerts takes it. A lag is counted from the deadline to the taking.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import psutil
from prometheus_client import CollectorRegistry

from services.chassis.postgres import Queries
from services.ingest.heartbeat_store import HeartbeatStore
from services.ingest.liveness.loops import Passes
from services.ingest.liveness.sweep import Sweep
from services.ingest.metrics import LivenessMetrics
from tests.bench.meter import Meter
from tests.bench.plan import Plan
from tests.integration.ingest.liveness.beats import Beats
from tests.integration.ingest.liveness.watch import Watch, run_watch
from tests.support.servers import DatabaseServer
from tests.support.stack import RealPostgres

_SQL: Final = Queries.beside(__file__)
_SETTINGS: Final = {"shared_buffers": "2GB"}
_TIMEOUT_S: Final = 600
_GIVE_UP_S: Final = 300.0  # after the last deadline
_SILENT_AFTER_S: Final = 7200  # so long that nobody else is due while all this is measured
_BEFORE_S: Final = 5.0  # the sweep has looked at all of it before the first is due
_LATER: Final = timedelta(minutes=10)  # the next stretch, by the clock, which is moved when the server has settled
_TAKEN_MAX: Final = 2_000
_TAKE_EVERY_S: Final = 0.1
_BEATS_AT_ONCE: Final = 500
_BEATERS: Final = 20_000
_QUARTER: Final = (0.75, 1.0)  # of the fleet, by a hash of the id
_BARE: Final = (0.65, 0.75)  # of whom none dies


class _Clock:
    """Goes on by itself, and is moved between stretches, so that they need not be waited for."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def move_to(self, at: datetime) -> None:
        self._ahead = at - datetime.now(UTC)


@dataclass(frozen=True)
class _House:
    watch: Watch
    plan: Plan
    clock: _Clock


@dataclass(frozen=True)
class Stretch:
    """`lags_s`: from a deadline to when it was told of. `per_s`: deadlines; None: all at one instant. `beats_per_s`: stored."""

    per_s: int | None
    devices: int
    lags_s: Sequence[float]
    beats_per_s: float
    cpu_us: float  # a device, passes and heartbeats in it: of the process, and of the server

    def percentile(self, share: float) -> float:
        """In order of the lag."""
        return self.lags_s[min(len(self.lags_s) - 1, int(share * len(self.lags_s)))]

    @property
    def max_s(self) -> float:
        return self.lags_s[-1]

    @property
    def missed(self) -> int:
        return self.devices - len(self.lags_s)


@dataclass(frozen=True)
class Lag:
    """`bare_us`: of one bare statement that marks devices silent and logs it, a device."""

    devices: int
    stretches: Sequence[Stretch]
    at_once: Stretch
    bare_us: float

    @property
    def at_once_us(self) -> float:
        """A verdict."""
        return self.at_once.max_s / self.at_once.devices * 1e6

    @property
    def ratio(self) -> float:
        """How many times the bare statement's time."""
        return self.at_once_us / self.bare_us


async def lag(plan: Plan, say: Callable[[str], None]) -> Lag:
    """On a database of its own."""
    server = DatabaseServer(RealPostgres(settings=_SETTINGS))
    server.start()
    try:
        database = await server.create_database()
        async with run_watch(database.url) as watch:
            house = _House(watch, plan, _Clock())
            await watch.model("Careline 3", silent_s=_SILENT_AFTER_S)
            await watch.database.execute(_SQL["model"])
            await watch.database.execute(_SQL["devices"], plan.swept_devices, house.clock.now(), timeout=_TIMEOUT_S)
            await _settle(watch)
            return await _measure(house, say)
    finally:
        server.close()


async def _measure(house: _House, say: Callable[[str], None]) -> Lag:
    plan, bare_us = house.plan, await _bare(house.watch)
    stretches, begin = [], 0.0
    for per_s in plan.lag_rates:
        end = begin + per_s * plan.lag_s / plan.swept_devices
        stretches.append(await _stretch(house, (begin, end), per_s))
        say(_told(stretches[-1]))
        begin = end
    at_once = await _stretch(house, _QUARTER, None)
    say(_told(at_once))
    return Lag(plan.swept_devices, stretches, at_once, bare_us)


def _told(stretch: Stretch) -> str:
    when = "all at one instant" if stretch.per_s is None else f"{stretch.per_s:,} a second"
    return (
        f"  {when}: {stretch.devices:,} devices, lag p50 {stretch.percentile(0.5):.2f} s, p99 {stretch.percentile(0.99):.2f} s, "
        f"most {stretch.max_s:.2f} s; {stretch.beats_per_s:,.0f} heartbeats/s stored meanwhile; "
        f"{stretch.cpu_us:.0f} µs of processor a device"
    )


async def _bare(watch: Watch) -> float:
    """Microseconds a device; taken back afterwards."""
    transaction = watch.database.transaction()
    await transaction.start()
    started_s = time.perf_counter()
    devices: int = await watch.database.fetchval(_SQL["bare_verdicts"], *_BARE, timeout=_TIMEOUT_S)
    took_s = time.perf_counter() - started_s
    await transaction.rollback()
    await _settle(watch)
    return took_s / max(1, devices) * 1e6


async def _settle(watch: Watch) -> None:
    await watch.database.execute("vacuum (analyze) ingest.liveness", timeout=_TIMEOUT_S)
    await watch.database.execute("checkpoint", timeout=_TIMEOUT_S)


async def _stretch(house: _House, part: tuple[float, float], per_s: int | None) -> Stretch:
    """The devices of `part` fall due within it, or all at its beginning."""
    lasts = timedelta(seconds=0 if per_s is None else house.plan.lag_s)
    begins_at = house.clock.now() + _LATER
    heard_at = begins_at - timedelta(seconds=_SILENT_AFTER_S)
    devices = await house.watch.database.fetchval(_SQL["die"], *part, heard_at, lasts, timeout=_TIMEOUT_S)
    await _settle(house.watch)
    house.clock.move_to(begins_at - timedelta(seconds=_BEFORE_S))
    await _hear(house)
    lags_s: list[float] = []
    meter = Meter({"ingest": lambda: [os.getpid()], "database": _children})
    async with _living(house) as beats:
        give_up_at = begins_at + lasts + timedelta(seconds=_GIVE_UP_S)
        while len(lags_s) < devices and house.clock.now() < give_up_at:
            taken = await house.watch.database.fetch(_SQL["take"], _TAKEN_MAX)
            now, after = house.clock.now(), timedelta(seconds=_SILENT_AFTER_S)
            lags_s += [(now - row["since"] - after).total_seconds() for row in taken]
            if not taken:
                await asyncio.sleep(_TAKE_EVERY_S)
        cost_us = sum(each.cpu_us for each in meter.costs(max(1, devices)).values())
        lasted_s = (house.clock.now() - begins_at).total_seconds() + _BEFORE_S
        return Stretch(per_s, devices, sorted(lags_s), beats.stored / lasted_s, cost_us)


def _children() -> list[int]:
    return [each.pid for each in psutil.Process().children(recursive=True)]


@dataclass(slots=True)
class _Others:
    stored: int = 0


@asynccontextmanager
async def _living(house: _House) -> AsyncIterator[_Others]:
    """Ingest, as far as it watches: it hears, stores heartbeats and sweeps."""
    watch, others = house.watch, _Others()
    sweep = Sweep(watch.pool, house.clock, uuid.uuid4().hex, LivenessMetrics(CollectorRegistry()))
    beats = Beats(HeartbeatStore(watch.pool), house.clock)
    ids = [row["device_id"] for row in await watch.database.fetch(_SQL["others"], *_BARE, _BEATERS)]

    async def hearing() -> None:
        while True:
            await _hear(house)
            await asyncio.sleep(1)

    async def beating() -> None:
        started_s = time.monotonic()
        while True:
            at = others.stored % len(ids)
            some = ids[at : at + _BEATS_AT_ONCE]
            await beats.send(some, mains=True, battery_pct=90, signal_dbm=-75)
            others.stored += len(some)
            await asyncio.sleep(max(0.0, started_s + others.stored / house.plan.lag_beats_per_s - time.monotonic()))

    tasks = [asyncio.create_task(each) for each in (hearing(), beating(), Passes(sweep).loop.run())]
    try:
        yield others
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        beats.close()
        await sweep.release()


async def _hear(house: _House) -> None:
    async with house.watch.pool.acquire(timeout=5) as connection:
        await connection.execute(_SQL["heard"], house.clock.now())
