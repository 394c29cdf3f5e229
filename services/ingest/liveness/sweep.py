"""The sweep: every couple of seconds, who fell silent, who is heard again, and how they are. Of any number of processes one.

It looks at the pages of `ingest.liveness` in which somebody may be due, and at those who are silent. The rule is
`services.ingest.domain.liveness`; SQL only picks whom it may apply to.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from services.chassis.clock import Clock, set_right
from services.chassis.postgres import Connection, Pool
from services.chassis.postgres.borrow import borrow
from services.ingest.domain.hearing import Hearing
from services.ingest.domain.liveness import Verdict, judge, silent_at
from services.ingest.domain.slices import Slices, first_place
from services.ingest.liveness import verdicts
from services.ingest.liveness.blindness import read_hearing
from services.ingest.liveness.counting import HearingCount
from services.ingest.liveness.health import HealthLook, View
from services.ingest.liveness.promises import Promises, read_promises
from services.ingest.liveness.sql import QUERIES
from services.ingest.liveness.verdicts import BATCH_MAX, Found, Row
from services.ingest.metrics import LivenessMetrics

EVERY_S: Final = 2.0
LEASE_S: Final = 5.0
_RENEW_AFTER_S: Final = 1.5
_ROWS_MAX: Final = 1_000
_PAGE_MAX: Final = 5_000
_AT_ONCE: Final = 250
_IN_FUTURE: Final = timedelta(minutes=1)
_OVER: Final = Verdict(silent=False, returned_at=None, silences=0, first_silence_at=None)


@dataclass(frozen=True, slots=True)
class _View:
    """What one pass goes by."""

    now: datetime
    promises: Promises
    hearing: Hearing
    due_before: list[datetime | None]
    deaf: frozenset[str] | None  # councils by whose topics nobody can be due; None: all

    @property
    def deaf_list(self) -> list[str]:
        return sorted(self.deaf or ())


class _Settled(NamedTuple):
    """Whether the lease is still ours, and whether every verdict was stored that there is something to tell of."""

    ours: bool
    whole: bool


@dataclass(slots=True)
class Sweep:
    """`run_once` is a loop's. `instance` is this process, unique among all that ever run."""

    pool: Pool
    clock: Clock
    instance: str
    metrics: LivenessMetrics
    _slices: Slices = field(default_factory=Slices)
    _count: HearingCount = field(init=False)
    _leased_at_s: float = 0.0  # monotonic
    _sweeps: bool = False  # whether the last pass was ours
    _health: HealthLook = field(init=False)

    def __post_init__(self) -> None:
        self._health, self._count = HealthLook(self.metrics), HearingCount(self.metrics)

    async def run_once(self) -> int:
        """One pass, if the lease is ours; then nought, for the next is due in a while, whatever was found."""
        async with borrow(self.pool) as connection:
            lease = await self._lease(connection)
            if lease is None:
                self._sweeps = False
                return 0
            if not self._sweeps:
                # A machine that was stopped for a while goes by an old time until it asks again; others have heard meanwhile, and
                # what they heard must not be taken for the future.
                await set_right(self.clock, connection)
                self._sweeps = True
            now = self.clock.now()
            promises, hearing = await read_promises(connection), await read_hearing(connection, now)
            started_s = time.perf_counter()
            if await self._pass(connection, promises, hearing, lease, now):
                self.metrics.passed(time.perf_counter() - started_s)
                await self._count.go_on(connection, promises, hearing, lease["pages"], now)
        return 0

    async def release(self) -> None:
        """So that another process need not wait for the lease to lapse."""
        async with borrow(self.pool) as connection:
            await connection.execute(QUERIES["release_lease"], self.instance)

    async def _pass(
        self, connection: Connection, promises: Promises, hearing: Hearing, lease: Any, now: datetime
    ) -> bool:
        """Whether it was carried through: no other process took the lease."""
        deaf = hearing.deaf(now, promises.shortest_interval)
        view = _View(now, promises, hearing, promises.due_before(now), deaf)
        async for found in self._returned(connection, view):
            if not (await self._settle(connection, found, now)).ours:
                return False
        if deaf is None:
            return True
        as_it_is = (lease["registrations"], lease["filenode"], tuple(promises.thresholds.items()), deaf)
        self._slices.begin(now, as_it_is)
        for number in self._slices.due(lease["pages"], now):
            if not await self._slice(connection, number, view):
                return False
        still_ours = partial(self._still_ours, connection)
        return await self._health.look(connection, View(now, lease["pages"], promises, hearing, still_ours))

    async def _lease(self, connection: Connection) -> Any:
        lease = await connection.fetchrow(QUERIES["take_lease"], self.instance, LEASE_S)
        if lease is None:
            self._slices.forget()  # whoever has it now tells us nothing
            self._count.forget()
        self._leased_at_s = time.monotonic()
        return lease

    async def _still_ours(self, connection: Connection) -> bool:
        if time.monotonic() - self._leased_at_s < _RENEW_AFTER_S:
            return True
        return await self._lease(connection) is not None

    async def _slice(self, connection: Connection, number: int, view: _View) -> bool:
        """Look at some pages; whether the lease is still ours."""
        first, last = first_place(number), first_place(number + 1)
        seen = await connection.fetch(QUERIES["probe"], first, last, view.due_before, view.deaf_list, _ROWS_MAX)
        now = self.clock.now()  # not the pass's: what was heard since that began is no future
        if any(_in_future(row, now) for row in seen):
            while await connection.fetch(QUERIES["heard_in_future"], first, last, now, _ROWS_MAX):
                pass
        turns = [row["next_from"] + view.promises.silent_after(row["model_id"]) for row in seen if row["next_from"]]
        # A row may come here from other pages: it was heard just now, then.
        next_at = min([view.now + view.promises.shortest_silence, *turns])
        left = sum(row["due"] for row in seen)
        async for rows in self._due(connection, number, seen, view):
            left -= len(rows)
            found, next_of_them = await _judged(rows, view)
            next_at = min(next_at, next_of_them or next_at)
            settled = await self._settle(connection, found, view.now)
            if not settled.ours:
                return False
            if not settled.whole:  # somebody held a row, and need not have heard of the device
                next_at = view.now
        if left > 0:  # they were changed in between, and need not have been heard
            next_at = view.now
        self._slices.looked(number, next_at)
        return await self._still_ours(connection)

    async def _due(self, connection: Connection, number: int, seen: list[Row], view: _View) -> AsyncIterator[list[Row]]:
        """Of a slice, whoever may be due: a few by their places, for it is the reading of pages that costs."""
        due = sum(row["due"] for row in seen)
        if 0 < due <= _ROWS_MAX:
            places = [place for row in seen for place in row["places"] or ()]
            yield await connection.fetch(QUERIES["due_at"], places, view.due_before, view.deaf_list)
        after = first_place(number) if due > _ROWS_MAX else None
        last = first_place(number + 1)
        while after is not None:
            rows = await connection.fetch(QUERIES["due"], after, last, view.due_before, view.deaf_list, _ROWS_MAX)
            yield rows
            after = rows[-1]["place"] if len(rows) == _ROWS_MAX else None

    async def _returned(self, connection: Connection, view: _View) -> AsyncIterator[list[Found]]:
        """Of whom is silent, what is over."""
        after: str | None = ""
        while after is not None:
            rows = await connection.fetch(
                QUERIES["silent_page"], after, _PAGE_MAX, view.promises.stable_after(), view.due_before
            )
            if _in_future(rows[0], now := self.clock.now()):
                await connection.execute(QUERIES["silent_in_future"], after, rows[0]["upto"], now)
            after = rows[0]["upto"]
            found, _ = await _judged([row for row in rows if row["device_id"] is not None], view)
            yield found

    async def _settle(self, connection: Connection, found: list[Found], now: datetime) -> _Settled:
        """Store verdicts, as long as the lease is ours."""
        whole = True
        for start in range(0, len(found), BATCH_MAX):
            some = found[start : start + BATCH_MAX]
            stored = await verdicts.store(connection, some, now)
            self.metrics.judged("silent", stored)
            whole = whole and stored.total() == len(some)
            if not await self._still_ours(connection):
                return _Settled(ours=False, whole=False)
        return _Settled(await self._still_ours(connection), whole)


def _in_future(row: Row, now: datetime) -> bool:
    return row["last_from"] is not None and row["last_from"] > now + _IN_FUTURE


async def _judged(rows: list[Row], view: _View) -> tuple[list[Found], datetime | None]:
    """Verdicts on those of whom there is one, and when the first of the others is due."""
    found: list[Found] = []
    next_at: datetime | None = None
    for number, row in enumerate(rows):
        verdict, due_at = _verdict(row, view)
        if verdict is not None:
            found.append(Found(row, verdict))
        elif due_at is not None:
            next_at = due_at if next_at is None else min(next_at, due_at)
        if number % _AT_ONCE == _AT_ONCE - 1:
            await asyncio.sleep(0)
    return found, next_at


def _verdict(row: Row, view: _View) -> tuple[Verdict | None, datetime | None]:
    if row["watched_since"] is None:  # suspended, withdrawn: nobody waits for it any more
        return _OVER, None
    device, thresholds = verdicts.watched(row), view.promises.thresholds.get(row["model_id"])
    if thresholds is None:  # a model that came this moment
        return None, view.now
    lapses = view.hearing.lapses(row["heard_in"], device.counts_from)
    verdict = judge(device, thresholds, lapses, view.now)
    return verdict, None if verdict is not None or device.silent else silent_at(device, thresholds, lapses)
