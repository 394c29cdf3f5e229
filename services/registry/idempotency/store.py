"""Keys and their answers in the database, the answers encrypted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias

from services.chassis.clock import Clock
from services.chassis.postgres import Pool, Queries
from services.chassis.postgres.borrow import borrow
from services.chassis.secrets import Vault

_QUERIES = Queries.beside(__file__)

KEPT: Final = timedelta(days=7)
ABANDONED_AFTER: Final = timedelta(minutes=1)
"""Longer than any request takes: whoever was answering it is gone."""

ERASED_ANSWER: Final = (
    b'{"detail": "It was done, or refused, as before; what was answered is erased. Ask for the device as it is now."}'
)
"""In the place of an answer that was about a person. Its status stays: whoever repeats the request is not to do it again."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reserved:
    """It is the caller's to answer."""


@dataclass(frozen=True, slots=True)
class BeingAnswered:
    """The same request is under way."""


@dataclass(frozen=True, slots=True)
class OtherRequest:
    """The key was another request's."""


Found: TypeAlias = Reserved | BeingAnswered | OtherRequest | Answer


@dataclass(frozen=True, slots=True)
class KeyStore:
    pool: Pool
    clock: Clock
    vault: Vault

    async def reserve(self, caller: bytes, key: str, sha256: bytes) -> Found:
        """Whose it is to answer, or how it was answered."""
        now = self.clock.now()
        async with borrow(self.pool) as connection:
            if await connection.fetchval(_QUERIES["reserve"], caller, key, sha256, now):
                return Reserved()
            row = await connection.fetchrow(_QUERIES["find"], caller, key)
            if row is None:  # released just now
                return BeingAnswered()
            if row["sha256"] != sha256:
                return OtherRequest()
            if row["status"] is None:
                taken = await connection.fetchval(_QUERIES["take_over"], caller, key, now, now - ABANDONED_AFTER)
                return Reserved() if taken else BeingAnswered()
        return Answer(row["status"], row["headers"], self.vault.decrypt(row["answer"]))

    async def keep(self, caller: bytes, key: str, answer: Answer, devices: Sequence[str] = ()) -> None:
        """What the same request is answered from now on. `devices`: whom it is about, for an erasure of theirs.

        An erasure that was asked for meanwhile has not seen this answer, so it is not kept as it is. One that is being asked for
        holds the device's row, and is waited for.
        """
        sealed, erased = self.vault.encrypt(answer.body), self.vault.encrypt(ERASED_ANSWER)
        headers = dict(answer.headers)
        async with borrow(self.pool) as connection, connection.transaction():
            await connection.execute(_QUERIES["hold_devices"], devices)
            await connection.execute(
                _QUERIES["answer"], caller, key, self.clock.now(), answer.status, headers, sealed, devices, erased
            )

    async def release(self, caller: bytes, key: str) -> None:
        """Nothing came of it."""
        async with borrow(self.pool) as connection:
            await connection.execute(_QUERIES["release"], caller, key)

    async def forget(self) -> int:
        """For a loop: what is older than a week."""
        async with borrow(self.pool) as connection:
            await connection.execute(_QUERIES["forget"], self.clock.now() - KEPT)
        return 0
