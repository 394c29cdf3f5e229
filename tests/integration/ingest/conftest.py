"""Ingest in the test's own process, on a real broker and a real database, with paho as devices."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from services.chassis.http.readiness import Readiness
from services.chassis.run import Process, running
from services.chassis.settings import Settings
from services.chassis.shard import lease, runner
from services.ingest.service import build
from tests.blackbox.box import Box
from tests.support.servers import Broker, Database, until

COUNCIL = "glasgow-city"
LONG_S = 60.0

MakeBox = Callable[..., Awaitable[Box]]


class Ingest:
    """A running ingest, and the database seen from outside."""

    def __init__(self, process: Process, database: asyncpg.Connection[asyncpg.Record]) -> None:
        self.process = process
        self.database = database

    async def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """What the database holds."""
        return await self.database.fetch(query, *arguments)

    async def count(self, table: str, where: str = "true", *arguments: object) -> int:
        """How many rows."""
        return int(await self.database.fetchval(f"select count(*) from {table} where {where}", *arguments))

    async def register(self, *device_ids: str, council: str = COUNCIL, stage: str = "live") -> None:
        """Put devices on the register, as the registry does."""
        for device_id in device_ids:
            await self.database.execute(
                "insert into registry.device (device_id, council_id, serial, model, stage, registered_at, changed_at) "
                "values ($1, $2, $1, 'Careline 3', $3, now(), now())",
                device_id,
                council,
                stage,
            )
            await self.tell_of(device_id)

    async def tell_of(self, device_id: str) -> None:
        """Append what the registry appends when something about a device changes."""
        await self.database.execute(
            "insert into chassis.event_log (stream, key, urgency, body, created_at, not_before) "
            "values ('devices', $1, 5, '{}', now(), now())",
            device_id,
        )

    def metric(self, name: str, **labels: str) -> float:
        """A sample's value, nought when it is not there."""
        return sample(self.process.runtime.metrics, name, **labels)

    async def unready(self) -> str:
        """What keeps it from being ready, in one string, as `/readyz` has it: a check that fails is a reason."""
        return " ".join(finding.reason for finding in await Readiness(self.process.services[:1]).findings())

    async def unready_without_asking_it(self) -> str:
        """The same, of the checks that need no database to answer."""
        shards, storing, *_ = self.process.services[0].checks
        return " ".join(filter(None, (await shards(), await storing())))


def sample(registry: CollectorRegistry, name: str, **labels: str) -> float:
    """A sample's value, nought when it is not there."""
    return registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def run_ingest(database_url: str, mqtt_url: str, observed_url: str | None = None) -> AsyncIterator[Ingest]:
    """Start ingest, and return when it is subscribed. `observed_url`: the database as the test reaches it."""
    settings = Settings(database_url=database_url, mqtt_url=mqtt_url, http_port=0)
    observer = await asyncpg.connect(observed_url or database_url)
    try:
        async with running(settings, [build]) as process:
            ingest = Ingest(process, observer)
            await until(lambda: _all_ready(ingest), what="ingest to be ready")
            await process.runtime.publisher.wait_connected()
            yield ingest
    finally:
        observer.terminate()  # the server may be paused


async def _all_ready(ingest: Ingest) -> bool:
    return not await ingest.unready()


@pytest.fixture
def long_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause of this machine lets a lease lapse: worker and standby share its process, and four seconds are soon gone.

    Nor ends it a session: by its keep-alive the broker gives up whoever says nothing for six. What a lapse does is shown where
    one is made.
    """
    for module, name in ((lease, "LEASE_S"), (runner, "LEASE_S"), (lease, "LAPSE_S"), (lease, "_ASK_TIMEOUT_S")):
        monkeypatch.setattr(module, name, LONG_S)
    monkeypatch.setattr(runner, "_CONNECT_TIMEOUT_S", LONG_S)
    monkeypatch.setattr(runner, "_KEEP_ALIVE_S", int(LONG_S))


@pytest.fixture
async def ingest(long_leases: None, database: Database, broker: Broker) -> AsyncIterator[Ingest]:
    async with run_ingest(database.url, broker.url) as running_ingest:
        yield running_ingest


@pytest.fixture
async def make_box(broker: Broker) -> AsyncIterator[MakeBox]:
    """Makes a connected device; it is gone when the test is over."""
    boxes: list[Box] = []

    async def make(device_id: str | None = None, council: str = COUNCIL) -> Box:
        box = Box(broker, device_id or f"TC-{secrets.token_hex(4)}", council)
        boxes.append(box)
        await box.connect()
        return box

    yield make
    for box in boxes:
        box.close()


@pytest.fixture
async def box(make_box: MakeBox) -> Box:
    return await make_box()
