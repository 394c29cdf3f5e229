"""In with a token and one's own name, and out again."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, StringConstraints, ValidationError

from contracts import action
from services.alerts.console.attempts import Attempts
from services.alerts.console.embedding import Embedding
from services.alerts.console.gate import Form, forget, keep, secret_of, wants_page
from services.alerts.console.pages import page
from services.alerts.console.sessions import Session, Sessions
from services.alerts.console.times import iso
from services.chassis.http import Problem, invalid

_log = structlog.get_logger(__name__)

_INSIDE: Final = re.compile(r"/console/[A-Za-z0-9/_-]*")
_HOME: Final = "/console/"
_NO_COOKIE: Final = (
    "Your browser did not keep the sign-in: the console needs an https:// address, and its cookie allowed."
)


class Credentials(BaseModel):
    """What is asked for at the door."""

    token: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=512)]
    operator: Annotated[action.Operator, StringConstraints(strip_whitespace=True)]


def add_sign_in(router: APIRouter, sessions: Sessions, attempts: Attempts, embedding: Embedding) -> None:
    """The door: no session is needed for these."""

    @router.get("/sign-in")
    async def door(request: Request) -> Response:
        no_cookie = request.query_params.get("from") == "sign-in"
        return _door(request, embedding, _NO_COOKIE if no_cookie else None)

    @router.post("/sign-in")
    async def sign_in(request: Request, form: Form) -> Response:
        """From the door: to the page that was asked for. From a page that is open already (a script): it stays."""
        try:
            secret, session = await _let_in(request, form, sessions, attempts)
        except Problem as problem:
            if not wants_page(request):
                raise
            return _door(request, embedding, str(problem.detail), HTTPStatus(problem.status_code), form)
        before = secret_of(request)
        if before is not None:
            await sessions.end(before)
        response: Response = JSONResponse({"operator": session.operator, "expires_at": iso(session.expires_at)})
        if wants_page(request):
            response = RedirectResponse(f"{_inside(form.get('next', _HOME))}?from=sign-in", HTTPStatus.SEE_OTHER)
        keep(response, request, secret)
        return response

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        secret = secret_of(request)
        if secret is not None:
            await sessions.end(secret)
        response = RedirectResponse("/console/sign-in", HTTPStatus.SEE_OTHER)
        forget(response, request)
        return response


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
    _log.info("console_signed_in", operator=given.operator, role=opened[1].who.role, hub_id=opened[1].who.hub_id)
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
    embedding: Embedding,
    trouble: str | None,
    status: HTTPStatus = HTTPStatus.OK,
    form: dict[str, str] | None = None,
) -> Response:
    given = form or {}
    following = _inside(given.get("next") or request.query_params.get("next", _HOME))
    return page(
        "sign_in.html",
        status,
        trouble=trouble,
        operator=given.get("operator", ""),
        next=following,
        button=embedding.sign_in,
    )


def _inside(path: str) -> str:
    """A page of the console, whatever was asked for."""
    return path if _INSIDE.fullmatch(path) and path != "/console/sign-in" else _HOME
