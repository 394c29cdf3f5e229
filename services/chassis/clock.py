"""The time that work takes once, at its edge, and passes down: the database's, so that hosts with wrong clocks agree."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import structlog

if TYPE_CHECKING:
    from services.chassis.postgres import Connection

_log = structlog.get_logger(__name__)

OFFSET_TOLERATED_S = 1.0
_SAMPLES = 3


class Clock(Protocol):
    def now(self) -> datetime:
        """The present instant, in UTC."""


class DatabaseClock:
    """The database's clock, carried on from when it was last asked. Until `measure` ran, this host's at the start.

    Carried on by a clock that nobody can set: were it this host's, a step of that would put off, or bring forward, whatever
    is decided until it is measured again.
    """

    def __init__(self) -> None:
        self._told = datetime.now(UTC)
        self._told_at_s = time.monotonic()

    def now(self) -> datetime:
        return self._told + timedelta(seconds=time.monotonic() - self._told_at_s)

    async def measure(self, connection: Connection) -> timedelta:
        """Ask the database, to within half the quickest of a few round trips; returns how far ahead of this host's it is.

        Warns above a second.
        """
        quickest_s = float("inf")
        for _ in range(_SAMPLES):
            before_s = time.monotonic()
            theirs: datetime = await connection.fetchval("select clock_timestamp()")
            after_s = time.monotonic()
            if after_s - before_s < quickest_s:
                quickest_s = after_s - before_s
                told, told_at_s = theirs, before_s + quickest_s / 2
        self._told, self._told_at_s = told, told_at_s
        offset = self.now() - datetime.now(UTC)
        if abs(offset.total_seconds()) > OFFSET_TOLERATED_S:
            _log.warning("clock_offset_large", offset_s=round(offset.total_seconds(), 3), hint="check this host's NTP")
        return offset


async def set_right(clock: Clock, connection: Connection) -> None:
    """Ask the database anew, if it is the database's clock: before work in which another process' times are judged."""
    if isinstance(clock, DatabaseClock):
        await clock.measure(connection)
