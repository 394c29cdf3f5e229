"""A council's enrolment credential: made, shown once, revoked."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final
from uuid import uuid4

from services.chassis.postgres import Connection, Queries
from services.registry.domain.claims import derived_password

QUERIES: Final = Queries.beside(__file__)


async def create_enrolment(
    connection: Connection, council: str, key: bytes, *, actor: str, now: datetime
) -> str | None:
    """The password, to be shown now; None when there is no such council. One before it is void."""
    secret_id = uuid4()
    password = derived_password(key, "enrolment", secret_id)
    digest = hashlib.sha256(password.encode()).digest()
    made = await connection.fetchval(QUERIES["put_enrolment"], council, secret_id, digest, now, actor)
    return password if made else None


async def revoke_enrolment(connection: Connection, council: str, now: datetime) -> bool:
    """Whether there was one. Its sessions end when the broker is told."""
    return bool(await connection.fetchval(QUERIES["revoke_enrolment"], council, now))
