"""Where units come in that nobody registered, with the credential that their council shares among them.

Mosquitto has no rate limit, and lets whoever shares a user name take over anybody's session by its client id. So these units
come through here: the gate checks the credential itself, gives each session a name that no device has, says to the broker a
password that is known nowhere else, lets through what a unit publishes as itself, and reads no faster than it may. With the
council's own password nobody gets in at the broker's listeners.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import hmac
import ssl
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Final, Never

import structlog

from contracts.ids import is_device_id
from services.chassis.mqtt import MqttUrl
from services.chassis.mqtt.tls import tls_context
from services.chassis.postgres import Pool, is_transient
from services.chassis.postgres.borrow import borrow
from services.chassis.settings import SettingsError
from services.registry.domain.claims import derived_password
from services.registry.gate.enrolment import QUERIES
from services.registry.gate.meter import Kept, Lanes, Meter
from services.registry.gate.packets import CONNECT, Connect, Unreadable
from services.registry.gate.passing import Passing, is_its_own, packet
from services.registry.gate.places import Full, Places, neighbourhood

_log = structlog.get_logger(__name__)

_HELLO_S: Final = 3.0
_ANSWER_S: Final = 10.0
_LOOK_UP_S: Final = 2.0
_PORT_FREE_S: Final = 0.5
_QUIET_S: Final = 600.0
"""Of a unit that promises no keep-alive; of one that does, one and a half times that, as the broker has it."""
_HELLO_BYTES_MAX: Final = 8 * 1024
_PREFIX: Final = "enrolment:"

_GONE = (OSError, EOFError, TimeoutError, Unreadable, Full)


def _of_a_unit() -> Lanes:
    return Lanes(Meter(1.0, 30.0), Meter(1.0, 30.0))


def _of_a_council() -> Lanes:
    return Lanes(Meter(50.0, 500.0), Meter(50.0, 500.0))


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
    # Whoever was not let in yet takes no place of those who were. Many units may come from one address of a mobile network.
    _knocking: Places = field(default_factory=lambda: Places(total=500, each=20))
    _by_address: Places = field(default_factory=lambda: Places(total=1000, each=250))
    _by_council: Places = field(default_factory=lambda: Places(total=1000, each=250))
    _units: Kept[tuple[str, str]] = field(default_factory=lambda: Kept(_of_a_unit, 10_000))
    _councils: Kept[str] = field(default_factory=lambda: Kept(_of_a_council, 1000))

    async def run(self) -> Never:
        """For ever. Raises SettingsError when nothing can listen there."""
        server = await self._listening()
        self.bound.set_result(server.sockets[0].getsockname()[1])
        _log.info("enrolment_gate_open", host=self.host, port=self.bound.result(), tls=self.tls is not None)
        async with server:
            await server.serve_forever()
        raise AssertionError("the gate closed by itself")

    async def _listening(self) -> asyncio.Server:
        """Of two registries on a host one has the gate, so that units are measured once; the other waits until the port is free."""
        hurry = {} if self.tls is None else {"ssl_handshake_timeout": _HELLO_S, "ssl_shutdown_timeout": _HELLO_S}
        waits = False
        while True:
            try:
                return await asyncio.start_server(
                    self._serve, self.host, self.port, ssl=self.tls, limit=64 * 1024, backlog=512, **hurry
                )
            except OSError as error:
                where = f"{self.host}:{self.port}"
                if error.errno != errno.EADDRINUSE:
                    reason = error.strerror or type(error).__name__
                    raise SettingsError(f"TELECARE_GATE_LISTEN: nothing can listen on {where} ({reason})") from None
                if not waits:
                    hint = "as of two registries the second does; if no other one runs, TELECARE_GATE_LISTEN names another's port"
                    _log.warning("enrolment_gate_waits", host=self.host, port=self.port, hint=hint)
                waits = True
            await asyncio.sleep(_PORT_FREE_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(*_GONE):
                await self._admit(reader, writer)
        except Exception as error:  # noqa: BLE001 - one connection's trouble is no other's
            if not is_transient(error):
                _log.error("enrolment_gate_failed", error=type(error).__name__)
        finally:
            writer.close()

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = neighbourhood(writer.get_extra_info("peername"))
        with self._knocking.one(address):
            async with asyncio.timeout(_HELLO_S):
                kind, _, body = await packet(reader, _HELLO_BYTES_MAX)
            if kind != CONNECT:
                return
            hello = Connect.read(body)
            async with asyncio.timeout(_ANSWER_S):
                password = await self._password(hello)
                if password is None:
                    _log.info("enrolment_refused")
                    writer.write(hello.refusal)
                    await writer.drain()
                    return
        with self._by_address.one(address), self._by_council.one(hello.username.removeprefix(_PREFIX)):
            await self._pass_on(hello, password, reader, writer)

    async def _pass_on(
        self, hello: Connect, password: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        council, unit = hello.username.removeprefix(_PREFIX), hello.client_id

        async def may_stay() -> bool:
            """Until the device has a credential of its own. A database that does not answer ends nobody's session."""
            try:
                async with asyncio.timeout(_LOOK_UP_S):
                    return await self._password(hello) == password
            except Exception as error:
                if isinstance(error, TimeoutError) or is_transient(error):
                    return True
                raise

        passing = Passing(
            council,
            unit,
            hello.level,
            own=self._units.of((council, unit)),
            councils=self._councils.of(council),
            quiet_s=hello.keep_alive_s * 1.5 or _QUIET_S,
            may_stay=may_stay,
        )
        async with asyncio.timeout(_ANSWER_S):
            upstream, downstream = await asyncio.open_connection(
                self.broker.host, self.broker.port, ssl=await tls_context(self.broker)
            )
        try:
            downstream.write(hello.renamed(f"{_PREFIX}{council}:{unit}", hello.username, password))
            await _first(passing.run(reader, downstream), _copy(upstream, writer))
        finally:
            downstream.close()

    async def _password(self, hello: Connect) -> str | None:
        """What the broker is told; None for whoever is not let in."""
        council = hello.username.removeprefix(_PREFIX)
        if not hello.username.startswith(_PREFIX) or not is_device_id(hello.client_id):
            return None
        if hello.will_topic is not None and not is_its_own(hello.will_topic, council, hello.client_id):
            return None
        async with borrow(self.pool) as connection:
            row = await connection.fetchrow(QUERIES["enrolment"], hello.username, hello.client_id)
        if row is None or row["has_its_own"]:
            return None
        if not hmac.compare_digest(row["secret_sha256"], hashlib.sha256(hello.password).digest()):
            return None
        return derived_password(self.key, "gate", row["secret_id"])


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
