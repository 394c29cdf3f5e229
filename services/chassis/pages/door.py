"""The sign-in of a process: in with a token and one's own name, and out again; for the pages of all its services."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, StringConstraints, ValidationError

from contracts import action
from services.chassis.http import Access, Problem, invalid
from services.chassis.pages.attempts import Attempts
from services.chassis.pages.cookie import forget, keep, secret_of
from services.chassis.pages.gate import Form, Gate, Signed, same_origin, wants_page
from services.chassis.pages.sessions import LASTS, Session, Sessions
from services.chassis.pages.site import COMMON, PageRoute
from services.chassis.pages.times import iso
from services.chassis.pages.ways import home_of, is_ours
from services.chassis.postgres import open_pool
from services.chassis.service import Entrance, Runtime, Service

_log = structlog.get_logger(__name__)

_ROLE: Final = "telecare_registry"  # who gives access
_CONNECTIONS_MAX: Final = 4
_NO_COOKIE: Final = "Your browser did not keep the sign-in: it needs an https:// address, and its cookie allowed."


async def build_door(runtime: Runtime, services: Sequence[Service]) -> Service | None:
    """The sign-in for the pages of `services`; None when they have none."""
    if not any(service.links for service in services):
        return None
    pool = await open_pool(runtime.database_url, role=_ROLE, name="sign-in", size=_CONNECTIONS_MAX)
    sessions = Sessions(pool, runtime.clock, Access(pool, runtime.settings, runtime.clock))
    entrances = [entrance for service in services for entrance in service.entrances]
    return Service(name="sign-in", routers=(COMMON.static_router(), _routes(sessions, entrances)), close=pool.close)


class Credentials(BaseModel):
    """What is asked for at the door."""

    token: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=512)]
    operator: Annotated[action.Operator, StringConstraints(strip_whitespace=True)]


def _routes(sessions: Sessions, entrances: Sequence[Entrance]) -> APIRouter:
    router = APIRouter(include_in_schema=False, route_class=PageRoute, dependencies=[Depends(same_origin)])
    attempts = Attempts()

    @router.get("/sign-in")
    async def door(request: Request) -> Response:
        no_cookie = request.query_params.get("from") == "sign-in"
        return _door(request, entrances, _NO_COOKIE if no_cookie else None)

    @router.post("/sign-in")
    async def sign_in(request: Request, form: Form) -> Response:
        """From the door: to the page that was asked for. From a page that is open already (a script): it stays."""
        try:
            secret, session = await _let_in(request, form, sessions, attempts)
        except Problem as problem:
            if not wants_page(request):
                raise
            return _door(request, entrances, str(problem.detail), HTTPStatus(problem.status_code), form)
        before = secret_of(request)
        if before is not None:
            await sessions.end(before)
        response: Response = JSONResponse(_told(session))
        if wants_page(request):
            response = RedirectResponse(_onward(request, form.get("next", ""), session), HTTPStatus.SEE_OTHER)
        keep(response, request, secret, LASTS)
        return response

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        secret = secret_of(request)
        if secret is not None:
            await sessions.end(secret)
        response = RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)
        forget(response, request)
        return response

    @router.get("/session", dependencies=[Depends(Gate(sessions))])
    async def signed_in(session: Signed) -> Response:
        """For scripts: who is signed in, and until when."""
        return JSONResponse(_told(session), headers={"Cache-Control": "no-store"})

    return router


def _told(session: Session) -> dict[str, Any]:
    return {"operator": session.operator, "expires_at": iso(session.expires_at)}


async def _let_in(
    request: Request, form: dict[str, str], sessions: Sessions, attempts: Attempts
) -> tuple[str, Session]:
    try:
        given = Credentials.model_validate(form)
    except ValidationError as error:
        field = str(error.errors(include_input=False)[0]["loc"][0])
        say = {"token": "give the access token that you were given", "operator": "give your name"}
        raise invalid((field, say[field])) from None
    opened = await sessions.open(given.token, given.operator)
    if opened is None:
        raise _refused(attempts, request.client.host if request.client else "")
    _log.info("signed_in", operator=given.operator, role=opened[1].who.role, hub_id=opened[1].who.hub_id)
    return opened


def _refused(attempts: Attempts, address: str) -> Problem:
    wait_s = attempts.failed(address)
    if wait_s == 0:
        return Problem(HTTPStatus.FORBIDDEN, "This token is unknown, expired or revoked. Ask whoever gave it to you.")
    return Problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        f"Too many attempts with tokens that are none. Try again in {wait_s} s.",
        headers={"Retry-After": str(wait_s)},
    )


def _door(
    request: Request,
    entrances: Sequence[Entrance],
    trouble: str | None,
    status: HTTPStatus = HTTPStatus.OK,
    form: dict[str, str] | None = None,
) -> Response:
    given = form or {}
    wanted = given.get("next") or request.query_params.get("next", "")
    return COMMON.page(
        request,
        "sign_in.html",
        status,
        trouble=trouble,
        operator=given.get("operator", ""),
        next=wanted if is_ours(request, wanted) else home_of(request, None),
        entrances=entrances,
    )


def _onward(request: Request, wanted: str, session: Session) -> str:
    """The page that was asked for, if it is one of ours; and a word by which it is noticed when no cookie comes along."""
    path = wanted if is_ours(request, wanted) else home_of(request, session.who.role)
    return f"{path}{'&' if '?' in path else '?'}from=sign-in"
