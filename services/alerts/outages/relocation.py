"""Whoever moves to another council while an outage's list is worked through is on the list of that council's hubs alone."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from services.alerts.outages import store
from services.alerts.outages.sql import DECIDING, QUERIES
from services.chassis.clock import Clock
from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow

_log = structlog.get_logger(__name__)

EVERY_S: Final = 1.0
WORKED_ON_FOR: Final = timedelta(days=1)
"""After its end a list is still worked through for so long. Then it is a record of who was exposed, and stays as it is."""
_LOOK_EVERY_S: Final = 60.0
_TIMES_ITS_WORK: Final = 50  # no more than a fiftieth of the time goes into it, as into the count of the fleet
_AT_ONCE: Final = 5_000  # members, each looked up in the registry: some tens of milliseconds


@dataclass(slots=True)
class Relocation:
    """`run_once` is a loop's."""

    pool: Pool
    clock: Clock
    _again_at_s: float = field(default=0.0, init=False)  # monotonic

    async def run_once(self) -> int:
        """Look, if it is time to. Returns 0: there is never more to do at once."""
        if time.monotonic() < self._again_at_s:
            return 0
        began_s = time.monotonic()
        await self.follow()
        took_s = time.monotonic() - began_s
        self._again_at_s = began_s + max(_LOOK_EVERY_S, _TIMES_ITS_WORK * took_s)
        return 0

    async def follow(self) -> int:
        """Look now at every list that is worked on. Returns how many members have moved."""
        since, moved = self.clock.now() - WORKED_ON_FOR, 0
        for outage_id in await self._lists(since):
            after: str | None = ""
            while after is not None:
                after, some = await self._some(outage_id, after)
                moved += some
        return moved

    async def _lists(self, since: datetime) -> list[UUID]:
        async with borrow(self.pool) as connection:
            return [row["outage_id"] for row in await connection.fetch(QUERIES["worked_on"], since)]

    async def _some(self, outage_id: UUID, after: str) -> tuple[str | None, int]:
        """Of those after a device: the last one looked at, or None when there is no other, and how many have moved.

        Whoever decides counts too: two that count at once would leave what the slower one saw, without the council that came last.
        So this waits for its turn; but only if somebody has moved.
        """
        async with borrow(self.pool) as connection, connection.transaction():
            await connection.execute(QUERIES["by_index"])
            seen = await connection.fetchrow(QUERIES["elsewhere"], outage_id, after, _AT_ONCE)
            if seen is None or not seen["moved"]:
                return (None if seen is None else seen["last"]), 0
            await connection.execute(QUERIES["alone"], DECIDING)
            row = await connection.fetchrow(QUERIES["relocated"], outage_id, after, _AT_ONCE)
            if row is None:
                return None, 0
            if row["moved"]:
                await store.counted(connection, outage_id)  # by its councils hubs see it, and are told of it
                _log.info("outage_members_moved", outage_id=str(outage_id), members=row["moved"])
            return row["last"], row["moved"]
