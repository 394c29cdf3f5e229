"""The console's addresses, all under `/console`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from services.alerts.console.acting import add_acting, add_silencing
from services.alerts.console.embedding import Embedding
from services.alerts.console.looking import add_looking, add_presence
from services.alerts.console.site import SITE
from services.alerts.console.stream import Stream
from services.alerts.people import People
from services.chassis.clock import Clock
from services.chassis.pages import Gate, Sessions
from services.chassis.postgres import Pool


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


def console_routers(console: Console) -> Sequence[APIRouter]:
    """To be mounted beside those of the API; in no API document, for they are for people."""
    return SITE.static_router(), _without_slash(), _behind_the_gate(console)


def _without_slash() -> APIRouter:
    router = SITE.router()

    @router.get("")
    async def without_slash() -> Response:
        return RedirectResponse("/console/", HTTPStatus.PERMANENT_REDIRECT)

    return router


def _behind_the_gate(console: Console) -> APIRouter:
    inside = SITE.gated(console.gate)
    add_looking(inside, console.reading, console.clock, console.stream, console.sessions, console.embedding)
    add_presence(inside, console.reading, console.clock)
    add_acting(inside, console.acting, console.clock, console.people)
    add_silencing(inside, console.acting, console.clock)
    return inside
