"""Who shall be known at the broker, from the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.chassis.postgres import Connection, Queries
from services.registry.broker.hashes import PasswordHash
from services.registry.domain.broker import Kind, Standing, User, user_of
from services.registry.domain.claims import code_of, derived_password

QUERIES: Final = Queries.beside(__file__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A user as it shall be. `hashed` of a device: all that is known of its password."""

    username: str
    kind: Kind
    subject: str
    secret_id: UUID
    version: int
    renewed: bool
    due: bool
    known_missing: bool
    standing: Standing
    hashed: PasswordHash | None

    @property
    def user(self) -> User:
        return user_of(self.kind, self.subject, self.standing)

    def password(self, key: bytes) -> str | None:
        """Where it follows from the key; None of a device's."""
        match self.kind:
            case "device":
                return None
            case "claim":
                return code_of(key, self.secret_id)
            case "enrolment":  # what the gate says for it; units outside say another, to the gate
                return derived_password(key, "gate", self.secret_id)
            case "hub":
                return derived_password(key, "hub", self.secret_id)


async def wanted(connection: Connection, now: datetime, names: Sequence[str] | None = None) -> list[Wanted]:
    """Every user, or those of these names."""
    rows = await connection.fetch(QUERIES["users"], now, names)
    return [
        Wanted(
            row["username"],
            row["kind"],
            row["subject"],
            row["secret_id"],
            row["version"],
            row["renewed"],
            row["due"],
            row["known_missing"],
            row["standing"],
            None
            if row["password_sha512"] is None
            else PasswordHash(row["password_sha512"], row["salt"], row["iterations"]),
        )
        for row in rows
    ]
