"""How much anybody may ask for: so that somebody's flood, by malice or mistake, meets 429 and is not everybody's delay.

Whoever has a token or a session has a measure of their own, and what they *do* (an alarm is acknowledged, closed) another than what
they read; so nobody's flood takes from anybody else, nor from what its own maker does. Strangers have a measure by address, on
which no one who has a token or a session draws: behind one proxy, or in one office, they may all have one address.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import structlog
from prometheus_client import Counter

from services.chassis.http.problems import Problem

if TYPE_CHECKING:
    from fastapi import Request
    from prometheus_client import CollectorRegistry
    from starlette.types import ASGIApp, Receive, Scope, Send

_log = structlog.get_logger(__name__)

PER_S: Final = 200.0
BURST_S: Final = 10.0
"""A measure holds what flows into it in this time: a storm's first minute, a page that loads."""
STRANGERS_PART: Final = 0.1
_KEYS_MAX: Final = 4096
_TOLD_EVERY_S: Final = 10.0

_ALWAYS: Final = frozenset({"/metrics", "/healthz", "/readyz"})
"""Asked by what watches over us."""
_DOOR: Final = ("/sign-in", "/sign-out", "/session")
"""Whoever comes on shift must reach it, however many strangers share the address; failed attempts are counted apart."""
_OPEN: Final = ("/docs", "/openapi.json")


class Measure:
    """Token buckets by key, each of `per_s` and holding `burst`; of the keys seen least lately the oldest are forgotten."""

    def __init__(self, per_s: float, burst: float, now_s: Callable[[], float]) -> None:
        self._per_s, self._burst, self._now_s = per_s, burst, now_s
        self._left: OrderedDict[object, tuple[float, float]] = OrderedDict()

    def take(self, key: object) -> float:
        """0 when there was one left; else in how many seconds there will be."""
        now = self._now_s()
        left, at = self._left.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_s)
        wait_s = 0.0 if left >= 1 else (1 - left) / self._per_s
        self._left[key] = (left - 1 if wait_s == 0 else left, now)
        while len(self._left) > _KEYS_MAX:
            self._left.popitem(last=False)
        return wait_s

    def __len__(self) -> int:
        return len(self._left)


class Rates:
    """Of one process. `per_s` of 0: nobody is limited. Raises Problem 429, with Retry-After, which `metrics` counts."""

    def __init__(
        self,
        per_s: float = PER_S,
        now_s: Callable[[], float] = time.monotonic,
        metrics: CollectorRegistry | None = None,
    ) -> None:
        self._limited = Counter(
            "telecare_http_requests_limited",
            "Requests answered with 429, by what was used up: read, do (of a token or session) or stranger (of an address).",
            ["rule"],
            registry=metrics,
        )
        for rule in ("read", "do", "stranger"):
            self._limited.labels(rule)
        self._now_s = now_s
        self._told_at_s = float("-inf")
        self._known: dict[str, Measure] | None = None
        self._strangers: Measure | None = None
        if per_s > 0:
            self._known = {kind: Measure(per_s, per_s * BURST_S, now_s) for kind in ("read", "do")}
            strangers = max(1.0, per_s * STRANGERS_PART)
            self._strangers = Measure(strangers, strangers * BURST_S, now_s)

    def known(self, request: Request, key: object) -> None:
        """A request of somebody who has been let in: `key` is of their token, or of their session."""
        if self._known is not None:
            kind = "read" if request.method in {"GET", "HEAD"} else "do"
            self._refuse(self._known[kind].take(key), kind)

    def stranger(self, address: str) -> None:
        """A request with nothing, or with a token that nobody made."""
        if self._strangers is not None:
            self._refuse(self._strangers.take(network_of(address)), "stranger")

    def _refuse(self, wait_s: float, kind: str) -> None:
        if wait_s == 0:
            return
        self._limited.labels(kind).inc()
        if self._now_s() - self._told_at_s > _TOLD_EVERY_S:
            self._told_at_s = self._now_s()
            _log.warning("requests_limited", of=kind, hint="TELECARE_REQUESTS_PER_S")
        seconds = math.ceil(wait_s)
        raise Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"Too many requests from you. Try again in {seconds} s.",
            headers={"Retry-After": str(seconds)},
        )


def network_of(address: str) -> str:
    """A whole /64 is one customer's; of IPv4 each address is."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def address_of(scope: Scope) -> str:
    """The caller's; behind a proxy that TELECARE_TRUSTED_PROXIES names, what that says it is."""
    client = scope.get("client")
    return client[0] if client else ""


class StrangersLimit:
    """Whatever comes without a token and without a session counts for its address, before anything is looked at."""

    def __init__(self, app: ASGIApp, rates: Rates) -> None:
        self._app = app
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._counts(scope):
            try:
                self._rates.stranger(address_of(scope))
            except Problem as problem:
                await problem.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _counts(self, scope: Scope) -> bool:
        path: str = scope["path"]
        if path in _ALWAYS or path.startswith(_DOOR) or "/static/" in path:
            return False
        if path == "/" or path.startswith(_OPEN):
            return True  # nobody looks at a token there: whatever comes along proves nothing
        return not any(
            (name == b"authorization" and path.startswith("/api/"))
            or (name == b"cookie" and b"telecare-session=" in value)
            for name, value in scope["headers"]
        )


def rates_of(request: Request) -> Rates:
    """Those of the process that serves this request."""
    rates: Rates = request.app.state.rates
    return rates
