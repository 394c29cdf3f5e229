"""What an outage leaves behind: it and its counts stay, its list as long as heartbeats do, what was needed to find it does not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from services.alerts.outages.sql import QUERIES
from services.chassis.clock import Clock
from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow

EVERY_S: Final = 3600.0
_KEPT: Final = timedelta(days=30)  # rates are of the last seven
_MEMBERS_KEPT: Final = timedelta(days=400)  # after it is over; the database keeps them for a year, whatever it is told


@dataclass(frozen=True, slots=True)
class OutageRetention:
    pool: Pool
    clock: Clock
    notes_kept: timedelta

    async def run_once(self) -> int:
        """Some of what is old enough. Returns how much, which calls for more at once."""
        now = self.clock.now()
        async with borrow(self.pool) as connection:
            await connection.execute(QUERIES["forget_notes"], now - self.notes_kept)
            members = int(await connection.fetchval(QUERIES["forget_members"], now - _MEMBERS_KEPT))
            return members + int(await connection.fetchval(QUERIES["forget"], now - _KEPT))
