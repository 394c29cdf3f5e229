"""Whether this process's key reads what is stored encrypted and is needed to tell people.

With another key every alarm is taken, and no hub and no responder is told: nothing else would say so before the first press.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from services.alerts.store import QUERIES
from services.chassis.postgres import Connection, Pool
from services.chassis.postgres.borrow import borrow
from services.chassis.secrets import SecretKeyError, Vault

if TYPE_CHECKING:
    from asyncpg import Record

_log = structlog.get_logger(__name__)

EVERY_S: Final = 60.0
ADVICE: Final = (
    "put back the key that they were stored under, from the backup of /etc/telecare (credentials/secret_key; with containers "
    "deploy/compose/secrets/telecare_secret_key), and restart the services; or give every channel its secret anew"
)


async def unreadable(connection: Connection, vault: Vault) -> str | None:
    """What the key does not read of all that people are told by; None when it reads all of it."""
    rows = await connection.fetch(QUERIES["sealed"])
    lost = await asyncio.to_thread(_lost, vault, rows)  # a thousand responders take a twentieth of a second
    if not lost:
        return None
    there = Counter(row["whose"] for row in rows)
    counted = " and ".join(f"{number} of {there[whose]} {whose}" for whose, number in sorted(lost.items()))
    return f"TELECARE_SECRET_KEY does not read what is stored of {counted}: they cannot be told of any alarm"


def _lost(vault: Vault, rows: Sequence[Record]) -> Counter[str]:
    lost: Counter[str] = Counter()
    for row in rows:
        try:
            vault.decrypt(row["sealed"])
        except SecretKeyError:
            lost[row["whose"]] += 1
    return lost


@dataclass(slots=True)
class Sealed:
    """Looks at the start and every minute; readiness says what was found."""

    pool: Pool
    vault: Vault
    _fault: str | None = field(default=None, init=False)
    _looked: bool = field(default=False, init=False)

    async def run_once(self) -> int:
        """Look. Returns 0: there is never more to do at once."""
        async with borrow(self.pool) as connection:
            fault = await unreadable(connection, self.vault)
        if fault is not None and fault != self._fault:
            _log.error("secrets_unreadable", reason=fault, hint=ADVICE)
        self._fault, self._looked = fault, True
        return 0

    async def check(self) -> str | None:
        """Ready: whom the directory names can be told."""
        if not self._looked:
            await self.run_once()
        return None if self._fault is None else f"{self._fault}: {ADVICE}."
