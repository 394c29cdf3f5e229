"""Who tokens stand for, asked of the database: all that wait in one query, and one query at a time.

So a flood of tokens that nobody made costs one connection, and an index probe each; and nobody is turned away for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from contracts.access import Principal
from contracts.ids import CouncilId, HubId
from services.chassis.postgres import Pool, Queries
from services.chassis.postgres.borrow import borrow

_QUERIES = Queries.beside(__file__)

BATCH_MAX = 500
# Within the ten that a hub's own request waits: a server that stands still for five and goes on has answered.
_TIMEOUT_S = 8


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose token it is, and until when it holds; None: for ever."""

    principal: Principal
    expires_at: datetime | None


class Lookups:
    """`await lookups.find(digest)`, by any number of requests at once."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: list[tuple[bytes, asyncio.Future[Holder | None]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def find(self, digest: bytes) -> Holder | None:
        """Whose token this is the digest of; None when nobody's, or revoked. Raises what the database raises."""
        answer: asyncio.Future[Holder | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((digest, answer))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_until_nobody_waits(), name="token-lookups")
        return await answer

    async def _ask_until_nobody_waits(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
            try:
                found = await self._ask([digest for digest, _ in batch])
            except Exception as error:  # noqa: BLE001 - it is raised in each of those who wait for the answer
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            for digest, answer in batch:
                if not answer.done():  # whoever asked may have gone
                    answer.set_result(found.get(digest))

    async def _ask(self, digests: Sequence[bytes]) -> Mapping[bytes, Holder]:
        async with borrow(self._pool) as connection:
            rows = await connection.fetch(_QUERIES["principals_of_tokens"], digests, timeout=_TIMEOUT_S)
        return {
            row["sha256"]: Holder(
                Principal(
                    name=row["name"],
                    role=row["role"],
                    hub_id=None if row["hub_id"] is None else HubId(row["hub_id"]),
                    councils=None if row["councils"] is None else frozenset(map(CouncilId, row["councils"])),
                ),
                row["expires_at"],
            )
            for row in rows
        }
