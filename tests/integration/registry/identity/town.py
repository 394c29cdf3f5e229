"""A registry, a few devices on its register, and units that ask for their credential."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
from pydantic import SecretStr

from contracts.topics import provisioning_topic
from services.chassis.postgres import Pool, open_pool
from services.chassis.postgres.borrow import borrow
from services.chassis.run import Process
from services.chassis.secrets import Vault
from services.chassis.settings import Settings
from services.registry.broker.room import PURPOSE
from services.registry.domain.own_names import OwnNames
from services.registry.identity.claims import Claims, IssuedClaim
from tests.support.servers import Database, until

OPS = "ops-token-of-the-tests"
SECRET_KEY = "a passphrase for tests"
_AGAIN_AFTER_S = 3.0  # of a unit ten; a test need not wait for that
_TIMES_MAX = 30


class DriftingClock:
    """The machine's, and as far ahead of it as a test wants."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def settings_for(database_url: str, mqtt_url: str, data_dir: Path, admin_url: str | None = None) -> Settings:
    return Settings(
        database_url=SecretStr(database_url),
        mqtt_url=SecretStr(mqtt_url),
        mqtt_admin_url=None if admin_url is None else SecretStr(admin_url),
        http_port=0,
        bootstrap_token=SecretStr(OPS),
        secret_key=SecretStr(SECRET_KEY),
        data_dir=data_dir,
    )


@dataclass
class Town:
    """`claims` issues as the API does."""

    pool: Pool
    host: str
    port: int
    clock: DriftingClock = field(default_factory=DriftingClock)
    process: Process | None = None

    @property
    def claims(self) -> Claims:
        return Claims(self.pool, Vault(SECRET_KEY).key(PURPOSE), OwnNames())

    async def ready(self, process: Process) -> None:
        """The registry hears requests and can answer them."""
        self.process = process
        await process.runtime.publisher.wait_connected()

        async def subscribed() -> bool:
            rows = await self.rows("select session_at from chassis.shard where shard = 'provisioning'")
            return rows[0]["session_at"] is not None

        await until(subscribed, what="the provisioning session to stand")

    async def rows(self, query: str, *args: object) -> list[dict[str, Any]]:
        async with borrow(self.pool) as connection:
            return [dict(row) for row in await connection.fetch(query, *args)]

    async def device(self, device_id: str = "TC-1", council: str = "glasgow-city", stage: str = "registered") -> None:
        await self.rows(
            "insert into registry.device (device_id, council_id, serial, model, stage, registered_at, changed_at) "
            "values ($1, $2, 'SN-' || $1, 'hearth-4g', $3, now(), now())",
            device_id,
            council,
            stage,
        )

    async def claim(self, device_id: str = "TC-1", **options: Any) -> IssuedClaim:
        issued = await self.claims.issue(device_id, actor="isla", now=self.clock.now(), **options)
        assert isinstance(issued, IssuedClaim), issued
        return issued

    async def withdraw(self, device_id: str) -> None:
        await self.rows(
            "update registry.device set stage = 'withdrawn', changed_at = now() where device_id = $1", device_id
        )

    async def history(self, device_id: str = "TC-1") -> list[str]:
        rows = await self.rows(
            "select change from registry.device_change where device_id = $1 order by device_change_id", device_id
        )
        return [row["change"] for row in rows]

    @contextlib.asynccontextmanager
    async def unit(self, claim: IssuedClaim, serial: str | None = None) -> AsyncIterator["Unit"]:
        """A unit that has nothing but a claim, connected as it shall."""
        serial = serial or claim.serial
        async with aiomqtt.Client(
            self.host,
            self.port,
            username=f"claim:{serial}",
            password=claim.code,
            identifier=f"claim:{serial}",
            protocol=aiomqtt.ProtocolVersion.V5,
            timeout=30,
        ) as client:
            await client.subscribe(provisioning_topic(serial, "response"), qos=1)
            yield Unit(client, serial, claim)


@dataclass
class Unit:
    client: aiomqtt.Client
    serial: str
    claim: IssuedClaim
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    async def ask(self, **other: Any) -> None:
        body = {"claim": self.claim.code, "nonce": self.nonce} | other
        await self.client.publish(provisioning_topic(self.serial, "request"), json.dumps(body), qos=1)

    async def answered(self, timeout_s: float = 30) -> dict[str, Any]:
        async with asyncio.timeout(timeout_s):
            message = await anext(aiter(self.client.messages))
        assert not message.retain
        answer: dict[str, Any] = json.loads(bytes(message.payload))
        return answer

    async def exchange(self, **other: Any) -> dict[str, Any]:
        """Asks once, for a registry that hears and can answer (`Town.ready`)."""
        await self.ask(**other)
        return await self.answered()

    async def insist(self) -> dict[str, Any]:
        """As a unit does: the same bytes again until there is an answer.

        Of the registry's two connections to a broker that was away one is back before the other, by up to ten seconds.
        """
        for _ in range(_TIMES_MAX):
            await self.ask()
            with contextlib.suppress(TimeoutError):
                return await self.answered(_AGAIN_AFTER_S)
        raise AssertionError("never answered")


@contextlib.asynccontextmanager
async def opened(database: Database, url: str, port: int) -> AsyncIterator[Town]:
    pool = await open_pool(database.url, role="telecare_registry", name="test")
    try:
        yield Town(pool, "127.0.0.1", port)
    finally:
        await pool.close()
