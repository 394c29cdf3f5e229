"""Bearer tokens: from `Authorization: Bearer …` to a Principal, and which roles may do what (contract, "Roles")."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import OrderedDict
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from contracts.access import Principal, Role
from contracts.ids import CouncilId, HubId
from services.chassis.clock import Clock
from services.chassis.http.problems import Problem
from services.chassis.postgres import Pool, Queries
from services.chassis.postgres.borrow import borrow
from services.chassis.settings import Settings

_QUERIES = Queries.beside(__file__)

# A revoked token is refused within this time.
CACHED_S = 5.0
CACHED_MAX = 1024
_LOOK_UP_TIMEOUT_S = 3

_bearer = HTTPBearer(auto_error=False, scheme_name="token", description="A token from `telecare token create`.")


def token_digest(token: str) -> bytes:
    """What is stored of a token. It holds 256 random bits, so that a plain SHA-256 is enough."""
    return hashlib.sha256(token.encode()).digest()


class Access:
    """Knows who a token stands for; found in the view `registry.access_directory`, through the service's own pool."""

    def __init__(self, pool: Pool, settings: Settings, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        bootstrap = settings.bootstrap_token.get_secret_value() if settings.bootstrap_token else ""
        self._bootstrap = token_digest(bootstrap) if bootstrap else None
        # Digest → who, until when the token holds, and (monotonic seconds) until when we need not ask again.
        self._cache: OrderedDict[bytes, tuple[Principal, datetime | None, float]] = OrderedDict()

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
        found = self._cached(digest) or await self._look_up(digest)
        if found is None:
            return None
        principal, expires_at, _ = found
        return principal if expires_at is None or self._clock.now() < expires_at else None

    def _cached(self, digest: bytes) -> tuple[Principal, datetime | None, float] | None:
        found = self._cache.get(digest)
        return found if found is not None and time.monotonic() < found[2] else None

    async def _look_up(self, digest: bytes) -> tuple[Principal, datetime | None, float] | None:
        self._cache.pop(digest, None)
        async with borrow(self._pool) as connection:
            row = await connection.fetchrow(_QUERIES["principal_of_token"], digest, timeout=_LOOK_UP_TIMEOUT_S)
        if row is None:
            return None  # and not remembered: a token works from the moment it is made
        councils = row["councils"]
        principal = Principal(
            name=row["name"],
            role=row["role"],
            hub_id=None if row["hub_id"] is None else HubId(row["hub_id"]),
            councils=None if councils is None else frozenset(map(CouncilId, councils)),
        )
        found = (principal, row["expires_at"], time.monotonic() + CACHED_S)
        self._cache[digest] = found
        while len(self._cache) > CACHED_MAX:
            self._cache.popitem(last=False)
        return found

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
            raise _unauthorised("This token is unknown, expired or revoked.", 'Bearer error="invalid_token"')
        request.state.principal = principal


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
