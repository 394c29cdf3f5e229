"""Looks again at every alarm whose `wake_at` has come, the most urgent first, each in a transaction of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.alerts import store
from services.alerts.alarms import Alarms
from services.alerts.domain.triggers import Woken
from services.chassis.clock import Clock
from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow

EVERY_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Waker:
    pool: Pool
    clock: Clock
    alarms: Alarms

    async def run_once(self) -> int:
        """Look at one alarm. Returns 1, or 0 when none is due."""
        now = self.clock.now()
        async with borrow(self.pool) as connection:
            async with connection.transaction():
                alarm = await store.due_alarm(connection, now)
                if alarm is None:
                    return 0
                _, after_commit = await self.alarms.apply(connection, alarm, Woken(), now)
            after_commit()
        return 1
