"""The bare reference: MQTT heartbeats → TimescaleDB, idempotent, with last-seen, PUBACK in order after commit. Nothing else.

Same payload, same tables (copied from the service's own), same broker, database and session as the service, so that the ratio
of the two is the price of what this leaves out: fields that may be missing or bad, quarantine, ids that are checked, status
messages, devices that nobody registered, a device's rows kept in order, leases, metrics, reconnects, and every error.

usage: python -m tests.bench.reference DATABASE_URL PORT TOTAL      (tells when it is subscribed and when it is done)
"""

import asyncio
import json
import sys
import time
from collections import deque
from typing import Annotated, Any, Final, Literal, TypeAlias

import asyncpg
import mqtt5
import uvloop
from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict  # pydantic takes typing's own from Python 3.12 on only

from tests.bench.meter import own_usage

ROOT: Final = "bare-ref/v1"
"""Its own topics, as long as the service's: neither hears what is meant for the other."""
BATCH_MAX: Final = 5_000
CONNECTIONS: Final = 2
RECEIVE_MAX: Final = 20_000
_LINGER_S: Final = 0.005
_DAY_S: Final = 24 * 3600

_Line: TypeAlias = tuple[Any, Any]  # a connection, and the statement prepared on it


class _Heartbeat(TypedDict):
    boot_id: Annotated[str, Field(max_length=36)]
    seq: Annotated[int, Field(ge=0)]
    sent_at: Annotated[str, Field(max_length=40)]  # PostgreSQL reads it: a datetime is the dearest thing to encode
    battery_pct: Annotated[int, Field(ge=0, le=100)]
    mains: bool
    signal_dbm: Annotated[int, Field(ge=-200, le=0)]
    network: Literal["ethernet", "wifi", "lte", "umts", "gsm", "nb_iot"]
    sim_operator: Annotated[str, Field(max_length=6)]
    cell_id: Annotated[str, Field(max_length=32)]
    firmware: Annotated[str, Field(max_length=64)]
    temperature_c: float


_read_all = TypeAdapter(list[_Heartbeat]).validator.validate_json

_TABLES: Final = """
create schema bare;
create table bare.heartbeat (like ingest.heartbeat including constraints);
select create_hypertable('bare.heartbeat', 'at', chunk_time_interval => interval '1 day', create_default_indexes => false);
create unique index on bare.heartbeat (device_id, at, boot_id, seq, council_id);
create table bare.last_seen (like ingest.liveness including all) with (fillfactor = 50);
insert into bare.last_seen select * from ingest.liveness"""
_STAGE: Final = """
create temp table stage (device_id text collate "C", council_id text, boot_id text, seq bigint, sent_at text,
    battery_pct smallint, mains boolean, signal_dbm smallint, network text, sim_operator text, cell_id text, firmware text,
    temperature_c real) on commit delete rows"""
_APPLY: Final = """
with stored as (
    insert into bare.heartbeat (device_id, council_id, boot_id, seq, at, sent_at, received_at, battery_pct, mains, signal_dbm,
        network, sim_operator, cell_id, firmware, temperature_c)
    select device_id, council_id, boot_id, seq, at, at, now(), battery_pct, mains, signal_dbm,
        network, sim_operator, cell_id, firmware, temperature_c
    from (select *, sent_at::timestamptz as at from stage) s on conflict do nothing
)
update bare.last_seen l
set last_heard_at = now(), boot_id = s.boot_id, seq = s.seq, battery_pct = s.battery_pct, mains = s.mains,
    signal_dbm = s.signal_dbm
from (
    select distinct on (device_id) device_id, boot_id, seq, battery_pct, mains, signal_dbm
    from stage order by device_id, ctid desc
) s
where l.device_id = s.device_id collate "default\""""


async def prepare(database_url: str) -> None:
    """Make its tables, once all devices are on the register."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(_TABLES)
        await connection.execute("vacuum analyze bare.last_seen")
    finally:
        await connection.close()


class _Session(asyncio.Protocol):
    """Takes what the broker sends, and writes PUBACKs."""

    def __init__(self) -> None:
        self.messages: deque[mqtt5.PublishPacket] = deque()
        self.arrived = asyncio.Event()
        self.subscribed = asyncio.Event()
        self._rest = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        hello = mqtt5.ConnectPacket(
            "bench-reference", clean_start=False, session_expiry_interval=_DAY_S, keep_alive=0, receive_max=RECEIVE_MAX
        )
        transport.write(hello.write())

    def data_received(self, data: bytes) -> None:
        view, at = memoryview(self._rest + data if self._rest else data), 0
        while at < len(view):
            try:
                packet, size = mqtt5.read(view[at:])
            except IndexError:
                break
            at += size
            if type(packet) is mqtt5.PublishPacket:
                self.messages.append(packet)
            elif type(packet) is mqtt5.ConnAckPacket:
                topic = mqtt5.TopicFilter(f"{ROOT}/devices/+/+/heartbeat", max_qos=mqtt5.QoS.AT_LEAST_ONCE)
                self._transport.write(mqtt5.SubscribePacket(1, [topic]).write())
            elif type(packet) is mqtt5.SubAckPacket:
                self.subscribed.set()
        self._rest = bytes(view[at:])
        if self.messages:
            self.arrived.set()

    async def batch(self) -> list[mqtt5.PublishPacket]:
        """What is here, after a moment's patience for more."""
        await self.arrived.wait()
        if len(self.messages) < BATCH_MAX:
            await asyncio.sleep(_LINGER_S)
        taken = [self.messages.popleft() for _ in range(min(BATCH_MAX, len(self.messages)))]
        if not self.messages:
            self.arrived.clear()
        return taken

    def acknowledge(self, messages: list[mqtt5.PublishPacket]) -> None:
        self._transport.write(b"".join([mqtt5.PubAckPacket(each.packet_id or 0).write() for each in messages]))


def _rows(messages: list[mqtt5.PublishPacket]) -> list[tuple[Any, ...]]:
    heartbeats = _read_all(b"[" + b",".join([each.payload for each in messages]) + b"]")
    return [
        (*message.topic.split("/")[4:2:-1], *heartbeat.values())
        for message, heartbeat in zip(messages, heartbeats, strict=True)
    ]


async def _store(free: "asyncio.Queue[_Line]", line: "_Line", rows: list[tuple[Any, ...]]) -> None:
    connection, apply = line
    async with connection.transaction():
        await connection.copy_records_to_table("stage", records=rows)
        await apply.fetch()
    free.put_nowait(line)


def _tell() -> None:
    print(json.dumps({"at": time.monotonic(), **own_usage()}), flush=True)


async def main(database_url: str, port: int, total: int) -> None:
    """Store `total` heartbeats."""
    free: asyncio.Queue[_Line] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        connection = await asyncpg.connect(database_url)
        await connection.execute(_STAGE)
        free.put_nowait((connection, await connection.prepare(_APPLY)))
    _, session = await asyncio.get_running_loop().create_connection(_Session, "127.0.0.1", port)
    await session.subscribed.wait()
    _tell()
    under_way: asyncio.Queue[tuple[list[mqtt5.PublishPacket], asyncio.Task[None]]] = asyncio.Queue()

    async def acknowledge() -> None:
        done = 0
        while done < total:
            messages, storing = await under_way.get()
            await storing
            session.acknowledge(messages)
            done += len(messages)

    acknowledging, taken = asyncio.create_task(acknowledge()), 0
    while taken < total:
        line = await free.get()  # first: until one is free the batch grows
        messages = await session.batch()
        under_way.put_nowait((messages, asyncio.create_task(_store(free, line, _rows(messages)))))
        taken += len(messages)
    await acknowledging
    _tell()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], *map(int, sys.argv[2:4])))
