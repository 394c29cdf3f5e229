"""The console's addresses, all under `/console`."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Depends
from fastapi.responses import RedirectResponse, Response

from services.alerts.console.acting import add_acting, add_silencing
from services.alerts.console.assets import asset
from services.alerts.console.attempts import Attempts
from services.alerts.console.embedding import Embedding
from services.alerts.console.gate import Gate, PageRoute, same_origin
from services.alerts.console.looking import add_looking, add_presence
from services.alerts.console.sessions import Sessions
from services.alerts.console.sign_in import add_sign_in
from services.alerts.console.stream import Stream
from services.alerts.people import People
from services.chassis.clock import Clock
from services.chassis.postgres import Pool

_PREFIX: Final = "/console"


@dataclass(frozen=True, slots=True)
class Console:
    """What it is made of. `reading` serves lists, `acting` what must never wait for them."""

    reading: Pool
    acting: Pool
    clock: Clock
    people: People
    stream: Stream
    sessions: Sessions
    embedding: Embedding

    @property
    def gate(self) -> Gate:
        """For pages of others behind the same sign-in."""
        return Gate(self.sessions)


def console_router(console: Console) -> APIRouter:
    """The router, to be mounted beside those of the API; in no API document, for it is for people."""
    router = APIRouter(include_in_schema=False, dependencies=[Depends(same_origin)])
    router.include_router(_doorstep(console))
    router.include_router(_behind_the_gate(console))
    return router


def _doorstep(console: Console) -> APIRouter:
    doorstep = APIRouter(prefix=_PREFIX, route_class=PageRoute)

    @doorstep.get("")
    async def without_slash() -> Response:
        return RedirectResponse("/console/", HTTPStatus.PERMANENT_REDIRECT)

    @doorstep.get("/static/{version}/{name}")
    async def static(version: str, name: str) -> Response:
        return asset(version, name)

    add_sign_in(doorstep, console.sessions, Attempts(), console.embedding)
    return doorstep


def _behind_the_gate(console: Console) -> APIRouter:
    inside = APIRouter(prefix=_PREFIX, route_class=PageRoute, dependencies=[Depends(console.gate)])
    add_looking(inside, console.reading, console.clock, console.stream, console.sessions, console.embedding)
    add_presence(inside, console.reading, console.clock)
    add_acting(inside, console.acting, console.clock, console.people)
    add_silencing(inside, console.acting, console.clock)
    return inside
