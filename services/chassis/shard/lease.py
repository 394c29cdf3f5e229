"""The lease of one shard, as this process has it."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.chassis.postgres import Pool, Queries
from services.chassis.postgres.borrow import borrow

LEASE_S = 4.0
"""How long a holder that says nothing keeps its shard."""
LAPSE_S = 5.0
"""Not having heard for longer is a lapse: whoever counts silence must not count it."""
_ASK_TIMEOUT_S = 1.5  # several tries fit into a lease

QUERIES = Queries.beside(__file__)


@dataclass(slots=True)
class Lease:
    """A lease that was ours when the database last said so.

    `session_at`: when the shard's session at the broker was last known to stand, whoever held it; None: it never had one.
    `filters`: what is to be let through, as the database last said; `subscribed`: what is, None: nobody knows.
    """

    pool: Pool
    shard: str
    holder: str
    generation: int
    session_at: datetime | None
    filters: frozenset[str]
    subscribed: frozenset[str] | None
    _database_at: datetime  # when it last answered, by its own clock
    _answered_at: float  # monotonic; when we had that answer
    _lapses_at: float  # monotonic; never later than by the database's clock, for it counts from before we asked

    @classmethod
    async def acquire(cls, pool: Pool, shard: str, holder: str) -> "Lease | None":
        """Take it if it is free, lapsed or ours; None while another holds it."""
        asked_at = time.monotonic()
        row = await _ask(pool, QUERIES["acquire_lease"], shard, holder, LEASE_S)
        if row is None:
            return None
        return cls(
            *(pool, shard, holder, row["generation"], row["session_at"], frozenset(row["filters"])),
            subscribed=None if row["subscribed"] is None else frozenset(row["subscribed"]),
            _database_at=row["at"],
            _answered_at=time.monotonic(),
            _lapses_at=asked_at + LEASE_S,
        )

    @property
    def remaining_s(self) -> float:
        """For how long nobody else can have it; below nought, somebody may."""
        return self._lapses_at - time.monotonic()

    async def holds(self) -> bool:
        """Ask the database, without renewing."""
        row = await _ask(self.pool, QUERIES["holds_lease"], *self._key, LEASE_S)
        return row is not None and bool(row[0])

    async def renew(self, *, heard: bool = False, deaf_because: str = "") -> bool:
        """Renew it, for its session is up; False: another has it.

        `heard`: all that the broker had until now is stored, and it is heard up to now, however long the answer takes. If that
        was not so for a while, that is over, and written down with its reason.
        """
        asked_at = time.monotonic()
        # The database's clock, never ahead of it: its answer was older than that when we had it.
        asked = self._database_at + timedelta(seconds=asked_at - self._answered_at)
        row = await _ask(self.pool, QUERIES["renew_lease"], *self._key, heard, LAPSE_S, deaf_because, asked)
        if row is None:
            return False
        self.session_at, self.filters = row["session_at"], frozenset(row["filters"])
        self._database_at, self._answered_at = row["at"], time.monotonic()
        self._lapses_at = asked_at + LEASE_S
        return True

    async def says_subscribed(self, filters: frozenset[str]) -> bool:
        """The session is subscribed to these, and to nothing else that counts; False: another has it.

        Of those that it was not before nothing was heard until now, and that is written down with it.
        """
        if await _ask(self.pool, QUERIES["subscribed"], *self._key, sorted(filters)) is None:
            return False
        self.subscribed = filters
        return True

    async def release(self) -> None:
        """Let the next one have it at once. Harmless when it is no longer ours."""
        await _ask(self.pool, QUERIES["release_lease"], *self._key)

    @property
    def _key(self) -> tuple[str, str, int]:
        return self.shard, self.holder, self.generation


async def _ask(pool: Pool, query: str, *arguments: Any) -> Any:
    async with asyncio.timeout(_ASK_TIMEOUT_S), borrow(pool) as connection:
        return await connection.fetchrow(query, *arguments)
