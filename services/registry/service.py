"""The one place where the registry is wired."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import asyncpg

from services.chassis.http import Access
from services.chassis.loop import Loop
from services.chassis.postgres import Pool, Queries, open_pool
from services.chassis.postgres.borrow import borrow
from services.chassis.secrets import Vault
from services.chassis.service import Runtime, Service
from services.registry.audit import http as audit_http
from services.registry.audit.retention import audit_retention_loop
from services.registry.audit.store import AuditReader
from services.registry.broker.room import broker_room
from services.registry.bulk import http as bulk_http
from services.registry.bulk.reading import BODY_BYTES_MAX
from services.registry.bulk.store import BulkStore
from services.registry.commissioning import checklist_of
from services.registry.commissioning.room import commissioning_room
from services.registry.contacts import Contacts
from services.registry.councils import http as councils_http
from services.registry.councils.store import CouncilStore
from services.registry.devices import http as devices_http
from services.registry.devices import life_http
from services.registry.devices.life import DeviceLife
from services.registry.devices.patching import Patches
from services.registry.devices.store import DeviceStore
from services.registry.erasure import http as erasure_http
from services.registry.erasure.store import ErasureStore
from services.registry.expiry import Expiry
from services.registry.hubs import http as hubs_http
from services.registry.hubs.store import HubStore
from services.registry.identity import credentials_http
from services.registry.identity import http as identity_http
from services.registry.models import http as models_http
from services.registry.models.store import ModelStore
from services.registry.responders import http as responders_http
from services.registry.responders.store import ResponderStore
from services.registry.rollout.room import rollout_room
from services.registry.routing import http as routing_http
from services.registry.routing.store import RoutingStore
from services.registry.verification import http as verification_http
from services.registry.verification.store import VerificationStore

_QUERIES = Queries.beside(__file__)

ROLE = "telecare_registry"
EXPIRY_EVERY_S = 600.0


async def build(runtime: Runtime) -> Service:
    """Wire the registry. Raises SettingsError when secrets can't be encrypted (TELECARE_SECRET_KEY)."""
    settings, clock = runtime.settings, runtime.clock
    vault = Vault.from_settings(settings)
    contacts = Contacts(vault)
    pool = await open_pool(runtime.database_url, role=ROLE, name="registry")
    access = Access(pool, settings, clock)
    broker = broker_room(runtime, pool, vault)
    sign_off = partial(checklist_of, identity_kept=settings.mqtt_admin_url is not None)
    devices, life = DeviceStore(pool, broker.own_names), DeviceLife(pool, sign_off, broker.own_names)
    patches = Patches(pool, sign_off)
    field = commissioning_room(runtime, pool, vault, access, devices, life, broker.claims)
    rollout = rollout_room(runtime, pool, access)
    return Service(
        name="registry",
        routers=[
            councils_http.routes(CouncilStore(pool), access),
            routing_http.routes(RoutingStore(pool), access, clock),
            responders_http.routes(ResponderStore(pool, contacts), access, clock),
            hubs_http.routes(HubStore(pool, contacts), access, clock, settings.webhook_allow_cidrs),
            verification_http.routes(VerificationStore(pool), access, clock),
            models_http.routes(ModelStore(pool), access, clock),
            bulk_http.routes(BulkStore(pool, broker.own_names), devices, access, clock),
            devices_http.routes(devices, patches, broker.claims, access, clock, field.once),
            life_http.routes(devices, life, access, clock, field.once),
            identity_http.routes(broker.claims, devices, life, access, clock, field.once),
            credentials_http.routes(broker.credentials, access, clock),
            *field.routers,
            *rollout.routers,
            audit_http.routes(AuditReader(pool), access),
            erasure_http.routes(ErasureStore(pool, vault), devices, access, clock),
        ],
        loops=[
            *rollout.loops,
            Loop("registry-expiry", Expiry(pool, clock).run_once, every_s=EXPIRY_EVERY_S),
            audit_retention_loop(runtime, pool),
            *broker.loops,
            *field.loops,
        ],
        bodies={bulk_http.IMPORT_PATH: BODY_BYTES_MAX},
        tasks=[*broker.tasks],
        listens=broker.listens | field.listens,
        notes=broker.notes,
        links=[*field.links, *rollout.links],
        checks=[_database_check(pool), *broker.checks],
        close=pool.close,
    )


def _database_check(pool: Pool) -> Callable[[], Awaitable[str | None]]:
    async def check() -> str | None:
        try:
            async with borrow(pool) as connection:
                found = await connection.fetchval(_QUERIES["councils_are_there"])
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            return "The database is not migrated: run `telecare migrate`."
        return None if found else "The database knows no council: run `telecare migrate`."

    return check
