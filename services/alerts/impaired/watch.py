"""Every second: is everybody heard? Whatever keeps that from being so, the shards' watermarks stand still."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import structlog

from contracts.alarm_event import AlarmEvent
from services.alerts.domain.blindness import (
    Blindness,
    Ear,
    all_hear,
    blindness_event,
    is_over,
    to_be_told,
)
from services.alerts.impaired.memory import Memory
from services.alerts.impaired.sql import QUERIES
from services.alerts.intake import STREAM
from services.alerts.metrics import Metrics
from services.chassis.clock import Clock
from services.chassis.event_log import LogEntry, append
from services.chassis.postgres import Connection, Pool, is_transient
from services.chassis.postgres.borrow import borrow

if TYPE_CHECKING:
    from asyncpg import Record

_log = structlog.get_logger(__name__)

EVERY_S: Final = 1.0
_LOOK_FOR_S: Final = 3.0


@dataclass(slots=True)
class Watch:
    """`run_once` for a loop. `pool` is its own: whoever takes all other connections does not make it believe the database away."""

    pool: Pool
    clock: Clock
    metrics: Metrics
    memory: Memory

    @property
    def blind(self) -> bool:
        """Whether it is not known of everybody that they are heard, as far as we know: also when the last look is long ago."""
        return not self.memory.ears or not all_hear(self.memory.ears, self.clock.now())

    async def run_once(self) -> int:
        """Look, and tell what is to be told. Returns 0: the next is due in a second."""
        try:
            async with asyncio.timeout(_LOOK_FOR_S), borrow(self.pool) as connection:
                await self._look(connection)
        except Exception as error:
            if not is_transient(error):
                raise
            self.metrics.hears(self.memory.ears, self.clock.now())
            await self.memory.database_away(self.clock.now())
        else:
            self.memory.database_there()
        return 0

    async def _look(self, connection: Connection) -> None:
        now = self.clock.now()
        rows = await connection.fetch(QUERIES["ears"])
        # Both by the database's clock: `now` may be a moved one.
        ears = [Ear(row["shard"], now - (row["at"] - row["heard_until"])) for row in rows]
        self.metrics.hears(ears, now)
        async with connection.transaction():
            said = await self._decide(connection, ears, now)
        if said is not None:
            self._say(said)
        self.memory.has_told = self.memory.blindness = None  # it is in the database now
        self.memory.ears = ears
        row = await connection.fetchrow(QUERIES["told"])
        self.memory.open = None if row is None else _as_told(row)
        self.memory.contacts = await connection.fetch(QUERIES["contacts"])

    async def _decide(self, connection: Connection, ears: Sequence[Ear], now: datetime) -> AlarmEvent | None:
        """What is told with the transaction: that one began, or is over."""
        row = await connection.fetchrow(QUERIES["open_blindness"])
        if row is None:
            return await self._begin(connection, ears, now)
        blindness_id = row["blindness_id"]
        if not all_hear(ears, now):
            await connection.execute(QUERIES["deaf_again"], blindness_id)
        elif row["heard_since"] is None:
            await connection.execute(QUERIES["hears_again"], blindness_id, now)
        elif is_over(row["heard_since"], now):
            await connection.execute(QUERIES["end"], blindness_id, now)
            over = Blindness(tuple(row["shards"]), row["began_at"])
            return await _tell(connection, blindness_event(over, "restored", now), now)
        return None

    async def _begin(self, connection: Connection, ears: Sequence[Ear], now: datetime) -> AlarmEvent | None:
        """What hubs were told from memory is written down now, whoever hears again by now: somebody will ask about it."""
        blindness = self.memory.blindness or to_be_told(ears, now)
        if blindness is None:
            return None
        told = self.memory.has_told or blindness_event(blindness, "activated", now)
        began = (blindness.blindness_id, list(blindness.shards), blindness.began_at, told.received_at)
        if not await connection.fetchval(QUERIES["begin"], *began):
            return None
        return await _tell(connection, told, now)

    def _say(self, event: AlarmEvent) -> None:
        if event.status == "activated":
            _log.critical("monitoring_blind", event_id=event.event_id, hint=event.text)
        else:
            _log.info("monitoring_blind_over", event_id=event.event_id)


def _as_told(row: Record) -> AlarmEvent:
    return blindness_event(Blindness(tuple(row["shards"]), row["began_at"]), "activated", row["told_at"])


async def _tell(connection: Connection, event: AlarmEvent, now: datetime) -> AlarmEvent:
    await append(connection, [LogEntry(STREAM, event.device_id, int(event.urgency), event.to_json())], now)
    return event
