"""Looks again at every alarm whose `wake_at` has come, the most urgent first, each in a transaction of its own.

An alarm that cannot be handled, by a fault of ours, is passed over for a while: it must not stand before all the others.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf
from typing import Final

import structlog

from contracts.ids import AlarmId
from contracts.vocabulary import Priority
from services.alerts import store
from services.alerts.alarms import Alarms
from services.alerts.domain.alarm import Alarm
from services.alerts.domain.triggers import Woken
from services.chassis.clock import Clock
from services.chassis.event_log import AfterCommit
from services.chassis.loop import Loop
from services.chassis.postgres import Connection, Pool, is_transient
from services.chassis.postgres.borrow import Line, borrow

_log = structlog.get_logger(__name__)

EVERY_S: Final = 0.5
PASSED_OVER_FOR: Final = timedelta(seconds=10)
_URGENT_FOR_S: Final = 0.25  # the next one is looked at well within that


class _PassedOver(Exception):
    """Undoes what was done for an alarm that cannot be handled."""


@dataclass(slots=True)
class Waker:
    pool: Pool
    clock: Clock
    alarms: Alarms
    _passed_over: dict[AlarmId, datetime] = field(default_factory=dict, init=False)  # until when
    _urgent_at_s: float = field(
        default=-inf, init=False
    )  # monotonic: when an alarm of life or welfare was last looked at

    def loops(self, number: int) -> list[Loop]:
        """To be run, each as a task and on a connection that it keeps: no alarm waits for one to be prepared."""
        return [self._loop(each) for each in range(number)]

    def _loop(self, number: int) -> Loop:
        line, worked = Line(self.pool), 0

        async def run_once() -> int:
            # One cheap look: a claim is three round trips, and nearly always for nothing. Not when many are due.
            nonlocal worked
            before, worked = worked, 0
            if before or (await line.fetch(store.QUERIES["any_due"], self.clock.now()))[0]["any_due"]:
                worked = await self._run_once(line.transaction)
            return worked

        return Loop(f"waker-{number}", run_once, EVERY_S)

    async def run_once(self) -> int:
        """Look at one alarm. Returns 1, or 0 when none is due. One that cannot be handled is said, and passed over."""
        return await self._run_once(self._borrowed)

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[Connection]:
        async with borrow(self.pool) as connection, connection.transaction():
            yield connection

    async def _run_once(self, transaction: Callable[[], AbstractAsyncContextManager[Connection]]) -> int:
        try:
            async with transaction() as connection:
                now = self.clock.now()  # not before: a connection may have to be waited for
                self._passed_over = {id_: until for id_, until in self._passed_over.items() if until > now}
                alarm = await store.due_alarm(connection, now, self._passed_over)
                if alarm is None:
                    return 0
                if alarm.priority <= Priority.WELFARE:
                    self._urgent_at_s = time.monotonic()
                after_commit = await self._look_at(connection, alarm, now)
        except _PassedOver:
            return 1  # and no error: the loop would wait before the next, who may be well
        after_commit()
        return 1

    def has_urgent_work(self) -> bool:
        """Whether alarms of life or welfare are being looked at: a flood of others that arrives meanwhile can wait."""
        return time.monotonic() - self._urgent_at_s < _URGENT_FOR_S

    async def check(self) -> str | None:
        """Ready: there is no alarm that cannot be looked at again."""
        if not self._passed_over:
            return None
        return f"{len(self._passed_over)} alarm(s) cannot be looked at again, by a fault of ours; the log says more."

    async def _look_at(self, connection: Connection, alarm: Alarm, now: datetime) -> AfterCommit:
        try:
            _, after_commit = await self.alarms.apply(connection, alarm, Woken(), now)
        except Exception as error:
            if is_transient(error):
                raise
            self._passed_over[alarm.alarm_id] = now + PASSED_OVER_FOR
            _log.critical("alarm_wake_failed", alarm_id=alarm.alarm_id, error=type(error).__name__)
            raise _PassedOver from error
        return after_commit
