"""How a service erases what it was told to: off the event log into a list of its own, and from there until it is done.

Told and begun are one transaction, each step is another, and a step that is made again finds nothing left: killed anywhere,
it goes on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from services.chassis.clock import Clock
from services.chassis.postgres import Connection, Pool, Queries
from services.chassis.postgres.borrow import borrow

_log = structlog.get_logger(__name__)

EVERY_S: Final = 5.0

Step = Callable[[Connection, UUID], Awaitable[int]]
"""Erase some of an erasure, in the transaction that is open; returns how much. Nought: there is nothing more just now."""


@dataclass(frozen=True, slots=True)
class Erasing:
    """`run_once` for a loop. `queries` of the service: take_erasures, due_erasures, erased_some, erasure_done."""

    pool: Pool
    clock: Clock
    queries: Queries
    step: Step

    async def run_once(self) -> int:
        """What was told, then a step of each that is due. Returns how much was erased, which calls for more at once."""
        async with borrow(self.pool) as connection:
            await connection.execute(self.queries["take_erasures"], self.clock.now())
            due = [row["erasure_id"] for row in await connection.fetch(self.queries["due_erasures"])]
        erased = 0
        for erasure_id in due:
            async with borrow(self.pool) as connection, connection.transaction():
                some = await self.step(connection, erasure_id)
                if some:
                    await connection.execute(self.queries["erased_some"], erasure_id, some)
                elif await connection.fetchval(self.queries["erasure_done"], erasure_id, self.clock.now()):
                    _log.info("erasure_done", erasure_id=str(erasure_id))
            erased += some
        return erased
