"""All that has to do with commissioning, put together for `service.build`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from fastapi.routing import APIRoute

from services.chassis.http import Access
from services.chassis.loop import Loop
from services.chassis.postgres import Pool
from services.chassis.secrets import Vault
from services.chassis.service import Runtime
from services.registry.commissioning import http
from services.registry.commissioning.commands import EVERY_S, Commander
from services.registry.commissioning.store import CommissioningStore
from services.registry.commissioning.stream import Stream
from services.registry.devices.store import DeviceStore
from services.registry.idempotency import Idempotency, KeyStore, bearer_of

_FORGET_EVERY_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class CommissioningRoom:
    """`once`: the class of routes that heed an Idempotency-Key, for others' too."""

    once: type[APIRoute]
    routers: Sequence[APIRouter]
    loops: Sequence[Loop]
    listens: dict[str, Callable[[str], None]]


def commissioning_room(
    runtime: Runtime, pool: Pool, vault: Vault, access: Access, devices: DeviceStore
) -> CommissioningRoom:
    clock = runtime.clock
    keys = KeyStore(pool, clock, vault)
    store, stream = CommissioningStore(pool), Stream(clock)
    commander = Commander(pool, runtime.publisher, clock)
    commands = Loop("commissioning-commands", commander.run_once, every_s=EVERY_S)

    def stage_changed(device_id: str) -> None:
        commands.poke()
        stream.poke(device_id)

    return CommissioningRoom(
        once=Idempotency(keys, bearer_of(access)).around(),
        routers=[http.routes(store, devices, stream, access, clock)],
        loops=[
            commands,
            Loop("commissioning-forgets", commander.forget, every_s=_FORGET_EVERY_S),
            Loop("idempotency-forgets", keys.forget, every_s=_FORGET_EVERY_S),
        ],
        listens={"commissioning": stage_changed},
    )
