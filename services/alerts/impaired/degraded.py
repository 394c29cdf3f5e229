"""Every few seconds: are as many devices heard as should be? As ingest counts them; told once, whichever process notices."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import structlog

from contracts.alarm_event import AlarmEvent
from contracts.ids import CouncilId
from services.alerts.domain.blindness import HEARS
from services.alerts.domain.degraded import (
    Begin,
    Degraded,
    End,
    Forget,
    Group,
    Move,
    Share,
    Situation,
    Tell,
    degraded_event,
    judge,
)
from services.alerts.impaired.sql import QUERIES
from services.alerts.intake import STREAM
from services.chassis.clock import Clock
from services.chassis.event_log import LogEntry, append
from services.chassis.postgres import Connection, Pool
from services.chassis.postgres.borrow import borrow

if TYPE_CHECKING:
    from asyncpg import Record

_log = structlog.get_logger(__name__)

DEGRADED_EVERY_S: Final = 5.0
_SEEN: Final = ("hearing", "degraded", "ears", "told", "silent_outages")


@dataclass(frozen=True, slots=True)
class DegradedHearing:
    """`run_once` is a loop's. All that it knows is in the database."""

    pool: Pool
    clock: Clock

    async def run_once(self) -> int:
        """Look, and tell what is to be told. Returns 0: the next count is half a minute away."""
        told: list[AlarmEvent] = []
        async with borrow(self.pool) as connection, connection.transaction():
            if not await connection.fetchval(QUERIES["one_at_a_time"]):
                return 0
            seen = {name: await connection.fetch(QUERIES[name]) for name in _SEEN}
            now = self.clock.now()  # when that was so: a count of half a minute ago must not be one to come
            # Thousands of groups take longer than an alarm should wait for the loop.
            for move in await asyncio.to_thread(_moves, seen, now):
                event = await _carry_out(connection, move, now)
                if event is not None:
                    told.append(event)
            entries = [LogEntry(STREAM, each.device_id, int(each.urgency), each.to_json()) for each in told]
            if entries:
                await append(connection, entries, now)
        for each in told:
            about = {"event_id": each.event_id, "about": each.peripheral_id, "turn": each.status, "hint": each.text}
            _log.warning("hearing_degraded", **about)
        return 0


def _moves(seen: Mapping[str, Sequence[Record]], now: datetime) -> Sequence[Move]:
    situation = Situation(
        groups=[Group(**row) for row in seen["hearing"]],
        known=[_degraded(row) for row in seen["degraded"]],
        deaf={row["shard"] for row in seen["ears"] if row["at"] - row["heard_until"] >= HEARS},
        blind={shard for row in seen["told"] for shard in row["shards"]},
        outages={Share(row["attribute"], row["value"]) for row in seen["silent_outages"]},
    )
    return judge(situation, now)


async def _carry_out(connection: Connection, move: Move, now: datetime) -> AlarmEvent | None:
    """What is told with the transaction; nothing, when another process was first."""
    match move:
        case Begin(share, low_since):
            await connection.execute(QUERIES["low"], *share, low_since)
        case Forget(degraded):
            await connection.execute(QUERIES["not_low"], *degraded.share, degraded.low_since)
        case Tell(degraded, sum_):
            if await connection.fetchval(QUERIES["tell_degraded"], *_key(degraded), now, degraded.council_id):
                return degraded_event(degraded, sum_, now)
        case End(degraded, ending):
            if await connection.fetchval(QUERIES["end_degraded"], *_key(degraded)):
                return degraded_event(degraded, ending, now)
    return None


def _key(degraded: Degraded) -> tuple[object, ...]:
    return *degraded.share, degraded.low_since


def _degraded(row: Record) -> Degraded:
    council_id = None if row["council_id"] is None else CouncilId(row["council_id"])
    return Degraded(Share(row["attribute"], row["value"]), row["low_since"], row["told_at"], council_id)
