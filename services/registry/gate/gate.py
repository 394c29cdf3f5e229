"""Where units come in that nobody registered, with the credential that their council shares among them.

Mosquitto has no rate limit, and lets whoever shares a user name take over anybody's session by its client id. So these units
come through here: the gate checks the credential itself, gives each session a name that no device has, says to the broker a
password that is known nowhere else, lets through what a unit publishes as itself, and reads no faster than it may. With the
council's own password nobody gets in at the broker's listeners.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import ssl
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Final, Never

import structlog

from contracts.ids import is_device_id
from contracts.topics import parse_device_topic
from services.chassis.mqtt import MqttUrl
from services.chassis.mqtt.tls import tls_context
from services.chassis.postgres import Pool, is_transient
from services.chassis.postgres.borrow import borrow
from services.registry.domain.claims import derived_password
from services.registry.gate.enrolment import QUERIES
from services.registry.gate.meter import Meter
from services.registry.gate.packets import CONNECT, PUBLISH, Connect, Unreadable, topic_of

_log = structlog.get_logger(__name__)

_HELLO_S: Final = 10.0
_HELLO_BYTES_MAX: Final = 8 * 1024
_PACKET_BYTES_MAX: Final = 32 * 1024  # twice what the contract accepts
_CONNECTIONS_MAX: Final = 1000
_UNIT_PER_S, _UNIT_BURST = 1.0, 30.0
_COUNCIL_PER_S, _COUNCIL_BURST = 50.0, 500.0
_BYTES_A_UNIT: Final = 4096
_LANES: Final = frozenset({"heartbeat", "alarm", "status"})
_PREFIX: Final = "enrolment:"

_GONE = (OSError, EOFError, TimeoutError, Unreadable)


@dataclass(slots=True)
class Gate:
    """Run `run()` as a task. `key`: what the broker's passwords follow from."""

    pool: Pool
    broker: MqttUrl
    key: bytes
    host: str
    port: int
    tls: ssl.SSLContext | None = None
    bound: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    _meters: dict[str, Meter] = field(default_factory=dict)
    _connections: int = 0

    async def run(self) -> Never:
        """For ever. Raises OSError when nothing can listen there."""
        server = await asyncio.start_server(self._serve, self.host, self.port, ssl=self.tls, limit=64 * 1024)
        self.bound.set_result(server.sockets[0].getsockname()[1])
        _log.info("enrolment_gate_open", host=self.host, port=self.bound.result(), tls=self.tls is not None)
        async with server:
            await server.serve_forever()
        raise AssertionError("the gate closed by itself")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            if self._connections <= _CONNECTIONS_MAX:
                with contextlib.suppress(*_GONE):
                    await self._admit(reader, writer)
        except Exception as error:  # noqa: BLE001 - one connection's trouble is no other's
            if not is_transient(error):
                _log.error("enrolment_gate_failed", error=type(error).__name__)
        finally:
            self._connections -= 1
            writer.close()

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_HELLO_S):
            kind, _, body = await _packet(reader, _HELLO_BYTES_MAX)
        if kind != CONNECT:
            return
        hello = Connect.read(body)
        password = await self._password(hello)
        if password is None:
            _log.info("enrolment_refused")
            writer.write(hello.refusal)
            await writer.drain()
            return
        council = hello.username.removeprefix(_PREFIX)
        upstream, downstream = await asyncio.open_connection(
            self.broker.host, self.broker.port, ssl=await tls_context(self.broker)
        )
        try:
            downstream.write(hello.renamed(f"{_PREFIX}{council}:{hello.client_id}", hello.username, password))
            await _first(self._up(reader, downstream, council, hello.client_id), _copy(upstream, writer))
        finally:
            downstream.close()

    async def _password(self, hello: Connect) -> str | None:
        """What the broker is told; None for whoever is not let in."""
        council = hello.username.removeprefix(_PREFIX)
        if not hello.username.startswith(_PREFIX) or not is_device_id(hello.client_id):
            return None
        if hello.will_topic is not None and not _is_its_own(hello.will_topic, council, hello.client_id):
            return None
        async with borrow(self.pool) as connection:
            row = await connection.fetchrow(QUERIES["enrolment"], hello.username, hello.client_id)
        if row is None or row["has_its_own"]:
            return None
        if not hmac.compare_digest(row["secret_sha256"], hashlib.sha256(hello.password).digest()):
            return None
        return derived_password(self.key, "gate", row["secret_id"])

    async def _up(self, reader: asyncio.StreamReader, broker: asyncio.StreamWriter, council: str, unit: str) -> None:
        own = Meter(_UNIT_PER_S, _UNIT_BURST)
        if council not in self._meters:
            self._meters[council] = Meter(_COUNCIL_PER_S, _COUNCIL_BURST)
        while True:
            kind, raw, body = await _packet(reader, _PACKET_BYTES_MAX)
            if kind == PUBLISH:
                if not _is_its_own(topic_of(body), council, unit):
                    raise Unreadable("a unit speaks for itself only")
                units = 1 + len(body) / _BYTES_A_UNIT
                await own.take(units)
                await self._meters[council].take(units)
            broker.write(raw)
            await broker.drain()


def _is_its_own(topic: str, council: str, unit: str) -> bool:
    parts = parse_device_topic(topic)
    return parts is not None and (parts.council, parts.device) == (council, unit) and parts.lane in _LANES


async def _packet(reader: asyncio.StreamReader, bytes_max: int) -> tuple[int, bytes, bytes]:
    """Its type, all of it, and its body. Raises Unreadable, EOFError."""
    head = await reader.readexactly(1)
    length = shift = 0
    while True:
        byte = await reader.readexactly(1)
        head += byte
        length |= (byte[0] & 0x7F) << shift
        shift += 7
        if not byte[0] & 0x80:
            break
        if shift > 21:
            raise Unreadable("a length of more than four bytes")
    if length > bytes_max:
        raise Unreadable("a packet that is too long")
    body = await reader.readexactly(length)
    return head[0] >> 4, head + body, body


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(16 * 1024):
        writer.write(chunk)
        await writer.drain()


async def _first(*ways: Awaitable[None]) -> None:
    """Until one of the two ends; the other ends with it."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
