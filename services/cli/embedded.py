"""`telecare up --embedded`: a real broker and a real database of our own, on loopback, that go when we go."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from services.chassis.embedded import EmbeddedBroker, EmbeddedPostgres, ServerDidNotStartError
from services.chassis.embedded.ports import claim_port
from services.chassis.postgres.migrate import migrate
from services.chassis.settings import Settings, load_settings

_MQTT_PORT = 1883
_MQTT_PORT_V311 = 1884
_LOOK_EVERY_S = 1.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Embedded:
    """The servers that were started, and the settings by which the services find them."""

    settings: Settings
    broker: EmbeddedBroker
    ops_token: str


@contextlib.asynccontextmanager
async def embedded_servers(*, keep_data: bool) -> AsyncIterator[Embedded]:
    """Start broker and database, migrate, and stop both on leaving. Without `keep_data` nothing stays on disk.

    One that ends by itself meanwhile is started again, on the same port and data. A port that is taken at the beginning is
    replaced by a free one. Raises `ServerDidNotStartError`.
    """
    database = EmbeddedPostgres(_data_dir() / "postgresql" if keep_data else None)
    broker = EmbeddedBroker(port=_MQTT_PORT, port_v311=_MQTT_PORT_V311)
    try:
        await asyncio.gather(asyncio.to_thread(database.start), asyncio.to_thread(broker.start))
        await migrate(database.url)
        servers = _embedded(database, broker, keep_data=keep_data)
        http_port = claim_port(servers.settings.http_port)
        try:
            settings = servers.settings.model_copy(update={"http_port": http_port.port})
            async with _kept_running(database=database, broker=broker):
                yield replace(servers, settings=settings)
        finally:
            http_port.release()
    finally:
        await asyncio.gather(asyncio.to_thread(broker.stop), asyncio.to_thread(database.stop))


@contextlib.asynccontextmanager
async def _kept_running(**servers: EmbeddedPostgres | EmbeddedBroker) -> AsyncIterator[None]:
    """What a service manager does for real ones."""
    leaving = asyncio.Event()
    keepers = [asyncio.create_task(_keep_running(name, server, leaving)) for name, server in servers.items()]
    try:
        yield
    finally:
        leaving.set()
        await asyncio.gather(*keepers)  # not cancelled: its thread would go on, and start what we are about to stop


async def _keep_running(name: str, server: EmbeddedPostgres | EmbeddedBroker, leaving: asyncio.Event) -> None:
    while not leaving.is_set():
        if not server.running:
            _log.warning("embedded_server_ended", server=name)
            try:
                await asyncio.to_thread(server.revive)
            except (ServerDidNotStartError, OSError) as error:
                _log.error("embedded_server_not_started", server=name, reason=str(error).partition(";")[0])
            else:
                _log.warning("embedded_server_started_again", server=name)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_EVERY_S):
                await leaving.wait()


def _embedded(database: EmbeddedPostgres, broker: EmbeddedBroker, *, keep_data: bool) -> Embedded:
    token = os.environ.get("TELECARE_BOOTSTRAP_TOKEN") or f"tc_{secrets.token_urlsafe(32)}"
    # What is not kept needs no key that is.
    key = {} if keep_data else {"secret_key": os.environ.get("TELECARE_SECRET_KEY") or secrets.token_urlsafe(32)}
    settings = load_settings(
        **key,
        database_url=database.url,
        mqtt_url=broker.url,
        http_host="127.0.0.1",  # nothing embedded is ever reachable from outside
        bootstrap_token=token,
        # Hubs of a trial run beside it.
        webhook_allow_cidrs=os.environ.get("TELECARE_WEBHOOK_ALLOW_CIDRS", "127.0.0.0/8,::1/128"),
    )
    return Embedded(settings, broker, token)


def _data_dir() -> Path:
    """Root's own home is closed to the account that the database runs as."""
    usual = "/var/lib/telecare" if os.geteuid() == 0 else "~/.local/state/telecare"
    return Path(os.environ.get("TELECARE_DATA_DIR", usual)).expanduser()
