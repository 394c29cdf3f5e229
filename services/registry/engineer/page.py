"""The engineer's addresses, all under `/engineer`."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from services.chassis.pages import Gate, Sessions, secret_of
from services.chassis.service import Link
from services.registry.engineer.acting import Acting, add_acting
from services.registry.engineer.labels import add_labels
from services.registry.engineer.looking import Looking, add_looking
from services.registry.engineer.site import SITE
from services.registry.idempotency import Caller, Idempotency, KeyStore, caller_of

LINK: Final = Link(
    "/engineer/",
    "Fitting",
    "register, commission and put a box live",
    frozenset({"ops", "engineer"}),
    frozenset({"engineer"}),
)
_WORKER: Final = Path(__file__).with_name("worker.js").read_text(encoding="utf-8")


def page_routers(looking: Looking, acting: Acting, keys: KeyStore, public_url: str | None) -> Sequence[APIRouter]:
    """The pages, their files, and what is there without a line."""
    inside = SITE.gated(Gate(looking.sessions))
    inside.route_class = Idempotency(keys, _person_of(looking.sessions)).around(inside.route_class)
    add_looking(inside, looking)
    add_labels(inside, looking.store, public_url)
    add_acting(inside, acting)
    return [_doorstep(), SITE.static_router(), inside]


def _doorstep() -> APIRouter:
    """Of nobody and for anybody: it holds nothing of a box or a person, so that a phone may keep it."""
    router = SITE.router()

    @router.get("")
    async def without_slash() -> Response:
        return RedirectResponse("/engineer/", HTTPStatus.PERMANENT_REDIRECT)

    @router.get("/offline")
    async def offline(request: Request) -> Response:
        return SITE.page(request, "offline.html")

    @router.get("/worker.js")
    async def worker(request: Request) -> Response:
        """Its text holds the version, so that a browser notices a new one."""
        assets = bytes(SITE.page(request, "worker.txt").body).decode()
        headers = {"Cache-Control": "no-cache", "Content-Security-Policy": "default-src 'none'; connect-src 'self'"}
        return Response(f"{assets}{_WORKER}", media_type="text/javascript; charset=utf-8", headers=headers)

    return router


def _person_of(sessions: Sessions) -> Caller:
    async def caller(request: Request) -> bytes | None:
        secret = secret_of(request)
        session = await sessions.find(secret) if secret else None
        return None if session is None else caller_of(session.who, session.operator)

    return caller
