"""The time that work takes once, at its edge, and passes down: the database's, so that hosts with wrong clocks agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import structlog

if TYPE_CHECKING:
    from services.chassis.postgres import Connection

_log = structlog.get_logger(__name__)

OFFSET_TOLERATED_S = 1.0


class Clock(Protocol):
    def now(self) -> datetime:
        """The present instant, in UTC."""


class DatabaseClock:
    """This host's clock corrected by its measured offset to the database's. Until `measure` ran, the offset is nought."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    async def measure(self, connection: Connection) -> timedelta:
        """Measure the offset to within half a round trip and use it from now on. Warns above a second."""
        before = datetime.now(UTC)
        theirs: datetime = await connection.fetchval("select clock_timestamp()")
        after = datetime.now(UTC)
        self.offset = theirs - (before + (after - before) / 2)
        if abs(self.offset.total_seconds()) > OFFSET_TOLERATED_S:
            _log.warning(
                "clock_offset_large", offset_s=round(self.offset.total_seconds(), 3), hint="check this host's NTP"
            )
        return self.offset
