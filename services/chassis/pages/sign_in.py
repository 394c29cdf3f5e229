"""In with a token and one's own name, and out again."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final, Protocol

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, StringConstraints, ValidationError

from contracts import action
from services.chassis.audit import unaudited
from services.chassis.audit.requests import passed_the_door
from services.chassis.http import Problem, invalid
from services.chassis.http.rates import address_of, network_of
from services.chassis.pages.attempts import Attempts
from services.chassis.pages.cookie import forget, keep, secret_of
from services.chassis.pages.gate import Form, Gate, Signed, wants_page
from services.chassis.pages.sessions import LASTS, Session, Sessions
from services.chassis.pages.times import iso
from services.chassis.pages.ways import onward

_log = structlog.get_logger(__name__)

_NO_COOKIE: Final = "Your browser did not keep the sign-in: it needs an https:// address, and its cookie allowed."


class Shows(Protocol):
    """What shows the sign-in page."""

    def show(
        self,
        request: Request,
        trouble: str | None = None,
        status: HTTPStatus = HTTPStatus.OK,
        form: dict[str, str] | None = None,
    ) -> Response: ...


class Credentials(BaseModel):
    """What is asked for at the door."""

    token: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=512)]
    operator: Annotated[action.Operator, StringConstraints(strip_whitespace=True)]


def add_sign_in(router: APIRouter, sessions: Sessions, door: Shows) -> None:
    """The door: no session is needed for these, but for asking whose it is."""
    attempts = Attempts()

    @router.get("/sign-in")
    async def show(request: Request) -> Response:
        no_cookie = request.query_params.get("from") == "sign-in"
        return door.show(request, _NO_COOKIE if no_cookie else None)

    @router.post("/sign-in")
    @unaudited("it writes its own row, once it knows who came in")
    async def sign_in(request: Request, form: Form) -> Response:
        """From the door: to the page that was asked for. From a page that is open already (a script): it stays."""
        try:
            secret, session = await _let_in(request, form, sessions, attempts)
        except Problem as problem:
            if not wants_page(request):
                raise
            return door.show(request, str(problem.detail), HTTPStatus(problem.status_code), form)
        before = secret_of(request)
        if before is not None:
            await sessions.end(before)
        response: Response = JSONResponse(_told(session))
        if wants_page(request):
            path = onward(request, form.get("next", ""), session.who.role)
            response = RedirectResponse(path, HTTPStatus.SEE_OTHER)
        keep(response, request, secret, LASTS)
        return response

    @router.post("/sign-out")
    @unaudited("it writes its own row")
    async def sign_out(request: Request) -> Response:
        secret = secret_of(request)
        if secret is not None:
            await _see_out(request, secret, sessions)
        response = RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)
        forget(response, request)
        return response

    @router.get("/session", dependencies=[Depends(Gate(sessions))])
    async def signed_in(session: Signed) -> Response:
        """For scripts: who is signed in, and until when."""
        return JSONResponse(_told(session), headers={"Cache-Control": "no-store"})


def _told(session: Session) -> Mapping[str, Any]:
    return {"operator": session.operator, "expires_at": iso(session.expires_at)}


async def _see_out(request: Request, secret: str, sessions: Sessions) -> None:
    session = await sessions.find(secret)
    await sessions.end(secret)
    if session is not None:
        passed_the_door(request, "sign out", session.who, session.operator)


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
        refused = _refused(attempts, network_of(address_of(request.scope)))
        if refused.status_code == HTTPStatus.FORBIDDEN:  # not each of a flood
            passed_the_door(request, "sign in", None, given.operator)
        raise refused
    passed_the_door(request, "sign in", opened[1].who, given.operator)
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
