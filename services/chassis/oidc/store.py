"""Sessions of people that an identity provider vouches for."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.chassis.oidc.grants import Person
from services.chassis.pages.sessions import IDLE, LASTS, Session, digest_of
from services.chassis.postgres import Pool, Queries
from services.chassis.postgres.borrow import borrow
from services.chassis.secrets import SecretKeyError, Vault

_QUERIES: Final = Queries.beside(__file__)

CHECK_EVERY: Final = timedelta(minutes=10)
CHECK_AGAIN: Final = timedelta(minutes=1)
"""After the provider was away, or we were."""
UNCHECKED_LASTS: Final = timedelta(hours=1)
"""A session whose provider gave us nothing to ask it with again: so its role is an hour old at most."""
_DUE_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Due:
    """A session whose person is to be asked about. `refresh_token` of None: it can't be read any more."""

    session_id: uuid.UUID
    subject: str
    account: str
    refresh_token: str | None


@dataclass(frozen=True, slots=True)
class PersonSessions:
    """Refresh tokens are kept encrypted, for they are as good as a password at the provider."""

    pool: Pool
    vault: Vault
    issuer: str

    async def open(
        self, person: Person, refresh_token: str | None, state: str, now: datetime
    ) -> tuple[str, Session] | None:
        """The cookie's secret and the session; None when this answer of the provider has opened one already."""
        secret, session_id = secrets.token_urlsafe(32), uuid.uuid4()
        expires_at = now + (LASTS if refresh_token else UNCHECKED_LASTS)
        async with borrow(self.pool) as connection:
            opened = await connection.fetchval(
                _QUERIES["open_session"],
                *(session_id, digest_of(secret), person.name, self.issuer, person.subject, *_granted(person)),
                *(hashlib.sha256(state.encode()).digest(), self._sealed(refresh_token), now),
                *(now + CHECK_EVERY if refresh_token else None, expires_at),
            )
        return None if opened is None else (secret, Session(session_id, person.name, person.who, expires_at))

    async def due(self, now: datetime) -> Sequence[Due]:
        """Those to be checked, for this process alone, for the next minute."""
        async with borrow(self.pool) as connection:
            rows = await connection.fetch(
                _QUERIES["claim_due"], now, now + CHECK_AGAIN, now - IDLE, self.issuer, _DUE_MAX
            )
        return [
            Due(row["session_id"], row["subject"], row["account"], self._opened(row["refresh_token_encrypted"]))
            for row in rows
        ]

    async def keep(self, due: Due, refresh_token: str) -> None:
        """What the provider is to be asked with the next time."""
        async with borrow(self.pool) as connection:
            await connection.execute(_QUERIES["keep_refresh_token"], due.session_id, self._sealed(refresh_token))

    async def confirm(self, due: Due, person: Person, now: datetime) -> None:
        async with borrow(self.pool) as connection:
            await connection.execute(
                _QUERIES["confirm"], *(due.session_id, person.name, *_granted(person), now, now + CHECK_EVERY)
            )

    async def end(self, due: Due, now: datetime) -> None:
        async with borrow(self.pool) as connection:
            await connection.execute(_QUERIES["end"], due.session_id, now)

    def _sealed(self, token: str | None) -> bytes | None:
        return None if token is None else self.vault.encrypt(token.encode())

    def _opened(self, sealed: bytes) -> str | None:
        try:
            return self.vault.decrypt(sealed).decode()
        except SecretKeyError:  # the key was changed: nobody can be asked about this person
            return None


def _granted(person: Person) -> tuple[str, str, str | None, list[str] | None]:
    who = person.who
    return who.name, who.role, who.hub_id, None if who.councils is None else sorted(who.councils)
