"""Whatever decoding lets through, the database takes: one strange message never costs its batch-mates."""

import json
from datetime import UTC, datetime
from typing import Any

import asyncpg

from services.ingest.domain.decode import HeartbeatRow, Quarantined, decode_alarm, decode_heartbeat
from tests.support.servers import Database

NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)
DEVICES = "telecare/v1/devices"
TIMES = [
    "2026-11-21T20:00:00Z",
    "1970-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-14:00",
    "2024-01-01T00:00:00+00:00",
    "2035-12-31T23:59:59.999999-12:00",
]
READINGS: list[dict[str, Any]] = [
    {"temperature_c": 1e39, "battery_pct": 100, "signal_dbm": -200},
    {"temperature_c": -1e-320, "battery_pct": 40_000},
    {"temperature_c": float("nan"), "cell_id": "\0", "firmware": "\ud800"},
    {"cell_id": "😀" * 32, "firmware": "\ufffd\uffff", "sim_operator": "234100"},
]
STRANGE = ["\0", "\ud800", "fall\0", "x" * 500, "😀", "\uffff", '"\\', ""]


def heartbeat(number: int, sent_at: str, readings: dict[str, Any]) -> HeartbeatRow:
    payload = json.dumps({"boot_id": "b", "seq": 2**63 - 1 - number, "sent_at": sent_at, **readings}).encode()
    row = decode_heartbeat(f"{DEVICES}/fife/TC-1/heartbeat", payload, NOW)
    assert isinstance(row, HeartbeatRow), row
    return row


async def test_the_strangest_heartbeats_go_into_the_database_in_one_batch(database: Database) -> None:
    sent = [(sent_at, readings) for sent_at in TIMES for readings in READINGS]
    rows = [heartbeat(number, sent_at, readings) for number, (sent_at, readings) in enumerate(sent)]
    connection = await asyncpg.connect(database.url)
    try:
        await connection.copy_records_to_table(
            "heartbeat", schema_name="ingest", columns=HeartbeatRow._fields, records=rows
        )
        assert await connection.fetchval("select count(*) from ingest.heartbeat") == len(sent)
    finally:
        await connection.close()


async def test_what_is_set_aside_can_be_kept(database: Database) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        for text in STRANGE:
            aside = decode_heartbeat(f"{DEVICES}/{text}/{text}/heartbeat", text.encode("utf-8", "replace"), NOW)
            assert isinstance(aside, Quarantined)
            await connection.execute("select $1::text, $2::text, $3::text, $4::text, $5::bytea", *aside[:5])
    finally:
        await connection.close()


async def test_the_strangest_alarms_go_into_the_event_log(database: Database) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        for text in STRANGE:
            for sent_at in TIMES:
                fields = dict.fromkeys(("boot_id", "kind", "status", "peripheral_id", "location", "text"), text)
                payload = json.dumps({**fields, "sent_at": sent_at, "seq": 2**63 - 1}).encode()
                event = decode_alarm(f"{DEVICES}/{text}/{text}/alarm", payload, NOW).event
                kept = await connection.fetchrow(
                    "select $1::jsonb ->> 'kind', $2::uuid, $3::text, $4::timestamptz, $5::text[]",
                    *(event.to_json(), event.event_id, event.topic, event.sent_at, event.marks),
                )
                assert kept is not None
                assert kept[0] == event.kind
    finally:
        await connection.close()
