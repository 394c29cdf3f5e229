"""Alerts in the test's own process: a real database, a clock that the test moves, and every `run_once` called by hand."""

import base64
import secrets
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from pydantic import SecretStr

from contracts.alarm_event import AlarmEvent
from services.alerts.parts import Parts, assemble
from services.chassis.event_log import LogEntry, append
from services.chassis.postgres import Pool
from services.chassis.run import make_runtime
from services.chassis.secrets import Vault
from services.chassis.service import Runtime
from services.chassis.settings import Settings
from tests.support.servers import Database
from tests.unit.alerts.build import event

SECRET_KEY = "a passphrase for tests"


class MovedClock:
    """Starts at the present, for receivers compare with theirs, and moves only when told."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)

    def now(self) -> datetime:
        return self._now

    def move(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class World:
    """One installation's alerts, councils, hubs and devices."""

    def __init__(self, runtime: Runtime, clock: MovedClock, parts: Parts, database: Pool) -> None:
        self.runtime = runtime
        self.clock = clock
        self.parts = parts
        self.database = database
        self.vault = Vault.from_settings(runtime.settings)

    # -- the registry's side -----------------------------------------------------------------------------------------

    async def hub(self, hub_id: str, *urls: str, secret: str = "", mqtt: bool = False, verified: bool = True) -> None:
        """A hub with a webhook at each URL."""
        now = self.clock.now()
        await self.database.execute("insert into registry.hub values ($1, $1, $2)", hub_id, now)
        secret = secret or f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}"
        channels: list[tuple[str, str | None, bytes | None]] = [
            ("webhook", url, self.vault.encrypt(secret.encode())) for url in urls
        ]
        if mqtt:
            channels.append(("mqtt", None, None))
        for position, (kind, url, encrypted) in enumerate(channels):
            await self.database.execute(
                "insert into registry.hub_channel (channel_id, hub_id, kind, url, secret_encrypted, verified_at, position) "
                "values ($1, $2, $3, $4, $5, $6, $7)",
                *(uuid.uuid4(), hub_id, kind, url, encrypted, now if verified else None, position),
            )

    async def route(self, council_id: str, *hub_ids: str) -> None:
        """Who answers a council's alarms, in order."""
        await self.database.execute("delete from registry.council_route where council_id = $1", council_id)
        for position, hub_id in enumerate(hub_ids):
            await self.database.execute(
                "insert into registry.council_route values ($1, $2, $3)", council_id, position, hub_id
            )

    async def register(self, device_id: str, council_id: str = "glasgow-city", sole_trigger: str | None = None) -> None:
        await self.database.execute(
            "insert into registry.device (device_id, council_id, serial, model, installation_ref, sole_trigger, "
            "registered_at, changed_at) values ($1, $2, $1, 'Careline 3', 'GLA-4711', $3, now(), now())",
            device_id,
            council_id,
            sole_trigger,
        )

    # -- what happens ------------------------------------------------------------------------------------------------

    async def arrive(self, *events: AlarmEvent) -> None:
        """Ingest tells of events, and everything that follows at once is done."""
        await self.tell(*events)
        await self.settle()

    async def press(self, kind: str = "fall", status: str = "activated", **fields: Any) -> AlarmEvent:
        """One event of a device, told and settled."""
        happened = event(kind, status, received_at=self.clock.now(), **fields)
        await self.arrive(happened)
        return happened

    async def tell(self, *events: AlarmEvent) -> None:
        """As ingest does, in the transaction of the fact."""
        entries = [LogEntry("alarms", each.device_id, int(each.urgency), each.to_json()) for each in events]
        async with self.database.acquire() as connection:
            await append(connection, entries, self.clock.now())

    async def after(self, seconds: float) -> None:
        """Time moves on, and everything that is due by then is done."""
        self.clock.move(seconds)
        await self.settle()

    async def settle(self) -> None:
        """Do what is due until nothing is."""
        while True:
            worked = await self.parts.consumer.run_once()
            worked += await self.parts.waker.run_once()
            worked += await self.parts.dispatcher.run_once()
            await self.parts.dispatcher.settled()
            if not worked:
                return

    # -- what came of it ---------------------------------------------------------------------------------------------

    async def alarms(self, device_id: str | None = None) -> list[dict[str, Any]]:
        """Every alarm, oldest first."""
        rows = await self.database.fetch(
            "select * from alerts.alarm where $1::text is null or device_id = $1 order by received_at, opened_at",
            device_id,
        )
        return [dict(row) | {"alarm_id": str(row["alarm_id"])} for row in rows]

    async def alarm(self, device_id: str | None = None) -> dict[str, Any]:
        """The only one."""
        (alarm,) = await self.alarms(device_id)
        return alarm

    async def history(self, alarm_id: str) -> list[tuple[str, str]]:
        rows = await self.database.fetch(
            "select event, reason from alerts.transition where alarm_id = $1 order by transition_id", alarm_id
        )
        return [(row["event"], row["reason"]) for row in rows]

    async def deliveries(self, *kinds: str) -> list[dict[str, Any]]:
        rows = await self.database.fetch(
            "select d.*, t.event from alerts.delivery d join alerts.transition t using (transition_id) "
            "where d.kind = any ($1) order by delivery_id",
            list(kinds or ("webhook", "mqtt")),
        )
        return [dict(row) for row in rows]

    async def told(self) -> list[tuple[str, str]]:
        """Which hub was to be told what, in order."""
        return [(each["hub_id"], each["event"]) for each in await self.deliveries()]

    async def receipts(self) -> list[dict[str, Any]]:
        """What devices were to be told, in order."""
        return await self.deliveries("receipt")

    def metric(self, name: str, **labels: str) -> float:
        return self.runtime.metrics.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def make_world(
    database: Database, data_dir: Path, *, mqtt_url: str = "mqtt://127.0.0.1:1", **settings: Any
) -> AsyncIterator[World]:
    """Alerts on a database; without a broker unless one is given and its publisher run."""
    runtime = make_runtime(
        Settings(
            **{
                "database_url": SecretStr(database.url),
                "mqtt_url": SecretStr(mqtt_url),
                "secret_key": SecretStr(SECRET_KEY),
                "bootstrap_token": SecretStr("ops-token"),
                "webhook_allow_cidrs": "127.0.0.0/8",
                "data_dir": data_dir,
                **settings,
            }
        )
    )
    clock = MovedClock()
    runtime = replace(runtime, clock=clock)
    parts = await assemble(runtime)
    async with asyncpg.create_pool(database.url, min_size=1, max_size=4) as admin:
        yield World(runtime, clock, parts, admin)
    await parts.close()
