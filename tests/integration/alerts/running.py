"""Alerts as it runs: its loops, its LISTEN, its HTTP server, its shard of hub actions."""

import base64
import secrets
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from pydantic import SecretStr

from services.alerts.service import build
from services.chassis.event_log import LogEntry, append
from services.chassis.postgres import Connection
from services.chassis.run import Process, running
from services.chassis.secrets import Vault
from services.chassis.settings import Settings
from tests.blackbox.api import Api
from tests.support.servers import Broker, Database, until
from tests.unit.alerts.build import event

OPS = "ops-token-of-the-tests"
SECRET_KEY = "a passphrase for tests"


class Installation:
    """A running alerts service, the database it works on, and its HTTP API."""

    def __init__(self, process: Process, database: Connection, api: Api) -> None:
        self.process = process
        self.database = database
        self.api = api

    async def press(self, kind: str = "fall", **fields: Any) -> str:
        """Ingest tells of an event; returns the device's id."""
        device_id = fields.setdefault("device_id", f"TC-{secrets.token_hex(4)}")
        now = datetime.now(UTC)
        happened = event(kind, received_at=now, **fields)
        await append(self.database, [LogEntry("alarms", device_id, int(happened.urgency), happened.to_json())], now)
        return str(device_id)

    async def alarm(self, device_id: str, **expected: object) -> dict[str, Any]:
        """Wait until the device's newest alarm has these values."""

        async def newest() -> dict[str, Any] | None:
            answer = await self.api.get("/api/v1/alarms", device=device_id)
            assert answer.status == 200, answer
            items: list[dict[str, Any]] = answer.body["items"]
            return items[0] if items and expected.items() <= items[0].items() else None

        found: dict[str, Any] | None = await until(newest, what=f"an alarm of {device_id} with {expected}")
        assert found is not None
        return found

    async def hears_hubs(self) -> None:
        """Wait until it is subscribed to what hubs send: of what came before, the broker would have kept nothing for it."""

        async def subscribed() -> bool:
            query = "select bool_and(subscribed is not null) from chassis.shard where service = 'alerts'"
            return bool(await self.database.fetchval(query))

        await until(subscribed, 60, what="alerts to be subscribed to actions")

    async def token(self, role: str, hub_id: str | None = None, councils: list[str] | None = None) -> Api:
        """The API as somebody of this role uses it."""
        from services.chassis.http.access import token_digest

        token = secrets.token_urlsafe(32)
        await self.database.execute(
            "insert into registry.access_token (access_token_id, name, sha256, role, hub_id, councils, created_at) "
            "values ($1, $2, $3, $2, $4, $5, now())",
            *(uuid.uuid4(), role, token_digest(token), hub_id, councils),
        )
        return self.api.by(token)


def settings_for(database_url: str, mqtt_url: str, data_dir: Path, **others: Any) -> Settings:
    return Settings(
        database_url=SecretStr(database_url),
        mqtt_url=SecretStr(mqtt_url),
        http_port=0,
        bootstrap_token=SecretStr(OPS),
        secret_key=SecretStr(SECRET_KEY),
        webhook_allow_cidrs="127.0.0.0/8",
        data_dir=data_dir,
        **others,
    )


@asynccontextmanager
async def run_alerts(database: Database, broker: Broker, data_dir: Path, **others: Any) -> AsyncIterator[Installation]:
    """Start it, and stop it again. `others`: further settings."""
    settings = settings_for(database.url, broker.url, data_dir, **others)
    connection = await asyncpg.connect(database.url)
    try:
        async with running(settings, [build]) as process, aiohttp.ClientSession() as http:
            await process.runtime.publisher.wait_connected()
            yield Installation(process, connection, Api(http, process.url, OPS))
    finally:
        await connection.close()


async def add_hub(
    connection: Connection,
    hub_id: str,
    *councils: str,
    webhook: dict[str, Any] | None = None,
    mqtt: bool = False,
) -> None:
    """As the registry writes it: a hub, its verified channels, and the councils whose alarms go to it."""
    secret = webhook["secret"] if webhook else f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}"
    encrypted = Vault(SECRET_KEY).encrypt(secret.encode())
    await connection.execute("insert into registry.hub values ($1, $1, now())", hub_id)
    channels: list[tuple[str, str | None, bytes | None]] = []
    if webhook:
        channels.append(("webhook", webhook["url"], encrypted))
    if mqtt:
        channels.append(("mqtt", None, None))
    for position, (kind, url, sealed) in enumerate(channels):
        await connection.execute(
            "insert into registry.hub_channel (channel_id, hub_id, kind, url, secret_encrypted, verified_at, position) "
            "values ($1, $2, $3, $4, $5, now(), $6)",
            *(uuid.uuid4(), hub_id, kind, url, sealed, position),
        )
    for council in councils:
        await connection.execute("insert into registry.council_route values ($1, 0, $2)", council, hub_id)
