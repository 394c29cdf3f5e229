"""Every error is an RFC 9457 problem document. An endpoint raises `Problem`; what it did not foresee is told without internals.

Problem
└── whatever is raised besides: HTTPException (404, 405), RequestValidationError (422), a database away (503), a bug (500)
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import asyncpg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from services.chassis.audit.requests import Unaudited
from services.chassis.postgres import is_transient

_log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2

# Where a field was found is no part of its name; the query's `limit` is "limit".
_PLACES = ("body", "query", "path", "header")


class Problem(HTTPException):
    """An answer that is no success. `detail` is a sentence for the caller; `members` are further members of the document.

    A subclass of HTTPException, so that FastAPI lets it through wherever it is raised.
    """

    def __init__(
        self, status: HTTPStatus | int, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(int(status), detail, headers=headers)
        self.members = members

    def response(self) -> JSONResponse:
        """The document (RFC 9457 §3; the type is `about:blank`, so the title is that of the status)."""
        document = {
            "type": "about:blank",
            "title": HTTPStatus(self.status_code).phrase,
            "status": self.status_code,
            "detail": self.detail,
            **self.members,
        }
        return JSONResponse(document, self.status_code, headers=self.headers, media_type=MEDIA_TYPE)


def invalid(*errors: tuple[str, str]) -> Problem:
    """422, from pairs of a field's name and what is wrong with it."""
    named = [{"field": field, "message": message} for field, message in errors]
    detail = "; ".join(f"{field}: {message}" for field, message in errors)
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=named)


def database_away(error: BaseException, path: str) -> Problem:
    """503 with Retry-After: nothing is wrong with the request. The log says why."""
    # Its class and no more: a message may quote what was asked for.
    _log.warning("request_unanswered", path=path, reason=type(error).__name__, at=_place_of(error))
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database cannot be reached or is busy; try again.",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


def _place_of(error: BaseException) -> str | None:
    """The innermost function of ours that it came through: several wait for the database, each as long as it may."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [frame for frame in frames if frame.f_globals.get("__name__", "").startswith("services.")]
    return f"{ours[-1].f_globals['__name__']}.{ours[-1].f_code.co_name}" if ours else None


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem document."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(Unaudited, _unaudited)
    for passing in (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        app.add_exception_handler(passing, _database)
    app.add_exception_handler(Exception, _bug)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    if isinstance(error, Problem):
        return error.response()
    detail = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"There is nothing at {request.url.path}."
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{request.method} is not possible on {request.url.path}."
    return Problem(error.status_code, detail, headers=error.headers).response()


async def _validation(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class alone
    # Neither the input nor pydantic's context is repeated: a field may be a secret.
    # What a validator of ours says is a sentence already.
    told = ((each["loc"], each["type"], each["msg"].removeprefix("Value error, ")) for each in error.errors())
    return invalid(*((_field(loc, kind), message) for loc, kind, message in told)).response()


def _field(loc: Sequence[int | str], kind: str) -> str:
    if kind == "json_invalid":
        return "body"
    inner = loc[1:] if loc and loc[0] in _PLACES else loc
    return ".".join(str(part) for part in inner) or "body"


async def _database(request: Request, error: Exception) -> JSONResponse:
    if not is_transient(error):
        raise error
    return database_away(error, request.url.path).response()


async def _unaudited(_request: Request, _error: Exception) -> JSONResponse:
    detail = "This could not be written into the audit log, so it was not done; try again."
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_AFTER_S)}).response()


async def _bug(request: Request, _error: Exception) -> JSONResponse:
    # Logged with its traceback by the server, to which it is raised again after this answer.
    # With its id, for this answer is given outside of what adds it to all others.
    id_ = getattr(request.state, "request_id", None)
    headers = {"X-Request-ID": id_} if id_ else None
    detail = "Something went wrong here; it has been logged."
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail, headers=headers).response()
