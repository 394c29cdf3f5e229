"""All that has to do with commissioning and the engineer's pages, put together for `service.build`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from fastapi.routing import APIRoute

from services.chassis.http import Access
from services.chassis.loop import Loop
from services.chassis.pages import Sessions
from services.chassis.postgres import Pool
from services.chassis.secrets import Vault
from services.chassis.service import Link, Runtime
from services.registry.commissioning import http
from services.registry.commissioning.commands import EVERY_S, Commander
from services.registry.commissioning.store import CommissioningStore
from services.registry.commissioning.stream import Stream
from services.registry.devices.life import DeviceLife
from services.registry.devices.store import DeviceStore
from services.registry.engineer.acting import Acting
from services.registry.engineer.looking import Looking
from services.registry.engineer.page import LINK, page_routers
from services.registry.engineer.store import EngineerStore
from services.registry.idempotency import Idempotency, KeyStore, bearer_of
from services.registry.identity.claims import Claims

_FORGET_EVERY_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class CommissioningRoom:
    """`once`: the class of routes that heed an Idempotency-Key, for others' too."""

    once: type[APIRoute]
    routers: Sequence[APIRouter]
    links: Sequence[Link]
    loops: Sequence[Loop]
    listens: dict[str, Callable[[str], None]]


def commissioning_room(
    runtime: Runtime,
    pool: Pool,
    vault: Vault,
    access: Access,
    devices: DeviceStore,
    life: DeviceLife,
    claims: Claims,
) -> CommissioningRoom:
    clock = runtime.clock
    sessions = Sessions(pool, clock, access)
    keys = KeyStore(pool, clock, vault)
    store, stream = CommissioningStore(pool, runtime.settings.mqtt_admin_url is not None), Stream(clock)
    commander = Commander(pool, runtime.publisher, clock)
    commands = Loop("commissioning-commands", commander.run_once, every_s=EVERY_S)

    looking = Looking(devices, store, EngineerStore(pool), stream, sessions, clock)
    acting = Acting(devices, life, claims, store, clock, looking.form)

    def stage_changed(device_id: str) -> None:
        commands.poke()
        stream.poke(device_id)

    return CommissioningRoom(
        once=Idempotency(keys, bearer_of(access)).around(),
        routers=[
            http.routes(store, devices, stream, access, clock),
            *page_routers(looking, acting, keys, runtime.settings.public_url),
        ],
        links=[LINK],
        loops=[
            commands,
            Loop("commissioning-forgets", commander.forget, every_s=_FORGET_EVERY_S),
            Loop("idempotency-forgets", keys.forget, every_s=_FORGET_EVERY_S),
        ],
        listens={"commissioning": stage_changed},
    )
