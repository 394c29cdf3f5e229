"""Who comes in, and whether a request is of our own pages' making.

The cookie is SameSite=Strict, and whatever changes something must carry our own Origin: a page elsewhere can do neither.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from fastapi import Depends, Request

from services.chassis.audit.requests import admitted
from services.chassis.http import Problem, invalid
from services.chassis.http.rates import address_of, rates_of
from services.chassis.pages.cookie import secret_of
from services.chassis.pages.sessions import Session, Sessions

_FIELDS_MAX: Final = 64
SCRIPT_HEADER: Final = "x-telecare-script"
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
            if secret:
                rates_of(request).stranger(address_of(request.scope))
            raise Problem(HTTPStatus.UNAUTHORIZED, "You are not signed in, or your sign-in has ended.")
        rates_of(request).known(request, session.session_id)
        request.state.session = session
        request.state.principal = session.who  # so that routes may say which roles they take, as those of the API do
        await admitted(request)


async def same_origin(request: Request) -> None:
    """403 for anything but reading that does not come from a page of ours. Behind a proxy, `Host` must be the browser's."""
    if request.method in {"GET", "HEAD"}:
        return
    origin = urlsplit(request.headers.get("origin", ""))
    site = request.headers.get("sec-fetch-site", "same-origin")
    if not origin.netloc or origin.netloc != request.headers.get("host") or site != "same-origin":
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "This did not come from a page of this service, so it was not done. "
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
