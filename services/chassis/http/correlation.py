"""Every request has an id: its caller's, or one of ours. It is in every log line, in the audit log, and in the answer."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import structlog

from services.chassis.audit.entry import is_id, new_request_id
from services.chassis.audit.requests import answered

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER: Final = b"x-request-id"


class Correlation:
    """The outermost of our own: it sees what is answered, whoever answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value.decode("latin-1") for name, value in scope["headers"] if name == HEADER), "")
        request_id = given if is_id(given) else new_request_id()
        # Made here, so that it is one and the same for whoever copies the scope.
        scope.setdefault("state", {})["request_id"] = request_id

        started = False

        async def told(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                answered(scope, message["status"], dict(message["headers"]))
                message = {**message, "headers": [*message["headers"], (HEADER, request_id.encode())]}
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, told)
            except Exception:
                if not started:  # a bug: whoever is outside of us answers 500
                    answered(scope, HTTPStatus.INTERNAL_SERVER_ERROR, {})
                raise
