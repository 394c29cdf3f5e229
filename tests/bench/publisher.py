"""Heartbeats of very many devices through a few connections, MQTT 5 at QoS 1: paced, or as fast as the broker takes them.

A process of its own, and as cheap as Python can: it runs on the machine that is being measured, so what it costs is taken
from what it measures. Each heartbeat is another event, true to the contract. It tells, as lines of JSON, how far it is.

usage: python -m tests.bench.publisher ROOT PORT BOOT DEVICES TOTAL RATE
       (ROOT as in `telecare/v1`; BOOT begins every boot_id; RATE in messages/s, 0: flat out)
"""

import asyncio
import json
import math
import secrets
import struct
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

import mqtt5
import uvloop

from tests.bench.devices import COUNCILS
from tests.bench.meter import own_usage

CONNECTIONS: Final = 4
_WINDOW: Final = 1_000  # un-acknowledged on one connection
_CHUNK: Final = 100  # messages in one write, where it has so many to send
_TICK_S: Final = 0.01
_TELL_EVERY_S: Final = 0.1
_STRIDE: Final = 7_919  # a prime: neighbours in time are none in the tables
_SEQ_FIRST: Final = 100_000
_EXPIRY_S: Final = 200  # two intervals, as the contract has it, of a million devices at 10,000/s
_PACKET_IDS: Final = tuple(struct.pack("!H", number) for number in range(1, 60_001))


@dataclass
class Progress:
    """How many were sent, and how many of those the broker has acknowledged."""

    sent: int = 0
    acknowledged: int = 0
    first_at: float | None = None  # monotonic seconds, as everywhere here: one clock for all processes of a machine


def template(root: str, council: str, boot: str) -> bytes:
    """A PUBLISH packet with all but device, packet id, device, seq, time, battery, signal and temperature filled in.

    Those have fixed widths, and so the packet has one length.
    """
    topic = f"{root}/devices/{council}/TC-0000000/heartbeat"
    payload = (
        f'{{"boot_id":"{boot}-%07d","seq":%d,"sent_at":"%b","battery_pct":%d,"mains":true,"signal_dbm":-%d,"network":"lte",'
        '"sim_operator":"23410","cell_id":"23410-1a2b-03c4","firmware":"4.2.1","temperature_c":%d.5}'
    )
    example = payload.encode() % (0, _SEQ_FIRST, b"2026-11-21T19:00:00.123Z", 10, 10, 10)
    properties = struct.pack("!BBI", 5, 2, _EXPIRY_S)
    head = struct.pack("!H", len(topic)) + topic.replace("0000000", "%07d").encode() + b"%b"
    length = 2 + len(topic) + 2 + len(properties) + len(example)
    return b"\x32" + _varint(length) + head + properties + payload.encode()


def _varint(number: int) -> bytes:
    low, high = number % 128, number // 128
    return bytes([low | 128, high]) if high else bytes([low])


class Stream:
    """One connection, and its share of the devices: every `CONNECTIONS`-th."""

    def __init__(self, root: str, boot: str, devices: int, first: int, progress: Progress) -> None:
        self._first = first
        self._share = devices // CONNECTIONS
        self._stride = next(step for step in range(_STRIDE, 2 * _STRIDE) if math.gcd(step, self._share) == 1)
        self._templates = [template(root, council, boot) for council in COUNCILS]
        self._progress = progress
        self._sent = 0
        self._acknowledged = 0

    async def run(self, port: int, total: int, rate: float) -> None:
        """Send `total` at `rate` a second, and return when all are acknowledged."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        hello = mqtt5.ConnectPacket(f"bench-publisher-{secrets.token_hex(6)}", clean_start=True, keep_alive=0)
        writer.write(hello.write())
        await _welcome(reader)
        counting = asyncio.create_task(self._count(reader, total))
        started_at = time.monotonic()
        self._progress.first_at = self._progress.first_at or started_at
        while self._sent < total and not counting.done():
            due = min(total, int((time.monotonic() - started_at) * rate)) if rate else total
            chunk = min(due - self._sent, _CHUNK, _WINDOW - (self._sent - self._acknowledged))
            if chunk <= 0:
                await asyncio.sleep(_TICK_S if rate else 0.001)
                continue
            writer.write(self._packets(chunk))
            self._sent += chunk
            self._progress.sent += chunk
            await writer.drain()
        await counting
        writer.write(mqtt5.DisconnectPacket().write())
        writer.close()
        await writer.wait_closed()

    def _packets(self, count: int) -> bytes:
        share, stride, templates, first = self._share, self._stride, self._templates, self._first
        sent_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3].encode() + b"Z"
        councils = len(templates)
        packets = []
        for turn in range(self._sent, self._sent + count):
            round_, place = divmod(turn, share)
            device = first + place * stride % share * CONNECTIONS
            telling = (10 + device % 90, 50 + device % 50, 15 + device % 10)
            event = (device, _PACKET_IDS[turn % 60_000], device, _SEQ_FIRST + round_, sent_at, *telling)
            packets.append(templates[device % councils] % event)
        return b"".join(packets)

    async def _count(self, reader: asyncio.StreamReader, total: int) -> None:
        rest = b""  # of PUBACKs: 0x40, 2, and the packet id; only one that has something to say is longer
        while self._acknowledged < total:
            data = await reader.read(65_536)
            if not data:
                raise ConnectionError("the broker hung up")
            rest += data
            whole = len(rest) // 4
            if rest[: whole * 4 : 4] != b"\x40" * whole or rest[1 : whole * 4 : 4] != b"\x02" * whole:
                raise ConnectionError("a PUBACK that is no plain success: does nobody subscribe to heartbeats?")
            rest = rest[whole * 4 :]
            self._acknowledged += whole
            self._progress.acknowledged += whole


async def _welcome(reader: asyncio.StreamReader) -> None:
    head = await reader.readexactly(2)
    body = await reader.readexactly(head[1])
    if head[0] != 0x20 or body[1] != 0:
        raise ConnectionError("the broker refused the connection")


async def _tell(progress: Progress) -> None:
    while True:
        _say(progress)
        await asyncio.sleep(_TELL_EVERY_S)


def _say(progress: Progress) -> None:
    print(json.dumps({"at": time.monotonic(), **asdict(progress), **own_usage()}), flush=True)


async def main(root: str, port: int, boot: str, devices: int, total: int, rate: float) -> None:
    """Send `total` heartbeats, `rate` of them a second."""
    progress = Progress()
    streams = [Stream(root, boot, devices, first, progress) for first in range(CONNECTIONS)]
    telling = asyncio.create_task(_tell(progress))
    shares = [total // CONNECTIONS + (number < total % CONNECTIONS) for number in range(CONNECTIONS)]
    async with asyncio.TaskGroup() as group:
        for stream, share in zip(streams, shares, strict=True):
            group.create_task(stream.run(port, share, rate / CONNECTIONS))
    telling.cancel()
    _say(progress)


if __name__ == "__main__":
    _, root_, port_, boot_, devices_, total_, rate_ = sys.argv
    uvloop.run(main(root_, int(port_), boot_, int(devices_), int(total_), float(rate_)))
