"""The consumer's side: claim a key, handle its rows in order, commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import TypeAlias

from services.chassis.clock import Clock
from services.chassis.event_log.append import QUERIES
from services.chassis.event_log.failures import handle_each
from services.chassis.event_log.row import AfterCommit, Handle, LogRow
from services.chassis.loop import Loop
from services.chassis.postgres import Connection, Pool, is_transient
from services.chassis.postgres.borrow import Line, borrow

POLL_EVERY_S = 1.0  # LISTEN dies silently; and a row put off becomes due without a word
_SLOW_S = 0.02
_URGENT, _ANY = 2, 5  # life and welfare; whatever there is
_PLAN_EACH_CLAIM = "set plan_cache_mode = force_custom_plan"  # see the query `take_rows`,
_KEEP_PLANS = "set local plan_cache_mode = auto"  # which does this for what comes after it

Rehearse: TypeAlias = Callable[[Connection, datetime], Awaitable[object]]
"""Does to the database, in a transaction that is undone, what `handle` will do to it: for its caches and ours."""
_Transaction: TypeAlias = Callable[[], AbstractAsyncContextManager[Connection]]


@dataclass(slots=True)
class Consumer:
    """Handles the rows of one stream: any number of processes may, and several claimers in each.

    `handle` acts inside the transaction that deletes the row; its failure undoes what it did for this row alone, and puts
    the row, and those of its key behind it, off. The fifth failure hands the row to `handle_poison`, which must see to it
    in another way: nothing is skipped for ever. Errors that pass by themselves roll back all and count as nothing.
    `handle` may so be called more than once for a row: what it does outside the transaction it returns as an AfterCommit.
    """

    stream: str
    handle: Handle
    handle_poison: Handle
    pool: Pool
    clock: Clock
    claimers: int = 4  # so that one slow key delays no other
    gives_way: Callable[[], bool] = lambda: (
        False
    )  # to who has urgent work: meanwhile only one claimer takes what is not
    rehearse: Rehearse | None = None
    _loops: list[Loop] = field(default_factory=list, init=False)
    _told: bool = field(default=False, init=False)  # and nobody has looked since
    _busy: set[int] = field(default_factory=set, init=False)
    _any_at_s: float = field(
        default=-inf, init=False
    )  # monotonic: when any row, however little urgent, was last asked for

    def loops(self) -> list[Loop]:
        """To be run, each as a task. `poke` them for each NOTIFY on `event_log`."""
        self._loops = [self._claimer(number) for number in range(self.claimers)]
        return self._loops

    def poke(self, stream: str = "") -> None:
        """There may be rows: wake one idle claimer, which wakes the next when there is more than it can do at once."""
        if stream not in {"", self.stream}:
            return
        self._told = True
        idle = [loop for number, loop in enumerate(self._loops) if number not in self._busy]
        for loop in idle[:1] or self._loops:  # all busy: whoever is about to rest looks again first
            loop.poke()

    async def run_once(self) -> int:
        """Handle the due rows of the most urgent key that nobody else is at. Returns how many were seen to."""
        return await self._run_once(self._borrowed, _ANY)

    def _claimer(self, number: int) -> Loop:
        line = Line(self.pool, on_open=_PLAN_EACH_CLAIM)  # kept: an alarm waits for no connection to be prepared
        worked = 0

        async def run_once() -> int:
            nonlocal worked
            before, worked = worked, 0
            self._busy.add(number)
            slow = asyncio.get_running_loop().call_later(_SLOW_S, self.poke)
            try:
                urgency_max = self._urgency_max()
                if await self._worth_a_claim(line, urgency_max):
                    worked = await self._run_once(line.transaction, urgency_max)
                if worked and before:  # a second key in a row: there may be more than one can do
                    self.poke()
                if not worked:
                    await line.rehearse(self._rehearse)
                return worked
            finally:
                slow.cancel()
                self._busy.discard(number)

        return Loop(f"{self.stream}-claimer-{number}", run_once, every_s=POLL_EVERY_S)

    async def _worth_a_claim(self, line: Line, urgency_max: int) -> bool:
        """Told of rows: at once. Else one cheap look: a claim is three round trips, in the way of the alarm before."""
        told, self._told = self._told, False
        if told:
            return True
        return bool((await line.fetch(QUERIES["any_row"], self.stream, urgency_max))[0]["any_row"])

    async def _rehearse(self, connection: Connection) -> None:
        if self.rehearse is not None:
            await connection.execute(_KEEP_PLANS)
            await self.rehearse(connection, self.clock.now())

    def _urgency_max(self) -> int:
        now_s = time.monotonic()
        if self.gives_way() and now_s - self._any_at_s < POLL_EVERY_S:
            return _URGENT
        self._any_at_s = now_s
        return _ANY

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[Connection]:
        async with borrow(self.pool) as connection, connection.transaction():
            yield connection

    async def _run_once(self, transaction: _Transaction, urgency_max: int) -> int:
        try:
            return await self._all_or_nothing(transaction, urgency_max)
        except Exception as error:
            if is_transient(error):
                raise
            # One of the rows failed, and took the others with it.
            return await self._one_by_one(transaction, urgency_max)

    async def _all_or_nothing(self, transaction: _Transaction, urgency_max: int) -> int:
        """The rows of a key as they nearly always go: every round trip counts between a press and a person."""
        async with transaction() as connection:
            rows = await self._claim(connection, "take_rows", urgency_max)
            now = self.clock.now()  # not that of the claim, which may have waited: nothing happens before it was told
            after = [await self.handle(connection, row, now) for row in rows]
        _act(after)
        return len(rows)

    async def _one_by_one(self, transaction: _Transaction, urgency_max: int) -> int:
        """Each row with a savepoint of its own, so that a failure costs only those of its key that come after it."""
        async with transaction() as connection:
            rows = await self._claim(connection, "rows_of_key", urgency_max)
            after = await handle_each(connection, self.stream, rows, self.handle, self.handle_poison, self.clock.now())
        _act(after)
        return min(len(after) + 1, len(rows))  # the one that was put off was seen to as well

    async def _claim(self, connection: Connection, query: str, urgency_max: int) -> list[LogRow]:
        """The due rows of a key whose lock is ours until the transaction ends."""
        now = self.clock.now()
        others: list[str] = []
        while True:
            rows = await connection.fetch(QUERIES[query], self.stream, now, others, urgency_max)
            if not rows:
                return []
            if rows[0]["event_log_id"] is not None:
                return [LogRow(**row) for row in rows]
            others.append(rows[0]["key"])


def _act(after: list[AfterCommit | None]) -> None:
    for act in after:
        if act is not None:
            act()
