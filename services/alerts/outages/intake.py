"""Changes of condition, from the event log into `alerts.affected`: many at a time, for an outage is thousands within a minute."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

import structlog

from contracts.alarm_event import AlarmEvent
from contracts.condition import STREAM, ConditionChange
from contracts.ids import CouncilId, DeviceId
from services.alerts.intake import STREAM as ALARMS
from services.alerts.intake import unprocessable
from services.alerts.outages.singles import Single, watched_no_more, well_again
from services.alerts.outages.sql import QUERIES, TAKING
from services.chassis.clock import Clock
from services.chassis.event_log import AfterCommit, LogEntry, LogRow, append, handle_each
from services.chassis.postgres import Connection, Pool, is_transient
from services.chassis.postgres.borrow import borrow

if TYPE_CHECKING:
    from asyncpg import Record

_log = structlog.get_logger(__name__)

EVERY_S: Final = 1.0
AT_ONCE_MAX: Final = 2_000
_ONE_BY_ONE_MAX: Final = 50
_READ_AT_ONCE_MAX: Final = 500  # a few milliseconds, in which nobody else's alarm is worked on

# As the queries take them: a list of each.
_BEGAN: Final = (
    *("device_id", "council_id", "condition", "version", "at", "since", "flapping", "expected_silent_at"),
    *("model", "firmware", "sim_operator", "cell_id", "network", "postcode_district"),
)
_ENDED: Final = ("device_id", "condition", "version", "at")
_GONE_AGAIN: Final = ("device_id", "condition", "version")


@dataclass(slots=True)
class ConditionIntake:
    """`run_once` is a loop's. One process at a time takes changes, so that those of a device are taken in order."""

    pool: Pool
    clock: Clock
    _at_once: int = field(default=AT_ONCE_MAX, init=False)

    async def run_once(self) -> int:
        """Take what there is, up to so many at once. Returns how many."""
        try:
            taken = await self._take("take_all", self._at_once, self._all)
        except Exception as error:
            if is_transient(error):
                # Too many for the time there is, it may be: tried so again and again, no change would ever be taken.
                self._at_once = max(_ONE_BY_ONE_MAX, self._at_once // 4)
                raise
            # One of them failed, and took the others with it.
            return await self._take("take", _ONE_BY_ONE_MAX, self._each)
        self._at_once = min(AT_ONCE_MAX, 2 * self._at_once)
        return taken

    async def _take(
        self, query: str, at_most: int, store_them: Callable[[Connection, Sequence[LogRow], datetime], Awaitable[None]]
    ) -> int:
        async with borrow(self.pool) as connection, connection.transaction():
            if not await connection.fetchval(QUERIES["one_at_a_time"], TAKING):
                return 0
            await connection.execute(QUERIES["by_index"])
            rows = [LogRow(**row) for row in await connection.fetch(QUERIES[query], self.clock.now(), at_most)]
            if rows:
                # Not the time of the claim, which may have waited: nothing happens before it was told.
                await store_them(connection, rows, self.clock.now())
            return len(rows)

    async def _all(self, connection: Connection, rows: Sequence[LogRow], now: datetime) -> None:
        changes: list[ConditionChange] = []
        for start in range(0, len(rows), _READ_AT_ONCE_MAX):
            changes += (ConditionChange.from_json(row.body) for row in rows[start : start + _READ_AT_ONCE_MAX])
            await asyncio.sleep(0)
        await store(connection, changes, now)

    async def _each(self, connection: Connection, rows: Sequence[LogRow], now: datetime) -> None:
        """With a savepoint of its own; whatever fails again and again becomes an alarm: nothing is skipped for ever."""
        await handle_each(connection, STREAM, rows, _handle, _handle_poison, now)


async def _handle(connection: Connection, row: LogRow, now: datetime) -> AfterCommit | None:
    await store(connection, [ConditionChange.from_json(row.body)], now)
    return None


async def _handle_poison(connection: Connection, row: LogRow, now: datetime) -> AfterCommit | None:
    event = unprocessable(row)
    await append(connection, [LogEntry(ALARMS, event.device_id, int(event.urgency), event.to_json())], now)
    return None


async def store(connection: Connection, changes: Iterable[ConditionChange], now: datetime) -> None:
    """The latest of each device and condition is how it is. Whoever was told of is told to be well again, in this transaction.

    One that flaps is not well for being heard; gone again, it is told of anew if a person closed its alarm meanwhile, and is to be
    asked after anew as a member.
    One that was well in between, and is affected again before we took either, is affected anew: what was told or said of it, and
    the outage that it was of, are over.
    """
    by_key: dict[tuple[str, str], list[ConditionChange]] = {}
    for change in sorted(changes, key=lambda each: each.version):
        by_key.setdefault((change.device_id, change.condition), []).append(change)
    latest = [each[-1] for each in by_key.values()]
    in_between = [
        next(each for each in reversed(all_of_it) if each.turn == "ended")
        for all_of_it in by_key.values()
        if all_of_it[-1].turn == "began" and any(each.turn == "ended" for each in all_of_it)
    ]
    await _end(connection, in_between, now)
    began = [each for each in latest if each.turn == "began"]
    if again := [each for each in began if each.flapping]:
        await connection.execute(QUERIES["gone_again"], now, *_columns(again, _GONE_AGAIN))
    if began:
        await connection.execute(QUERIES["began"], now, *_columns(began, _BEGAN))
    if again:
        await connection.execute(QUERIES["asked_before"], *_columns(again, ("device_id", "condition")))
    await _end(connection, [each for each in latest if each.turn == "ended"], now)


async def _end(connection: Connection, ended: Sequence[ConditionChange], now: datetime) -> None:
    """Each of another device or condition."""
    if not ended:
        return
    changes = {(each.device_id, each.condition): each for each in ended}
    rows = await connection.fetch(QUERIES["ended"], *_columns(ended, _ENDED))
    if members := [row for row in rows if row["outage_id"] is not None]:
        columns = [[row[name] for row in members] for name in ("outage_id", "device_id", "ended_at")]
        await connection.execute(QUERIES["left_outage"], *columns)
    told = (row for row in rows if row["told"])
    events = [_over(changes[row["device_id"], row["condition"]])(_single(row), row["ended_at"]) for row in told]
    entries = [LogEntry(ALARMS, each.device_id, int(each.urgency), each.to_json()) for each in events]
    await append(connection, entries, now)


def _over(change: ConditionChange) -> Callable[[Single, datetime], AlarmEvent]:
    return well_again if change.watched else watched_no_more


def _columns(changes: Sequence[ConditionChange], names: Sequence[str]) -> Iterator[list[object]]:
    for name in names:
        yield [getattr(each, name) for each in changes]


def _single(row: Record) -> Single:
    return Single(
        affected_id=row["affected_id"],
        version=row["version"],
        device_id=DeviceId(row["device_id"]),
        council_id=None if row["council_id"] is None else CouncilId(row["council_id"]),
        condition=row["condition"],
        since=row["since"],
        expected_silent_at=row["expected_silent_at"],
    )
