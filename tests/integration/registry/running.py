"""The running registry as its tests handle it: callers in every role, a clock to move, a look into the database."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from contracts.access import Principal, Role
from services.chassis.postgres.pool import connect
from services.chassis.service import Service
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
