"""The running registry as its tests handle it: callers in every role, a clock to move, a look into the database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client import CollectorRegistry

from contracts.access import Principal, Role
from services.chassis.http import create_app, serve
from services.chassis.mqtt import MqttUrl, Publisher
from services.chassis.pages.door import build_door
from services.chassis.postgres.pool import connect
from services.chassis.service import Runtime, Service
from services.chassis.settings import load_settings
from services.registry.service import build
from services.registry.tokens import create_token
from tests.blackbox.api import PROBLEM, Answer, Api
from tests.support.servers import Database

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
SECRET = "whsec_bm8gc2VjcmV0IG9mIGFueWJvZHkncyBhdCBhbGw="
GLASGOW = {"device_id": "TC-000123", "council_id": "glasgow-city", "serial": "SN-123", "model": "Chiptech SEVEN"}


@dataclass
class MovedClock:
    """Stands still until it is moved."""

    at: datetime = NOW

    def now(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class Registry:
    """The running service, and who may call it."""

    ops: Api
    clock: MovedClock
    service: Service
    metrics: CollectorRegistry
    database: Database
    settings: dict[str, Any] = field(repr=False)

    async def execute(self, statement: str, *args: object) -> None:
        connection = await connect(self.database.url, name="test")
        try:
            await connection.execute(statement, *args)
        finally:
            await connection.close()

    async def rows(self, query: str, *args: object) -> list[dict[str, Any]]:
        connection = await connect(self.database.url, name="test")
        try:
            return [dict(row) for row in await connection.fetch(query, *args)]
        finally:
            await connection.close()

    async def caller(self, role: Role, name: str | None = None, **rights: Any) -> Api:
        """A caller with a token of that role, called after it unless told otherwise."""
        connection = await connect(self.database.url, name="test", role="telecare_registry")
        try:
            token = await create_token(
                connection, name=name or f"the {role}", role=role, now=self.clock.now(), **rights
            )
        finally:
            await connection.close()
        return self.ops.by(token)

    def principal(self, role: Role, name: str) -> Principal:
        """Somebody of that role, for whoever is asked without HTTP."""
        return Principal(name=name, role=role)

    async def make_hub(self, hub_id: str, *councils: str) -> None:
        """A hub told by MQTT, which takes these councils' alarms."""
        made = await self.ops.put(f"/api/v1/hubs/{hub_id}", {"name": hub_id, "channels": [{"kind": "mqtt"}]})
        assert made.status == 201, made
        for council in councils:
            routed = await self.ops.put(f"/api/v1/councils/{council}/routing", {"hubs": [hub_id]})
            assert routed.status == 200, routed

    async def register(self, device_id: str, council: str = "glasgow-city") -> None:
        body = GLASGOW | {"device_id": device_id, "serial": f"SN-{device_id}", "council_id": council}
        answer = await self.ops.post("/api/v1/devices", body)
        assert answer.status == 201, answer


def refused(answer: Answer, status: int) -> dict[str, Any]:
    """The problem document of an answer with this status."""
    assert (answer.status, answer.content_type) == (status, PROBLEM), answer
    assert answer.body["status"] == status
    body: dict[str, Any] = answer.body
    return body


def fields(problem: dict[str, Any]) -> set[str]:
    """The fields that it names."""
    return {error["field"] for error in problem["errors"]}


@asynccontextmanager
async def registry_of(database: Database, data_dir: Path, *, with_door: bool = False) -> AsyncIterator[Registry]:
    """The registry, served on a port of its own; with the sign-in of its pages, if they are to be opened. No loop runs."""
    chosen = {
        "database_url": database.url,
        "mqtt_url": "mqtt://127.0.0.1:1",
        "bootstrap_token": "bootstrap-token-of-this-test",
        "secret_key": "a passphrase of this test",
        "webhook_allow_cidrs": "127.0.0.0/8",
        "data_dir": data_dir,
    }
    settings = load_settings(**chosen)
    clock, metrics = MovedClock(), CollectorRegistry()
    mqtt_url = MqttUrl.parse("mqtt://127.0.0.1:1")
    runtime = Runtime(settings, clock, metrics, mqtt_url, Publisher(mqtt_url, "test"), "test")
    service = await build(runtime)
    door = await build_door(runtime, [service]) if with_door else None
    services = [service] if door is None else [service, door]
    server = await serve(create_app("telecare", services, metrics), "127.0.0.1", 0)
    async with aiohttp.ClientSession() as session:
        ops = Api(session, server.url, "bootstrap-token-of-this-test")
        yield Registry(ops, clock, service, metrics, database, chosen)
    await server.stop()
    for each in services:
        assert each.close is not None
        await each.close()
