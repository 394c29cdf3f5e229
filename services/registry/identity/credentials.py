"""Users of the broker that people ask for: a hub's own, and a council's enrolment. Made, shown once, revoked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow
from services.registry.domain.broker import user_of
from services.registry.domain.claims import derived_password
from services.registry.gate.enrolment import create_enrolment, revoke_enrolment
from services.registry.identity.claims import QUERIES


@dataclass(frozen=True, slots=True)
class ShownCredential:
    """A user name and its password, which is shown in this answer and never again. `client_id`: bound to it, where it is."""

    username: str
    password: str
    client_id: str | None


class Credentials:
    """`key` is what the passwords follow from; it is in no database. A new one ends what came by the one before."""

    def __init__(self, pool: Pool, key: bytes) -> None:
        self._pool = pool
        self._key = key

    async def create_for_hub(self, hub_id: str, *, actor: str, now: datetime) -> ShownCredential | None:
        """None when there is no such hub."""
        secret_id = uuid4()
        async with borrow(self._pool) as connection:
            if not await connection.fetchval(QUERIES["put_hub_user"], hub_id, secret_id, now, actor):
                return None
        user = user_of("hub", hub_id, "enabled")
        return ShownCredential(user.username, derived_password(self._key, "hub", secret_id), user.client_id)

    async def revoke_hub(self, hub_id: str, now: datetime) -> bool:
        """Whether there was one."""
        async with borrow(self._pool) as connection:
            return bool(await connection.fetchval(QUERIES["revoke_hub_user"], hub_id, now))

    async def create_for_council(self, council_id: str, *, actor: str, now: datetime) -> ShownCredential | None:
        """For the gate only. None when there is no such council."""
        async with borrow(self._pool) as connection:
            password = await create_enrolment(connection, council_id, self._key, actor=actor, now=now)
        return None if password is None else ShownCredential(f"enrolment:{council_id}", password, None)

    async def revoke_council(self, council_id: str, now: datetime) -> bool:
        """Whether there was one."""
        async with borrow(self._pool) as connection:
            return await revoke_enrolment(connection, council_id, now)
