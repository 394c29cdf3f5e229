"""The hot statements find their rows by index, however many devices there are."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest

from services.ingest.alarm_store import Arrival, _columns
from services.ingest.domain.decode import decode_alarm
from services.ingest.sql import QUERIES
from tests.support.servers import Database

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


async def plan(connection: "asyncpg.Connection[asyncpg.Record]", name: str, *arguments: object) -> str:
    """How PostgreSQL means to run a named query (without running it)."""
    statement = await connection.prepare(f"explain {QUERIES[name]}")
    return "\n".join(row[0] for row in await statement.fetch(*arguments))


@pytest.fixture
async def crowded(database: Database) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A hundred thousand devices, and a batch of a thousand heartbeats staged."""
    connection = await asyncpg.connect(database.url)
    await connection.execute(
        "insert into ingest.liveness (device_id, council_id) select 'TC-' || n, 'fife' from generate_series(1, 100000) n; "
        "analyze ingest.liveness"
    )
    await connection.execute(QUERIES["stage_heartbeats"])
    async with connection.transaction():
        rows = [
            (f"TC-{n * 97}", "fife", "b", n, None, NOW, 80, True, -70, "lte", None, None, None, None, None)
            for n in range(1000)
        ]
        await connection.copy_records_to_table("staged_heartbeat", records=rows)
        yield connection
    await connection.close()


async def test_a_batch_of_heartbeats_updates_its_devices_by_index(
    crowded: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    told = await plan(crowded, "apply_heartbeats", NOW)
    assert "liveness_pkey" in told
    assert "Seq Scan on liveness" not in told


async def test_an_alarm_touches_its_device_by_index(crowded: "asyncpg.Connection[asyncpg.Record]") -> None:
    arrival = Arrival(decode_alarm("telecare/v1/devices/fife/TC-1/alarm", b"", NOW), qos=1, retained=False)
    told = await plan(crowded, "store_alarms", *_columns([arrival]), NOW)
    assert "liveness_pkey" in told
    assert "Seq Scan on liveness" not in told


async def test_an_alarm_that_comes_again_is_found_by_index_among_all_that_ever_came(
    crowded: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    await crowded.execute(
        "insert into ingest.alarm_event "
        "(event_id, identity, payload_sha256, topic, device_id, received_at, kind, status, test, qos) "
        "select gen_random_uuid(), sha256(convert_to(n::text, 'UTF8')), sha256('x'), 't', 'TC-' || n, $1, 'fall', "
        "'activated', false, 1 from generate_series(1, 50000) n",
        NOW,
    )
    await crowded.execute("analyze ingest.alarm_event")
    arrivals = [
        Arrival(decode_alarm(f"telecare/v1/devices/fife/TC-{n}/alarm", b"", NOW), qos=1, retained=False)
        for n in range(200)
    ]
    told = await plan(crowded, "store_alarms", *_columns(arrivals), NOW)
    assert "alarm_event_pkey" in told
    assert "Seq Scan on alarm_event" not in told
