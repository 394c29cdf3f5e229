"""The product's own limits, which other tests have longer (`tests/conftest.py`): what stands still is ended, and work goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from services.chassis.audit import log as audit_log
from services.chassis.audit.entry import Entry
from services.chassis.audit.log import AuditLog
from services.chassis.clock import DatabaseClock
from services.chassis.postgres import Pool, is_transient, open_pool, pool
from services.chassis.postgres.borrow import borrow
from tests.support.servers import Database

# As this file is read: before the fixture that makes all tests patient.
IDLE_IN_TRANSACTION_S, AUDIT_WRITE_TIMEOUT_S = pool.IDLE_IN_TRANSACTION_S, audit_log._WRITE_TIMEOUT_S
ENDED = (
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    asyncpg.ConnectionDoesNotExistError,
    OSError,
)
Outside = Any  # asyncpg's connection
DOCS = Path(__file__).parents[3] / "docs" / "operations.md"


@pytest.fixture(autouse=True)
def impatient(patient_database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "IDLE_IN_TRANSACTION_S", IDLE_IN_TRANSACTION_S)
    monkeypatch.setattr(audit_log, "_WRITE_TIMEOUT_S", AUDIT_WRITE_TIMEOUT_S)


@pytest.fixture
async def outside(database: Database) -> AsyncIterator[Outside]:
    connection = await asyncpg.connect(database.url)
    yield connection
    await connection.close()


async def test_whoever_stands_still_in_a_transaction_holds_its_locks_for_seconds_and_its_pool_goes_on(
    database: Database, outside: Outside
) -> None:
    """As a process that was stopped does, with a device's rows. The server ends it: nobody else can."""
    ours = await open_pool(database.url, role="telecare_ingest", name="test", size=1)
    try:
        async with borrow(ours) as connection:
            assert await connection.fetchval("show idle_in_transaction_session_timeout") == f"{IDLE_IN_TRANSACTION_S}s"
            backend = await connection.fetchval("select pg_backend_pid()")
        with pytest.raises(ENDED) as ended:
            await stand_still(ours, outside)
        assert is_transient(ended.value)
        async with borrow(ours) as connection:
            assert await connection.fetchval("select generation from chassis.shard where shard = 'alarms'") == 0
            assert await connection.fetchval("select pg_backend_pid()") != backend
    finally:
        ours.terminate()


async def stand_still(ours: Pool, outside: Outside) -> None:
    """Whoever waits for the row has it when the server has ended this, and not before: then it says so."""
    async with borrow(ours) as connection, connection.transaction():
        await connection.execute("update chassis.shard set generation = 1000 where shard = 'alarms'")
        await outside.fetchval("select shard from chassis.shard where shard = 'alarms' for update", timeout=60)
        await connection.execute("select 1")


async def test_who_cannot_be_audited_is_refused_within_what_is_written_of_it_and_then_no_more(
    database: Database, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = Entry("api", "test", "change", "asked")
    metrics = CollectorRegistry()
    audit = AuditLog(DatabaseClock(), metrics)
    await audit.open(database.url, "telecare_registry")
    try:
        async with outside.transaction():
            await outside.execute("lock table chassis.audit_log in exclusive mode")
            with pytest.raises(TimeoutError):
                await audit.write(entry)
        assert metrics.get_sample_value("telecare_audit_log_refusals_total") == 1
        monkeypatch.setattr(audit_log, "_WRITE_TIMEOUT_S", 60.0)  # it connects anew, on a machine that may stand still
        await asyncio.wait_for(audit.write(entry), 60)
        assert await outside.fetchval("select count(*) from chassis.audit_log where who = 'test'") == 1
    finally:
        await audit.close()


def test_the_operators_are_told_these_limits() -> None:
    docs = " ".join(DOCS.read_text().split())
    assert f"not on the disk within {AUDIT_WRITE_TIMEOUT_S:g} s" in docs
    assert f"idle in a transaction for {IDLE_IN_TRANSACTION_S} s" in docs
