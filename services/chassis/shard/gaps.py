"""Times during which the broker may have lost messages for a shard: written down, if need be once the database is back."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from services.chassis.clock import Clock
from services.chassis.postgres import Pool, is_transient
from services.chassis.postgres.borrow import borrow
from services.chassis.shard.lease import QUERIES

_log = structlog.get_logger(__name__)

_WRITE_TIMEOUT_S = 1.5


@dataclass(slots=True)
class _Gap:
    started_at: datetime
    reason: str
    written: bool = False


@dataclass(slots=True)
class Gaps:
    """The gaps of one shard as this process sees them. `on_gap` is called once for each that it found."""

    pool: Pool
    clock: Clock
    shard: str
    on_gap: Callable[[], None]
    _open: _Gap | None = field(default=None, init=False)

    async def began(self, reason: str) -> None:
        """The session went down uncleanly, or can't be had. Nothing new while a gap is open already."""
        if self._open is None:
            self._open = _Gap(self.clock.now(), reason)
            self.on_gap()
        if not self._open.written:
            try:
                await self._write(self._open)
            except Exception as error:
                if not is_transient(error):
                    raise
                _log.debug("gap_to_be_written_later", shard=self.shard)

    async def ended(self, *, session_present: bool, session_at: datetime | None) -> None:
        """The session is up. Without one at the broker, all since `session_at` is certainly lost, seen by us or not."""
        gap, certain = self._open, not session_present and session_at is not None
        if gap is not None and not gap.written:
            await self._write(gap)
        async with asyncio.timeout(_WRITE_TIMEOUT_S), borrow(self.pool) as connection:
            now = self.clock.now()
            closed = await connection.fetchval(QUERIES["close_gap"], self.shard, now, certain)
            if certain and not closed:
                await connection.execute(QUERIES["add_gap"], self.shard, session_at, now, True, "session_lost")
                self.on_gap()
        self._open = None

    async def handed_over(self) -> None:
        """Another holds the shard: an open gap is its to close, but one that it can't know of is over by now."""
        gap = self._open
        if gap is not None and not gap.written:
            async with asyncio.timeout(_WRITE_TIMEOUT_S), borrow(self.pool) as connection:
                now = self.clock.now()
                await connection.execute(QUERIES["add_gap"], self.shard, gap.started_at, now, False, gap.reason)
        self._open = None

    async def _write(self, gap: _Gap) -> None:
        async with asyncio.timeout(_WRITE_TIMEOUT_S), borrow(self.pool) as connection:
            await connection.execute(QUERIES["open_gap"], self.shard, gap.started_at, gap.reason)
        gap.written = True
