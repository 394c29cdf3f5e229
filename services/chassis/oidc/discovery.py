"""What a provider publishes of itself: its addresses and its keys, each asked for once an hour, and keys when one is new."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from services.chassis.oidc.errors import ProviderAway

TIMEOUT_S: Final = 8.0
_KEPT_S: Final = 3600.0
AGAIN_AFTER_S: Final = 10.0
"""A token by a key that we don't know makes us look again; a flood of such tokens, no more often than this."""
_BYTES_MAX: Final = 512 * 1024
_LOOPBACK: Final = {"127.0.0.1", "localhost", "::1"}
_NEEDED: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")

T = TypeVar("T")


class _Kept(Generic[T]):
    """Something that was fetched, for a while; fetched once, however many ask. An old one serves while a new one can't be had."""

    def __init__(self, fetch: Callable[[], Awaitable[T]]) -> None:
        self._fetch = fetch
        self._value: T | None = None
        self._fetched_at = float("-inf")
        self._lock = asyncio.Lock()

    async def get(self, *, no_older_than_s: float = _KEPT_S) -> T:
        async with self._lock:
            if self._value is None or time.monotonic() - self._fetched_at > no_older_than_s:
                try:
                    self._value = await self._fetch()
                except ProviderAway:
                    if self._value is None:
                        raise
                self._fetched_at = time.monotonic()
            return self._value


class Discovery:
    """Of one issuer, whose every address must be https, or on this machine."""

    def __init__(self, issuer: str, http: httpx.AsyncClient) -> None:
        self.issuer = issuer
        self._http = http
        self._metadata = _Kept(self._fetch_metadata)
        self._keys = _Kept(self._fetch_keys)

    async def metadata(self) -> Mapping[str, Any]:
        """Its configuration. Raises ProviderAway."""
        return await self._metadata.get()

    async def keys(self, *, again: bool = False) -> KeySet:
        """Those that it signs with; `again`: one was missing. Raises ProviderAway."""
        return await (self._keys.get(no_older_than_s=AGAIN_AFTER_S) if again else self._keys.get())

    async def _fetch_metadata(self) -> Mapping[str, Any]:
        found = await get_json(self._http, f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self.issuer:
            raise ProviderAway("its configuration names another issuer than TELECARE_OIDC_ISSUER")
        for name in _NEEDED:
            if not is_safe(found.get(name)):
                raise ProviderAway(f"its configuration has no {name} that can be used")
        return found

    async def _fetch_keys(self) -> KeySet:
        try:
            return KeySet.import_key_set(await get_json(self._http, (await self.metadata())["jwks_uri"]))  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ProviderAway(f"its keys can't be read: {type(error).__name__}") from None


def is_safe(url: object) -> bool:
    """Whether it is an https address, or one of this machine."""
    if not isinstance(url, str):
        return False
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


async def get_json(http: httpx.AsyncClient, url: str, headers: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    """Raises ProviderAway unless a JSON object came."""
    return json_of(await send(http, http.build_request("GET", url, headers=headers)))


async def send(http: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """Ask, for a bounded time, and read no more than a bounded length. Raises ProviderAway."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            response = await http.send(request, stream=True)
            try:
                body = b""
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > _BYTES_MAX:
                        raise ProviderAway("it answers at great length")
            finally:
                await response.aclose()
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
        raise ProviderAway(f"it can't be reached: {type(error).__name__}") from None
    if (
        response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
        or response.status_code == httpx.codes.TOO_MANY_REQUESTS
    ):
        raise ProviderAway(f"it answers HTTP {response.status_code}")
    return httpx.Response(response.status_code, content=body, request=request)


def json_of(response: httpx.Response) -> Mapping[str, Any]:
    """Raises ProviderAway unless it is 200 with a JSON object."""
    if response.status_code != httpx.codes.OK:
        raise ProviderAway(f"it answers HTTP {response.status_code}")
    try:
        found = response.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ProviderAway("it does not answer with a JSON object")
    return found
