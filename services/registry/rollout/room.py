"""How the room of the rollout is wired: its routes, and the loops that count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter

from services.chassis.http import Access
from services.chassis.loop import Loop
from services.chassis.pages import Gate, Sessions
from services.chassis.postgres import Pool
from services.chassis.service import Link, Runtime
from services.registry.metrics import RolloutMetrics
from services.registry.rollout import http
from services.registry.rollout.beside import EVERY_S as BESIDE_EVERY_S
from services.registry.rollout.beside import Beside
from services.registry.rollout.counting import EVERY_S as COUNTING_EVERY_S
from services.registry.rollout.counting import Counting
from services.registry.rollout.page import LINK, page_routers
from services.registry.rollout.programme import ProgrammeStore
from services.registry.rollout.store import RolloutStore

METRICS_EVERY_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Room:
    """What the registry mounts and runs."""

    routers: Sequence[APIRouter]
    loops: Sequence[Loop]
    links: Sequence[Link] = (LINK,)


def rollout_room(runtime: Runtime, pool: Pool, access: Access) -> Room:
    clock = runtime.clock
    rollout = RolloutStore(pool, clock)
    metrics = RolloutMetrics(runtime.metrics, rollout)
    return Room(
        routers=[
            http.routes(rollout, ProgrammeStore(pool), access, clock),
            *page_routers(rollout, clock, Gate(Sessions(pool, clock, access))),
        ],
        loops=[
            Loop("rollout-counting", Counting(pool, clock).run_once, every_s=COUNTING_EVERY_S),
            Loop("rollout-beside", Beside(pool, clock).run_once, every_s=BESIDE_EVERY_S),
            Loop("registry-metrics", metrics.refresh, every_s=METRICS_EVERY_S),
        ],
    )
