"""A body has an end: 413, as a problem document like every error (Starlette's own limit answers in plain text)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

from services.chassis.http.problems import Problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES_MAX = 1024 * 1024
_DRAINED_FACTOR = 4
_DRAINED_S = 5


class BodyLimit:
    """Refuses a body longer than `bytes_max`: at once when its length is declared, else when it is reached.

    `of_paths`: those that take more.
    """

    def __init__(
        self, app: ASGIApp, bytes_max: int = BODY_BYTES_MAX, of_paths: Mapping[str, int] | None = None
    ) -> None:
        self._app = app
        self._bytes_max = bytes_max
        self._of_paths = of_paths or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        bytes_max = self._of_paths.get(scope["path"], self._bytes_max)
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > bytes_max:
            await self._drain(receive, bytes_max)
            await _too_large(bytes_max).response()(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > bytes_max:
                if message.get("more_body"):
                    await self._drain(receive, bytes_max)
                raise _too_large(bytes_max)  # an HTTPException: FastAPI answers with it from wherever the body is read
            return message

        await self._app(scope, counted, send)

    async def _drain(self, receive: Receive, bytes_max: int) -> None:
        # A caller still writing would see its connection reset, and never our answer; one that writes on and on may.
        left = _DRAINED_FACTOR * bytes_max
        try:
            async with asyncio.timeout(_DRAINED_S):
                while left > 0:
                    message = await receive()
                    left -= len(message.get("body", b""))
                    if not message.get("more_body"):
                        return
        except TimeoutError:
            return


def _too_large(bytes_max: int) -> Problem:
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body has at most {bytes_max:,} bytes.")
