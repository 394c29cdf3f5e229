"""`/sign-in/oidc`, and the way back from the provider."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeAlias

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from services.chassis.audit.requests import passed_the_door
from services.chassis.http import Problem
from services.chassis.oidc.attempt import Attempt, forget_attempt
from services.chassis.oidc.config import CALLBACK
from services.chassis.oidc.flow import Flow
from services.chassis.pages.cookie import keep, secret_of
from services.chassis.pages.sessions import LASTS, Sessions, digest_of
from services.chassis.pages.site import COMMON
from services.chassis.pages.ways import is_ours, onward

Tell: TypeAlias = Callable[[Request, str, HTTPStatus], Response]
"""The door again, saying in a sentence why nobody came in."""


def add_oidc(router: APIRouter, flow: Flow, sessions: Sessions, tell: Tell) -> None:
    """Both are GET: a browser is sent to the provider and back, and a posted form could be sent nowhere else by our policy."""

    @router.get("/sign-in/oidc")
    async def begin(request: Request) -> Response:
        if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return tell(request, "A sign-in is begun here, and not from elsewhere.", HTTPStatus.FORBIDDEN)
        wanted = request.query_params.get("next", "")
        before = secret_of(request)
        try:
            url, attempt = await flow.begin(
                request, wanted if is_ours(request, wanted) else "", digest_of(before).hex() if before else None
            )
        except Problem as problem:
            return tell(request, str(problem.detail), HTTPStatus(problem.status_code))
        response = RedirectResponse(url, HTTPStatus.SEE_OTHER, headers={"Cache-Control": "no-store"})
        attempt.keep(response, request, flow.sessions.vault)
        return response

    @router.get(CALLBACK)
    async def finish(request: Request) -> Response:
        attempt = Attempt.of(request, flow.sessions.vault, flow.clock.now())
        try:
            secret, session = await flow.finish(request, attempt)
        except Problem as problem:
            if attempt is not None:  # begun here: who makes up the way back fills no log
                passed_the_door(request, "sign in by the identity provider", None, None)
            response = tell(request, str(problem.detail), HTTPStatus(problem.status_code))
        else:
            passed_the_door(request, "sign in by the identity provider", session.who, session.operator)
            if attempt is not None and attempt.before is not None:
                await sessions.end_digest(bytes.fromhex(attempt.before))
            path = onward(request, attempt.onward if attempt else "", session.who.role)
            # By a page of ours and not by a redirect: a browser that comes from elsewhere sends no Strict cookie along.
            response = COMMON.page(request, "signed_in.html", next=path, operator=session.operator)
            keep(response, request, secret, LASTS)
        forget_attempt(response, request)
        return response
