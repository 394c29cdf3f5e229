"""Who had to wait for a connection goes by the time when it was had: what happened meanwhile is neither early nor far off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from services.alerts.impaired import DegradedHearing
from services.alerts.outages.intake import ConditionIntake
from services.alerts.parts import ROLE
from services.alerts.probes.health import PROBE_EXPIRES
from services.chassis.postgres import Pool, open_pool
from tests.blackbox.hub import Receiver
from tests.integration.alerts.outages.fleet import Homes
from tests.integration.alerts.probes.watch import PERIOD_S
from tests.integration.alerts.world import World
from tests.support.servers import Database

DAY_S = 24 * 3600


@pytest.fixture
async def glasgow(glasgow: World, receiver: Receiver) -> World:
    receiver.clock = glasgow.clock.now
    return glasgow


@pytest.fixture
async def only_one(database: Database) -> AsyncIterator[Pool]:
    """A pool of one connection."""
    pool = await open_pool(database.url, role=ROLE, name="test", size=1)
    yield pool
    pool.terminate()


@asynccontextmanager
async def waiting(pool: Pool, work: Callable[[], Awaitable[int]]) -> AsyncIterator[None]:
    """It has begun, and has no connection until the block ends; then it is done."""
    async with pool.acquire():
        working = asyncio.ensure_future(work())
        await asyncio.sleep(0)  # so that it asks for one
        yield
    await working


async def test_an_alarm_is_looked_at_again_when_its_connection_is_there(glasgow: World, only_one: Pool) -> None:
    await glasgow.press()
    glasgow.clock.move(60)
    glasgow.parts.waker.pool = only_one
    async with waiting(only_one, glasgow.parts.waker.run_once):
        glasgow.clock.move(30)
    alarm = await glasgow.alarm()
    assert (alarm["step"], alarm["changed_at"]) == (1, glasgow.clock.now())
    assert alarm["wake_at"] > glasgow.clock.now()


async def test_what_was_decided_while_an_audit_waited_is_not_without_a_future(glasgow: World) -> None:
    async with waiting(glasgow.parts.auditor.pool, glasgow.parts.auditor.run_once):
        glasgow.clock.move(DAY_S + 60)
        await glasgow.press()
    assert glasgow.parts.auditor.violations == {}


async def test_a_probe_has_its_whole_time_from_when_it_was_begun(glasgow: World, only_one: Pool) -> None:
    glasgow.parts.prober.pool = only_one
    await glasgow.parts.prober.run_once()
    glasgow.clock.move(PERIOD_S)
    async with waiting(only_one, glasgow.parts.prober.run_once):
        glasgow.clock.move(60)
    [probe] = await glasgow.database.fetch("select expires_at from alerts.delivery")
    assert probe["expires_at"] == glasgow.clock.now() + PROBE_EXPIRES


async def test_what_ingest_counted_meanwhile_says_how_it_is_now(glasgow: World, only_one: Pool) -> None:
    """Not 90 seconds old, or to come: of neither anything would be known."""
    async with waiting(only_one, DegradedHearing(only_one, glasgow.clock).run_once):
        glasgow.clock.move(90)
        await glasgow.database.execute(
            "insert into ingest.hearing_count (shard, council_id, model, sim_operator, counted_at, expected, heard, silent, late) "
            "values ('heartbeats-0', 'glasgow-city', 'Hub A', '23410', $1, 100, 50, 0, 0)",
            glasgow.clock.now(),
        )
    low = await glasgow.database.fetch("select distinct low_since from alerts.degraded_hearing")
    assert [row["low_since"] for row in low] == [glasgow.clock.now()]


async def test_whoever_fell_silent_meanwhile_is_affected_from_when_it_was_told(glasgow: World, only_one: Pool) -> None:
    """Earlier, and it would be told of by itself before others of its outage can turn up."""
    homes = Homes(glasgow)
    fallen = await homes.register(1, council_id="glasgow-city")
    async with waiting(only_one, ConditionIntake(only_one, glasgow.clock).run_once):
        glasgow.clock.move(20)
        await homes.change(fallen)
    assert await glasgow.database.fetchval("select loose_since from alerts.affected") == glasgow.clock.now()
