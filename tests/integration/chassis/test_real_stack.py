"""What only the real stack can show: the shipped settings are the ones in force, and do what they are there for."""

import asyncio
from contextlib import suppress

import aiomqtt
import asyncpg
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.support.servers import Broker, Database
from tests.support.stack import DEPLOY

pytestmark = pytest.mark.real_stack

HEARTBEATS = 1_500  # more than the 1,000 that Mosquitto keeps by default


def session(broker: Broker, client_id: str, *, clean_start: bool = False) -> aiomqtt.Client:
    week = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's are partial
    week.SessionExpiryInterval = 604_800
    return aiomqtt.Client(
        broker.host,
        broker.port,
        identifier=client_id,
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=clean_start,
        properties=week,
        timeout=60,
    )


async def subscribe(broker: Broker) -> None:
    async with session(broker, "ingest") as ingest:
        await ingest.subscribe("heartbeats", qos=1)


async def publish(broker: Broker, count: int) -> None:
    async with session(broker, "box", clean_start=True) as box:
        for number in range(count):
            await box.publish("heartbeats", str(number), qos=1)


async def receive(broker: Broker, count: int) -> list[int]:
    async with session(broker, "ingest") as ingest, asyncio.timeout(60):
        return [int(bytes((await anext(aiter(ingest.messages))).payload)) for _ in range(count)]


async def test_more_than_a_thousand_messages_wait_for_an_absent_ingest(broker: Broker) -> None:
    await subscribe(broker)
    await publish(broker, HEARTBEATS)
    assert await receive(broker, HEARTBEATS) == list(range(HEARTBEATS))


async def test_a_broker_that_is_stopped_cleanly_keeps_its_queues(broker: Broker) -> None:
    await subscribe(broker)
    await publish(broker, 10)
    await asyncio.to_thread(broker.stop)
    await asyncio.to_thread(broker.start)
    assert await receive(broker, 10) == list(range(10))


async def test_a_payload_beyond_the_limit_is_never_acknowledged(broker: Broker) -> None:
    connect = b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03box"
    publish = b"\x32\xe9\xa7\x12\x00\x05alarm\x00\x01" + b"!" * 300_000  # QoS 1, packet id 1
    reader, writer = await asyncio.open_connection(broker.host, broker.port)
    async with asyncio.timeout(60):
        writer.write(connect)
        assert await reader.readexactly(4) == b"\x20\x02\x00\x00"  # CONNACK
        writer.write(publish)
        answer = b""
        with suppress(ConnectionResetError):
            answer = await reader.read()  # until the broker hangs up
    writer.close()
    assert answer == b""


async def test_heartbeats_can_be_a_hypertable_with_apache_features_only(database: Database) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        await connection.execute("CREATE TABLE t (at timestamptz NOT NULL)")
        await connection.execute("SELECT create_hypertable('t', 'at')")
        with pytest.raises(asyncpg.FeatureNotSupportedError, match="apache"):
            await connection.execute("ALTER TABLE t SET (timescaledb.compress)")
    finally:
        await connection.close()


async def test_every_shipped_database_setting_is_in_force(database: Database) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        rows = await connection.fetch(
            "SELECT name, applied, error FROM pg_file_settings WHERE sourcefile LIKE '%/telecare.conf'"
        )
    finally:
        await connection.close()
    lines = (DEPLOY / "postgresql" / "telecare.conf").read_text().splitlines()
    shipped = {line.split("=")[0].strip() for line in lines if "=" in line and not line.startswith("#")}
    assert {row["name"] for row in rows} == shipped
    assert [row["name"] for row in rows if not row["applied"] or row["error"]] == []
