"""A class of route that heeds `Idempotency-Key`."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import asyncpg
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute

from contracts.access import Principal
from services.chassis.http import Access, Problem, invalid
from services.chassis.http.access import token_digest
from services.registry.idempotency.store import Answer, BeingAnswered, KeyStore, OtherRequest, Reserved

HEADER: Final = "idempotency-key"
_KEY: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_CHANGING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_KEPT_HEADERS: Final = ("content-type", "location")
_ANSWER_BYTES_MAX: Final = 64 * 1024
# These say nothing of the request itself: the same again may be let in, or be less hurried.
_NOT_KEPT: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})

_PARAMETER: Final[Mapping[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Of this request alone, and the same when it is sent again because its answer was lost: then nothing is done "
    "again, and the answer is as it was, for a week, with `Idempotent-Replay: true`. With another request a key is refused (422).",
    "schema": {"type": "string", "pattern": f"^{_KEY.pattern}$"},
}

Caller = Callable[[Request], Awaitable[bytes | None]]
Handle = Callable[[Request], Coroutine[Any, Any, Response]]


def caller_of(who: Principal, person: str = "", token: bytes = b"") -> bytes:
    """Whose keys they are: of a person at a screen, also after they had to sign in again; of a machine, its token's.

    `token` is its digest. Somebody else of the same name, later and elsewhere, is answered nothing of theirs.
    """
    councils = None if who.councils is None else sorted(who.councils)
    whole = [who.name, who.role, who.hub_id, councils, person, token.hex()]
    return hashlib.sha256(json.dumps(whole).encode()).digest()


def bearer_of(access: Access) -> Caller:
    """By the token of a request to the API."""

    async def caller(request: Request) -> bytes | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        who = await access.principal(token) if scheme.lower() == "bearer" and token else None
        return None if who is None else caller_of(who, token=token_digest(token))

    return caller


@dataclass(frozen=True, slots=True)
class Idempotency:
    """`caller`: who asks, None when nobody that is known: then a key means nothing, and the route refuses by itself."""

    keys: KeyStore
    caller: Caller

    def around(self, base: type[APIRoute] = APIRoute) -> type[APIRoute]:
        """`base`, heeding the header. Whatever `base` makes of an error comes after."""
        once = self

        class OnceRoute(base):  # type: ignore[misc, valid-type]  # a class of the caller's
            def __init__(
                self,
                path: str,
                endpoint: Callable[..., Any],
                *,
                methods: Collection[str] | None = None,
                openapi_extra: dict[str, Any] | None = None,
                **options: Any,
            ) -> None:
                told = _with_header(openapi_extra or {}) if _CHANGING & set(methods or ()) else openapi_extra
                super().__init__(path, endpoint, methods=methods, openapi_extra=told, **options)

            def get_route_handler(self) -> Handle:
                handle: Handle = super().get_route_handler()

                async def handle_once(request: Request) -> Response:
                    return await once.answer(request, handle)

                return handle_once

        return OnceRoute

    async def answer(self, request: Request, handle: Handle) -> Response:
        """The handler's answer, or the one that the same request had."""
        key = request.headers.get(HEADER)
        if key is None or request.method not in _CHANGING:
            return await handle(request)
        if not _KEY.fullmatch(key):
            raise invalid(("Idempotency-Key", "1 to 128 letters, digits and _ . : -"))
        caller = await self.caller(request)
        if caller is None:
            return await handle(request)
        found = await self.keys.reserve(caller, key, await _digest(request))
        match found:
            case Answer():
                headers = {**found.headers, "Idempotent-Replay": "true", "Cache-Control": "no-store"}
                return Response(found.body, found.status, headers=headers)
            case OtherRequest():
                raise invalid(("Idempotency-Key", "this key was another request's; each request takes a new one"))
            case BeingAnswered():
                detail = "The same request is being answered; ask again in a moment."
                raise Problem(HTTPStatus.CONFLICT, detail, headers={"Retry-After": "1"}, reason="being_answered")
            case Reserved():
                return await self._answer_first(request, handle, caller, key)

    async def _answer_first(self, request: Request, handle: Handle, caller: bytes, key: str) -> Response:
        try:
            response = await handle(request)
        except Problem as problem:
            if problem.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or problem.status_code in _NOT_KEPT:
                await self.keys.release(caller, key)
            else:
                await self._keep(caller, key, problem.response(), request)
            raise
        except RequestValidationError:
            await self.keys.release(caller, key)
            raise
        except Exception:
            # It may have been done, and may not: what is done twice here is done once, so the same again is tried again. With the
            # database away the key can't be released either; it is taken over in a minute.
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                await self.keys.release(caller, key)
            raise
        if response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR and response.status_code not in _NOT_KEPT:
            await self._keep(caller, key, response, request)
        else:
            await self.keys.release(caller, key)
        return response

    async def _keep(self, caller: bytes, key: str, response: Response, request: Request) -> None:
        body = getattr(response, "body", None)
        is_page = response.headers.get("content-type", "").startswith("text/html")
        if body is None or is_page or len(body) > _ANSWER_BYTES_MAX:  # none: a stream
            await self.keys.release(caller, key)
            return
        headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
        answer = Answer(response.status_code, headers, _without_claim(bytes(body)))
        await self.keys.keep(caller, key, answer, sorted(_devices_of(request, answer.body)))


def _with_header(extra: Mapping[str, Any]) -> dict[str, Any]:
    """For `/docs`. A router that is mounted makes its routes again, from what they say."""
    told = [each for each in extra.get("parameters", []) if each["name"] != _PARAMETER["name"]]
    return {**extra, "parameters": [*told, dict(_PARAMETER)]}


def _devices_of(request: Request, body: bytes) -> set[str]:
    """Whom an answer is about: the device of the path, and whichever the answer names."""
    found = {str(request.path_params["device_id"])} if "device_id" in request.path_params else set()
    with contextlib.suppress(ValueError):
        waiting = [json.loads(body)]
        while waiting:
            some = waiting.pop()
            if isinstance(some, dict):
                found |= {some["device_id"]} if isinstance(some.get("device_id"), str) else set()
                waiting += some.values()
            elif isinstance(some, list):
                waiting += some
    return found


def _without_claim(body: bytes) -> bytes:
    """A claim is shown once, and is kept nowhere: whose answer was lost claims again."""
    if b'"claim"' not in body:
        return body
    answer = json.loads(body)
    if not isinstance(answer, dict) or not answer.get("claim"):
        return body
    problem = "The claim was told in the first answer, and is told once: claim the device again for a new one."
    return json.dumps(answer | {"claim": None, "claim_problem": problem}).encode()


async def _digest(request: Request) -> bytes:
    of = hashlib.sha256(f"{request.method} {request.url.path}?{request.url.query}\n".encode())
    of.update(await request.body())
    return of.digest()
