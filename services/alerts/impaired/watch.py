"""Every second: is everybody heard? Whatever keeps that from being so, the shards' watermarks stand still."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import structlog

from contracts.alarm_event import AlarmEvent
from services.alerts.domain.blindness import (
    TOLD_AFTER,
    About,
    Blindness,
    Ear,
    all_hear,
    blindness_event,
    hears_anew,
    is_over,
    to_be_told,
    wider,
)
from services.alerts.domain.unheard import Unheard, advice
from services.alerts.domain.watermark import Watermarks
from services.alerts.impaired.memory import Memory
from services.alerts.impaired.nobody import Nobody
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
    _watermarks: Watermarks = field(default_factory=Watermarks)
    _nobody: Nobody = field(default_factory=Nobody)
    _unheard: Mapping[Unheard, Ear] = field(default_factory=dict)

    @property
    def blind(self) -> bool:
        """Whether it is not known of everybody that they are heard, as far as we know: also when the last look is long ago."""
        return not self.memory.ears or not all_hear([*self.memory.ears, *self._unheard.values()], self.clock.now())

    async def check(self) -> str | None:
        """For readiness: to whom nobody listens who should be heard, and what to do about it."""
        now = self.clock.now()
        long = [each for each, ear in self._unheard.items() if now - ear.heard_until >= TOLD_AFTER]
        return advice(long) if long else None

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
        rows = await connection.fetch(QUERIES["shards"])
        now, now_s = self.clock.now(), self.memory.monotonic()
        heard_until = {row["shard"]: row["heard_until"] for row in rows if row["heard_until"] is not None}
        ears: Sequence[Ear] = ()
        if rows:
            ears = _ears(self._watermarks.look(heard_until, rows[0]["at"], now_s), now)
        nobody = await self._nobody.listens(connection, rows, now_s)
        self._unheard = {each: Ear(each.name, now - timedelta(seconds=for_s)) for each, for_s in nobody.items()}
        self.metrics.hears(ears, now)
        self.metrics.shards({row["shard"]: row["lane"] for row in rows})
        async with connection.transaction():
            said = [
                await self._decide(connection, "deaf", ears, now),
                await self._decide(connection, "unheard", [*self._unheard.values()], now),
            ]
        for event in said:
            if event is not None:
                _say(event)
        self.memory.has_told = self.memory.blindness = None  # it is in the database now
        self.memory.ears = ears
        row = await connection.fetchrow(QUERIES["told"])
        self.memory.open = None if row is None else blindness_event(_of(row), "activated", row["told_at"])
        self.memory.mark = _mark(await connection.fetchrow(QUERIES["last_told"]), rows)
        self.memory.contacts = await connection.fetch(QUERIES["contacts"])

    async def _decide(
        self, connection: Connection, about: About, ears: Sequence[Ear], now: datetime
    ) -> AlarmEvent | None:
        """What is told with the transaction: that one began, or has become wider, or is over."""
        row = await connection.fetchrow(QUERIES["open_blindness"], about)
        if row is None:
            return await self._begin(connection, about, ears, now)
        known = _of(row)
        more = wider(known, ears, now)
        if more is not None:
            await connection.execute(QUERIES["widen"], known.blindness_id, now)
            return await _begin(connection, about, more, blindness_event(more, "activated", now, about), now)
        if not all_hear(ears, now):
            await connection.execute(QUERIES["deaf_again"], known.blindness_id)
        elif hears_anew(row["heard_since"], now):
            await connection.execute(QUERIES["hears_again"], known.blindness_id, now)
        elif is_over(row["heard_since"], now):
            await connection.execute(QUERIES["end"], known.blindness_id, now)
            return await _tell(connection, blindness_event(known, "restored", now, about), now)
        return None

    async def _begin(
        self, connection: Connection, about: About, ears: Sequence[Ear], now: datetime
    ) -> AlarmEvent | None:
        """What hubs were told from memory is written down now, whoever hears again by now: somebody will ask about it."""
        told, blindness = (self.memory.has_told, self.memory.blindness) if about == "deaf" else (None, None)
        blindness = blindness or to_be_told(ears, now)
        if blindness is None:
            return None
        told = told or blindness_event(blindness, "activated", now, about)
        return await _begin(connection, about, blindness, told, now)


async def _begin(
    connection: Connection, about: About, blindness: Blindness, told: AlarmEvent, now: datetime
) -> AlarmEvent | None:
    """Null: another process told of one that is not over yet."""
    began = (blindness.blindness_id, list(blindness.shards), blindness.began_at, told.received_at, about)
    if not await connection.fetchval(QUERIES["begin"], *began):
        return None
    return await _tell(connection, told, now)


async def _tell(connection: Connection, event: AlarmEvent, now: datetime) -> AlarmEvent:
    await append(connection, [LogEntry(STREAM, event.device_id, int(event.urgency), event.to_json())], now)
    return event


def _say(event: AlarmEvent) -> None:
    about = {"event_id": event.event_id, "about": event.peripheral_id or "deaf"}
    if event.status == "activated":
        _log.critical("monitoring_blind", **about, hint=event.text)
    else:
        _log.info("monitoring_blind_over", **about)


def _ears(stand_still_s: Mapping[str, float], now: datetime) -> Sequence[Ear]:
    """Each as `now` has it, which may be a moved clock: for so many seconds it has not heard."""
    return [Ear(name, now - timedelta(seconds=each)) for name, each in stand_still_s.items()]


def _of(row: Record) -> Blindness:
    return Blindness(row["blindness_id"], tuple(row["shards"]), row["began_at"])


def _mark(last: Record | None, rows: Sequence[Record]) -> str:
    return f"{'' if last is None else tuple(last)}, " + ", ".join(
        f"{row['shard']} by {row['generation']}" for row in rows
    )
