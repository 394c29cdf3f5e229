"""Bearer tokens: from `Authorization: Bearer …` to a Principal, and which roles may do what (contract, "Roles")."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import OrderedDict
from http import HTTPStatus
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import APIRouter, Depends, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from contracts.access import Principal, Role
from services.chassis.audit.requests import admitted
from services.chassis.clock import Clock
from services.chassis.http.lookups import Holder, Lookups
from services.chassis.http.problems import Problem
from services.chassis.http.rates import address_of, rates_of
from services.chassis.postgres import Pool
from services.chassis.settings import Settings

# A revoked token is refused within this time.
CACHED_S = 5.0
CACHED_MAX = 1024

T = TypeVar("T")

_bearer = HTTPBearer(auto_error=False, scheme_name="token", description="A token from `telecare token create`.")


def token_digest(token: str) -> bytes:
    """What is stored of a token. It holds 256 random bits, so that a plain SHA-256 is enough."""
    return hashlib.sha256(token.encode()).digest()


class _Memory(Generic[T]):
    """What was found, for a moment; the oldest is forgotten first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, tuple[T, float]] = OrderedDict()

    def get(self, digest: bytes) -> T | None:
        kept = self._kept.get(digest)
        return kept[0] if kept is not None and time.monotonic() < kept[1] else None

    def put(self, digest: bytes, found: T) -> None:
        self._kept.pop(digest, None)
        self._kept[digest] = (found, time.monotonic() + CACHED_S)
        while len(self._kept) > CACHED_MAX:
            self._kept.popitem(last=False)


class Access:
    """Knows who a token stands for; found in the view `registry.access_directory`, through the service's own pool."""

    def __init__(self, pool: Pool, settings: Settings, clock: Clock) -> None:
        self._lookups = Lookups(pool)
        self._clock = clock
        bootstrap = settings.bootstrap_token.get_secret_value() if settings.bootstrap_token else ""
        self._bootstrap = token_digest(bootstrap) if bootstrap else None
        self._known = _Memory[Holder]()
        # Nobody knows a token before it is made, so that one which was unknown once is not about to work. Apart from the
        # known ones: a flood of those that nobody made forgets none that somebody did.
        self._unknown = _Memory[Literal[True]]()

    def router(self, **options: Any) -> APIRouter:
        """An APIRouter none of whose routes answers without a token: 401, before anything else is looked at."""
        return APIRouter(dependencies=[Depends(self._authenticate)], **options)

    async def principal(self, token: str) -> Principal | None:
        """Who this token stands for; None when it is unknown, expired or revoked. Raises what the database raises."""
        return await self.principal_of(token_digest(token))

    async def principal_of(self, digest: bytes) -> Principal | None:
        """As `principal`, of a token that only its digest is kept of."""
        if self._bootstrap is not None and hmac.compare_digest(digest, self._bootstrap):
            return Principal(name="bootstrap", role="ops")
        holder = self._known.get(digest) or await self._look_up(digest)
        if holder is None:
            return None
        expires_at = holder.expires_at
        return holder.principal if expires_at is None or self._clock.now() < expires_at else None

    async def _look_up(self, digest: bytes) -> Holder | None:
        if self._unknown.get(digest):
            return None
        holder = await self._lookups.find(digest)
        if holder is None:
            self._unknown.put(digest, True)
        else:
            self._known.put(digest, holder)
        return holder

    async def _authenticate(
        self,
        request: Request,
        response: Response,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    ) -> None:
        # What a token is needed for is kept in no cache on the way, nor on a disk.
        response.headers["Cache-Control"] = "no-store"
        if credentials is None:
            raise _unauthorised("A bearer token is needed: Authorization: Bearer …", "Bearer")
        principal = await self.principal(credentials.credentials)
        if principal is None:
            rates_of(request).stranger(address_of(request.scope))
            raise _unauthorised("This token is unknown, expired or revoked.", 'Bearer error="invalid_token"')
        rates_of(request).known(request, token_digest(credentials.credentials))
        request.state.principal = principal
        await admitted(request)


def _unauthorised(detail: str, challenge: str) -> Problem:
    return Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": challenge})


def require(*roles: Role) -> Any:
    """Who is asking, if of one of `roles`; answers 403 otherwise. For routes of `Access.router`.

    As in `who: Annotated[Principal, require("ops", "hub")]`.
    """

    async def allowed(request: Request) -> Principal:
        principal: Principal = request.state.principal
        if principal.role not in roles:
            raise Problem(
                HTTPStatus.FORBIDDEN, f"The role {principal.role} may not do this; it takes {' or '.join(roles)}."
            )
        return principal

    return Depends(allowed)
