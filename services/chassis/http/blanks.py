"""`?state=&council=`, as the contract prints it, asks for no state and no council: what is empty in a query was not said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_OF_THE_API: Final = "/api/"
# Only of what is read: `dry_run=`, from a script whose variable is empty, must not store anything.
_READING: Final = ("GET", "HEAD")


class Blanks:
    """Takes empty values out of the queries of the API, before anybody reads them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] in _READING and scope["path"].startswith(_OF_THE_API):
            # In place: whoever is outside of us sees by this very scope what became of the request.
            scope["query_string"] = without_blanks(scope["query_string"])
        await self._app(scope, receive, send)


def without_blanks(query: bytes) -> bytes:
    """The query without `name=`, and without a bare `name`."""
    return b"&".join(pair for pair in query.split(b"&") if pair.partition(b"=")[2])
