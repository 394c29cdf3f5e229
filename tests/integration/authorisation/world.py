"""All three services in one application over a real database, and two of everything: one's own, and another's.

Whatever is another's bears the word `foreign`, so that an answer which shows it can be told.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, TypeAlias

import aiohttp
import asyncpg
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from contracts.access import Role
from services.chassis.audit import AuditLog
from services.chassis.clock import DatabaseClock
from services.chassis.http import create_app, serve
from services.chassis.http.access import token_digest
from services.chassis.http.rates import Rates
from services.chassis.mqtt import MqttUrl, Publisher
from services.chassis.pages.door import build_door
from services.chassis.secrets import Vault
from services.chassis.service import Runtime, Service
from services.chassis.settings import load_settings
from services.cli.main import SERVICES, builds
from tests.support.servers import Database

Side: TypeAlias = Literal["own", "foreign"]
COUNCILS: Final[Mapping[Side, str]] = {"own": "glasgow-city", "foreign": "moray"}
HUBS: Final[Mapping[Side, str]] = {"own": "own-arc", "foreign": "foreign-arc"}
MARKS_OF_OTHERS: Final = ("foreign", "moray")

_KEY: Final = "a passphrase of this test"
_NOTIFY_TOKEN: Final = "the callback token of this test"
# One statement, for it is made before each of many hundred requests. A kind of thing that routes are about is added here.
_FRESH: Final = """
with given (council_id, hub_id, word, sealed) as (values ($1::text, $2::text, $3::text, $4::bytea)), device as (
    insert into registry.device (device_id, council_id, serial, model, installation_ref, registered_at, changed_at)
    select 'TC-' || word, council_id, word, 'hearth-4g', 'ref-' || word, now(), now() from given
    returning device_id
), alarm as (
    insert into alerts.alarm (alarm_id, device_id, council_id, kind, status, priority, state, step, event_count, test, unregistered,
        installation_ref, received_at, opened_at, last_event_at, policy_id, ladder_at, told_at, sole_device, changed_at, wake_at)
    select gen_random_uuid(), 'TC-' || word, council_id, 'personal_trigger', 'activated', 1, 'open', 0, 1, false, false,
        'ref-' || word, now(), now(), now(), 0, now(), now(), false, now(), now() + interval '1 minute' from given
    returning alarm_id
), silence as (
    insert into alerts.silence (silence_id, council_id, priorities, reason, operator, hub_id, starts_at, ends_at)
    select gen_random_uuid(), council_id, '{3}', 'works: ' || word, 'Isla', hub_id, now(), now() + interval '1 hour' from given
    returning silence_id
), outage as (
    insert into alerts.outage (outage_id, condition, attribute, value, opened_at, began_at, log_p, log_ratio, members, councils)
    select gen_random_uuid(), 'silent', 'cell_id', 'cell-' || word, now(), now(), -20, 20, 1, array[council_id] from given
    returning outage_id
), outage_member as (
    insert into alerts.outage_member (outage_id, device_id, council_id, joined_at)
    select outage_id, 'TC-' || word, council_id, now() from given, outage
    returning outage_id
), channel as (
    insert into registry.hub_channel (channel_id, hub_id, kind, position)
    select gen_random_uuid(), hub_id, 'mqtt', 1 from given
    returning channel_id
), responder as (
    insert into registry.responder (responder_id, council_id, position, kind, name_encrypted, address_encrypted, created_at)
    select gen_random_uuid(), council_id, 0, 'email', sealed, sealed, now() from given
    returning responder_id
)
select council_id, hub_id, device_id, alarm_id, silence_id, outage_id, channel_id, responder_id
from given, device, alarm, silence, outage join outage_member using (outage_id), channel, responder
"""


@dataclass(frozen=True)
class Told:
    """What came back, as far as anybody looks."""

    status: int
    text: str
    headers: Mapping[str, str]


@dataclass
class World:
    """Where to ask, and what to ask about."""

    app: FastAPI
    url: str
    http: aiohttp.ClientSession
    database: asyncpg.Connection[asyncpg.Record]
    audit: AuditLog
    services: Sequence[Service]
    database_of: Database
    tokens: dict[Role, str] = field(default_factory=dict)
    cookies: dict[Role, str] = field(default_factory=dict)
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self, *loops: str) -> None:
        """What these loops have to do, until nothing is left."""
        for service in self.services:
            for loop in service.loops:
                if loop.name in loops:
                    while await loop.run_once():
                        pass

    async def token(self, role: Role, name: str, **columns: datetime | None) -> str:
        """A token of that role, for one's own councils or hub."""
        token = f"tc_{secrets.token_urlsafe(16)}"
        await self.database.execute(
            "insert into registry.access_token (access_token_id, name, sha256, role, hub_id, councils, created_at, expires_at, "
            "revoked_at) values ($1, $2, $3, $4, $5, $6, now() - interval '1 hour', $7, $8)",
            *(uuid.uuid4(), name, token_digest(token), role, HUBS["own"] if role == "hub" else None),
            *([COUNCILS["own"]] if role == "engineer" else None, columns.get("expires_at"), columns.get("revoked_at")),
        )
        return token

    async def sign_in(self, token: str) -> str:
        """The cookie of somebody who came through the door of the pages."""
        async with self.http.post(
            f"{self.url}/sign-in",
            data={"token": token, "operator": "Isla"},
            headers={"Origin": self.url, "Accept": "application/json"},
            allow_redirects=False,
        ) as response:
            assert response.status == 200, await response.text()
            return response.headers["Set-Cookie"].partition(";")[0]

    async def fresh(self, side: Side) -> dict[str, str]:
        """One new thing of every kind, so that no request meets what another one has changed."""
        word = f"{side}-{secrets.token_hex(6)}"
        sealed = Vault(_KEY).encrypt(f"{word}@example.org".encode())
        async with self._making:  # one connection, and many who ask
            made = await self.database.fetchrow(_FRESH, COUNCILS[side], HUBS[side], word, sealed)
        assert made is not None
        return {name: str(value) for name, value in made.items()} | {"new": f"{side}{secrets.token_hex(6)}"}


@asynccontextmanager
async def make_world(database: Database, data_dir: Path) -> AsyncIterator[World]:
    """The services answer HTTP; their loops rest, so that only what is asked happens."""
    settings = load_settings(
        database_url=database.url,
        mqtt_url="mqtt://127.0.0.1:1",
        secret_key=_KEY,
        notify_callback_token=_NOTIFY_TOKEN,
        oidc_issuer="http://127.0.0.1:1",
        oidc_client_id="telecare",
        oidc_client_secret="of tests",
        oidc_role_map='{"a group": {"role": "viewer"}}',
        data_dir=data_dir,
    )
    mqtt_url, metrics = MqttUrl.parse("mqtt://127.0.0.1:1"), CollectorRegistry()
    clock = DatabaseClock()
    audit = AuditLog(clock, metrics)
    await audit.open(database.url, "telecare_registry")
    runtime = Runtime(settings, clock, metrics, mqtt_url, Publisher(mqtt_url, "test"), "test", audit)
    services = [await build(runtime) for build in builds(SERVICES)]
    door = await build_door(runtime, services)
    assert door is not None
    services.append(door)
    # No limit: everything is asked, by everybody, in no time.
    app = create_app("telecare", services, metrics, audit=audit, rates=Rates(0))
    server = await serve(app, "127.0.0.1", 0)
    # What the test makes need not be on the disk: there is a lot of it.
    connection = await asyncpg.connect(database.url, server_settings={"synchronous_commit": "off"})
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
            yield World(app, server.url, http, connection, audit, services, database)
    finally:
        await connection.close()
        await server.stop()
        await audit.close()
        for service in services:
            if service.close is not None:
                await service.close()


async def populate(world: World) -> None:
    """Two hubs with a council each, and a caller of every role who is of the one and not of the other."""
    sides: tuple[Side, ...] = ("own", "foreign")
    for side in sides:
        await world.database.execute("insert into registry.hub values ($1, $1, now())", HUBS[side])
        await world.database.execute(
            "insert into registry.council_route values ($1, 0, $2)", COUNCILS[side], HUBS[side]
        )
    roles: tuple[Role, ...] = ("ops", "engineer", "hub", "viewer")
    for role in roles:
        world.tokens[role] = await world.token(role, f"the {role}")
        world.cookies[role] = await world.sign_in(world.tokens[role])
