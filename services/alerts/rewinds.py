"""The database's clock was put back: nobody waits until it shows again what it showed before.

Whatever was written by the old time lies ahead of the new one: an alarm that was to be looked at in a minute would be in an hour
and a minute. So all of those are looked at now, when this starts and whenever the clock is seen to go back; what they wait by is
set right as they are (`domain/ladder.py`, `not_ahead`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from services.alerts.store import QUERIES
from services.chassis.clock import Clock
from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow

_log = structlog.get_logger(__name__)

EVERY_S: Final = 1.0
_TOLERATED: Final = timedelta(seconds=1)  # a measurement that was better than the one before it


@dataclass(slots=True)
class Rewinds:
    pool: Pool
    clock: Clock
    _seen: datetime | None = field(default=None, init=False)

    async def run_once(self) -> int:
        """Look at the clock. Returns 0: there is never more to do at once."""
        now = self.clock.now()
        if self._seen is None or now < self._seen - _TOLERATED:
            async with borrow(self.pool) as connection:
                woken = await connection.fetchval(QUERIES["wake_from_the_future"], self.clock.now())
            if woken:
                _log.critical("clock_put_back", alarms=woken, hint="check NTP on the database's hosts")
            self._seen = now
        self._seen = max(self._seen, now)
        return 0
