"""Sessions: a sign-in at the start of a shift, a cookie until its end."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from contracts.access import Principal
from contracts.ids import CouncilId, HubId
from services.chassis.clock import Clock
from services.chassis.http import Access
from services.chassis.http.access import token_digest
from services.chassis.postgres import Pool, Queries
from services.chassis.postgres.borrow import borrow

if TYPE_CHECKING:
    from asyncpg import Record

QUERIES: Final = Queries.beside(__file__)

LASTS: Final = timedelta(hours=14)
"""A long shift, and its handover."""
IDLE: Final = timedelta(hours=1)
"""Without a word from any of its pages. One that renews itself, as the hub's does, is never idle: it must not go quiet at night."""
_SEEN_EVERY: Final = timedelta(minutes=1)
_KEPT: Final = timedelta(days=30)
_RANDOM_BYTES: Final = 32
_NEWCOMERS_MAX: Final = 2
"""Connections that cookies may take which nobody has seen yet: a flood of made-up ones takes none from alarms."""
_LATELY_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class Session:
    """A person at a screen, by the name that colleagues know. `who` is what they may do, as of now."""

    session_id: uuid.UUID
    operator: str
    who: Principal
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Sessions:
    """Kept in the database, so that any process knows them and a restart ends none. `pool`: of any service."""

    pool: Pool
    clock: Clock
    access: Access
    # No proof of anything: cookies that were good lately, which wait for nobody else's.
    _lately: OrderedDict[bytes, None] = field(default_factory=OrderedDict, init=False, repr=False, compare=False)
    _newcomers: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(_NEWCOMERS_MAX), init=False, repr=False, compare=False
    )

    async def open(self, token: str, operator: str) -> tuple[str, Session] | None:
        """The cookie's secret, shown this once, and the session; None for a token that is none."""
        who = await self.access.principal(token)
        if who is None:
            return None
        now = self.clock.now()
        secret = secrets.token_urlsafe(_RANDOM_BYTES)
        session_id = uuid.uuid4()
        async with borrow(self.pool) as connection, connection.transaction():
            await connection.execute(QUERIES["forget_sessions"], now - _KEPT)
            expires_at = await connection.fetchval(
                QUERIES["open_session"],
                *(session_id, digest_of(secret), token_digest(token), operator, now, now + LASTS),
            )
        return secret, Session(session_id, operator, who, expires_at)

    async def find(self, secret: str) -> Session | None:
        """Whose cookie this is; None when the session has ended, was idle, or its token is no longer good."""
        digest = digest_of(secret)
        if digest in self._lately:
            row = await self._look_up(digest)
        else:
            async with self._newcomers:
                row = await self._look_up(digest)
        if row is None:
            self._lately.pop(digest, None)
            return None
        self._lately[digest] = None
        while len(self._lately) > _LATELY_MAX:
            self._lately.popitem(last=False)
        # Signed in with a token: what that stands for now. Through a provider: what it said last.
        who = await self.access.principal_of(row["token_sha256"]) if row["token_sha256"] else principal_of(row)
        return Session(row["session_id"], row["operator"], who, row["expires_at"]) if who else None

    async def _look_up(self, digest: bytes) -> Record | None:
        now = self.clock.now()
        async with borrow(self.pool) as connection:
            row = await connection.fetchrow(QUERIES["find_session"], digest, now, now - IDLE)
            if row is not None and row["seen_at"] < now - _SEEN_EVERY:
                await connection.execute(QUERIES["saw_session"], row["session_id"], now)
        return row

    async def stands(self, secret: str | None, who: Principal) -> bool:
        """Whether it is still signed in, as what it was: for a stream, which goes on for long, and shows what `who` may see."""
        session = await self.find(secret) if secret else None
        return session is not None and session.who == who

    async def end(self, secret: str) -> None:
        """Signed out: the cookie is worth nothing from now on."""
        await self.end_digest(digest_of(secret))

    async def end_digest(self, digest: bytes) -> None:
        """As `end`, of a cookie that only its digest is kept of."""
        async with borrow(self.pool) as connection:
            await connection.execute(QUERIES["end_session"], digest, self.clock.now())


def principal_of(row: Record) -> Principal:
    """Of a session that an identity provider vouches for."""
    return Principal(
        name=row["account"],
        role=row["role"],
        hub_id=None if row["hub_id"] is None else HubId(row["hub_id"]),
        councils=None if row["councils"] is None else frozenset(map(CouncilId, row["councils"])),
    )


def digest_of(secret: str) -> bytes:
    """What is stored of a cookie. It holds 256 random bits, so that a plain SHA-256 is enough."""
    return hashlib.sha256(secret.encode()).digest()
