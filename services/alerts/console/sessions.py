"""Sessions: a token and a name at the start of a shift, a cookie until its end."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from contracts.access import Principal
from services.alerts.console.sql import QUERIES
from services.alerts.domain.alarm import Alarm
from services.chassis.clock import Clock
from services.chassis.http import Access
from services.chassis.http.access import token_digest
from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow

LASTS: Final = timedelta(hours=14)
"""A long shift, and its handover."""
_KEPT: Final = timedelta(days=30)
_RANDOM_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Session:
    """An operator at a screen. `who` is what the token stands for, as of now."""

    session_id: uuid.UUID
    operator: str
    who: Principal
    expires_at: datetime

    @property
    def may_act(self) -> bool:
        """Operators of a hub, and ops; others look."""
        return self.who.role in {"hub", "ops"}

    def has(self, alarm: Alarm) -> bool:
        """Whether this operator has taken it. Somebody of the same name at another hub is somebody else."""
        return (alarm.acknowledged_by, alarm.acknowledged_hub) == (self.operator, self.who.hub_id)


@dataclass(frozen=True, slots=True)
class Sessions:
    """Kept in the database, so that any process knows them and a restart ends none."""

    pool: Pool
    clock: Clock
    access: Access

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
                *(session_id, _digest(secret), token_digest(token), operator, now, now + LASTS),
            )
        return secret, Session(session_id, operator, who, expires_at)

    async def find(self, secret: str) -> Session | None:
        """Whose cookie this is; None when the session has ended or its token is no longer good."""
        async with borrow(self.pool) as connection:
            row = await connection.fetchrow(QUERIES["find_session"], _digest(secret), self.clock.now())
        if row is None:
            return None
        who = await self.access.principal_of(row["token_sha256"])
        return Session(row["session_id"], row["operator"], who, row["expires_at"]) if who else None

    async def end(self, secret: str) -> None:
        """Signed out: the cookie is worth nothing from now on."""
        async with borrow(self.pool) as connection:
            await connection.execute(QUERIES["end_session"], _digest(secret), self.clock.now())


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
