"""Who comes in, and whether a request is of our own pages' making; and errors as pages, for a person with a browser.

The cookie is SameSite=Strict, and whatever changes something must carry our own Origin: a page elsewhere can do neither.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeAlias
from urllib.parse import parse_qsl, quote, urlsplit

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from services.alerts.console.pages import page
from services.alerts.console.sessions import LASTS, Session, Sessions
from services.chassis.http import Problem, invalid
from services.chassis.http.problems import database_away
from services.chassis.postgres import is_transient

_LOOPBACK: Final = {"127.0.0.1", "localhost", "::1"}
_COOKIE: Final = "__Host-telecare-console"
_COOKIE_LOOPBACK: Final = "telecare-console"  # without https there is no `__Host-`
_FIELDS_MAX: Final = 20
SCRIPT_HEADER: Final = "x-telecare-console"
"""Sent by our scripts, which want a problem document and no page."""


def session_of(request: Request) -> Session:
    session: Session = request.state.session
    return session


Signed: TypeAlias = Annotated[Session, Depends(session_of)]
"""The session of a request that came through the gate."""


class Gate:
    """A dependency of every route behind the sign-in. 401 without a session."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def __call__(self, request: Request) -> None:
        secret = secret_of(request)
        session = await self._sessions.find(secret) if secret else None
        if session is None:
            raise Problem(HTTPStatus.UNAUTHORIZED, "You are not signed in, or your sign-in has ended.")
        request.state.session = session
        request.state.principal = session.who  # so that routes may say which roles they take, as those of the API do


def secret_of(request: Request) -> str | None:
    """What the cookie holds."""
    return request.cookies.get(_cookie_name(request))


def keep(response: Response, request: Request, secret: str) -> None:
    """Set the cookie. Secure, except on this machine itself over plain http."""
    secure = not is_loopback(request)
    response.set_cookie(
        _cookie_name(request),
        secret,
        max_age=int(LASTS.total_seconds()),
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def forget(response: Response, request: Request) -> None:
    """Take the cookie back."""
    response.delete_cookie(
        _cookie_name(request), path="/", secure=not is_loopback(request), httponly=True, samesite="strict"
    )


def _cookie_name(request: Request) -> str:
    return _COOKIE_LOOPBACK if is_loopback(request) else _COOKIE


def is_loopback(request: Request) -> bool:
    """Whether it is this machine itself that asks, by its own name."""
    return request.url.scheme == "http" and request.url.hostname in _LOOPBACK


async def same_origin(request: Request) -> None:
    """403 for anything but reading that does not come from a page of ours. Behind a proxy, `Host` must be the browser's."""
    if request.method in {"GET", "HEAD"}:
        return
    origin = urlsplit(request.headers.get("origin", ""))
    site = request.headers.get("sec-fetch-site", "same-origin")
    if not origin.netloc or origin.netloc != request.headers.get("host") or site != "same-origin":
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "This did not come from a page of the console, so it was not done. "
            "(A proxy before the service must pass on the Host that the browser asked for.)",
        )


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a posted form. 422 for what is none."""
    try:
        fields = parse_qsl(
            (await request.body()).decode(),
            keep_blank_values=True,
            max_num_fields=_FIELDS_MAX,
            errors="strict",
        )
    except ValueError:
        raise invalid(("body", "not a form")) from None
    return dict(fields)


Form: TypeAlias = Annotated[dict[str, str], Depends(form_of)]


def wants_page(request: Request) -> bool:
    """Whether a person waits for the answer, and not a script."""
    return SCRIPT_HEADER not in request.headers and "text/html" in request.headers.get("accept", "")


class PageRoute(APIRoute):
    """Errors are pages, where a page was asked for; and who isn't signed in is asked to."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_for_people(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:
                if not wants_page(request):
                    raise
                problem = database_away() if is_transient(error) else error
                if not isinstance(problem, HTTPException):
                    raise
                return _told(request, problem)

        return handle_for_people


def _told(request: Request, problem: HTTPException) -> Response:
    if problem.status_code == HTTPStatus.UNAUTHORIZED:
        came_from = request.query_params.get("from", "")
        return RedirectResponse(
            f"/console/sign-in?next={quote(request.url.path)}{'&from=sign-in' if came_from == 'sign-in' else ''}",
            HTTPStatus.SEE_OTHER,
        )
    status = HTTPStatus(problem.status_code)
    return page("trouble.html", status, title=status.phrase, detail=problem.detail)
