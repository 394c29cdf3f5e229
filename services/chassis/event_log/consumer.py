"""The consumer's side: claim a key, handle its rows in order, commit."""

import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

import structlog

from services.chassis.clock import Clock
from services.chassis.event_log.append import QUERIES
from services.chassis.loop import Loop
from services.chassis.postgres import Connection, Pool, is_transient
from services.chassis.postgres.borrow import borrow

_log = structlog.get_logger(__name__)

FAILURES_MAX = 5
POLL_EVERY_S = 1.0  # LISTEN dies silently; and a row put off becomes due without a word


@dataclass(frozen=True, slots=True)
class LogRow:
    """One fact, as it was appended. `attempts` have failed so far."""

    event_log_id: int
    key: str
    urgency: int
    body: str = field(repr=False)  # JSON; may hold what a person said
    created_at: datetime
    attempts: int


AfterCommit: TypeAlias = Callable[[], None]
"""What must not be done, or said, before what it is about is stored."""
Handle: TypeAlias = Callable[[Connection, LogRow, datetime], Awaitable[AfterCommit | None]]


@dataclass(slots=True)
class Consumer:
    """Handles the rows of one stream: any number of processes may, and several claimers in each.

    `handle` acts inside the transaction that deletes the row; its failure undoes what it did for this row alone, and puts
    the row, and those of its key behind it, off. The fifth failure hands the row to `handle_poison`, which must see to it
    in another way: nothing is skipped for ever. Errors that pass by themselves roll back all and count as nothing.
    """

    stream: str
    handle: Handle
    handle_poison: Handle
    pool: Pool
    clock: Clock
    claimers: int = 4  # so that one slow key delays no other
    _loops: list[Loop] = field(default_factory=list, init=False)
    _busy: set[int] = field(default_factory=set, init=False)

    def loops(self) -> list[Loop]:
        """To be run, each as a task. `poke` them for each NOTIFY on `event_log`."""
        self._loops = [self._claimer(number) for number in range(self.claimers)]
        return self._loops

    def poke(self, stream: str = "") -> None:
        """There may be rows: wake one idle claimer, which wakes the next when it finds some."""
        if stream not in {"", self.stream}:
            return
        idle = [loop for number, loop in enumerate(self._loops) if number not in self._busy]
        for loop in idle[:1] or self._loops:  # all busy: whoever is about to rest looks again first
            loop.poke()

    async def run_once(self) -> int:
        """Handle the due rows of the most urgent key that nobody else is at. Returns how many were seen to."""
        now = self.clock.now()
        done: list[AfterCommit] = []
        async with borrow(self.pool) as connection:
            async with connection.transaction():
                key = await self._claim(connection, now)
                if key is None:
                    return 0
                self.poke()  # where one key is due another may be
                seen_to = await self._handle_key(connection, key, now, done)
            for act in done:
                act()
        return seen_to

    def _claimer(self, number: int) -> Loop:
        async def run_once() -> int:
            self._busy.add(number)
            try:
                return await self.run_once()
            finally:
                self._busy.discard(number)

        return Loop(f"{self.stream}-claimer-{number}", run_once, every_s=POLL_EVERY_S)

    async def _claim(self, connection: Connection, now: datetime) -> str | None:
        """A key whose lock is ours until the transaction ends."""
        others: list[str] = []
        while True:
            key: str | None = await connection.fetchval(QUERIES["claim_key"], self.stream, now, others)
            if key is None or await connection.fetchval(QUERIES["lock_key"], self.stream, key):
                return key
            others.append(key)

    async def _handle_key(self, connection: Connection, key: str, now: datetime, done: list[AfterCommit]) -> int:
        rows = await connection.fetch(QUERIES["rows_of_key"], self.stream, key, now)
        seen_to = 0
        for fields in rows:
            values = dict(fields)
            if not values.pop("due"):
                break
            seen_to += 1
            if not await self._handle_row(connection, LogRow(**values), now, done):
                break  # what comes after it in this key waits for it
        return seen_to

    async def _handle_row(self, connection: Connection, row: LogRow, now: datetime, done: list[AfterCommit]) -> bool:
        """Whether the row is done with."""
        error = None
        if row.attempts < FAILURES_MAX:
            error = await self._attempt(self.handle, connection, row, now, done)
        if error is not None or row.attempts >= FAILURES_MAX:
            error = await self._failed(error, connection, row, now, done)
        return error is None

    async def _failed(
        self, error: Exception | None, connection: Connection, row: LogRow, now: datetime, done: list[AfterCommit]
    ) -> Exception | None:
        """Put the row off, or see to it in another way once that has happened too often."""
        if error is not None:
            _log.error("event_log_row_failed", stream=self.stream, event_log_id=row.event_log_id, **_where(error))
        if row.attempts + 1 >= FAILURES_MAX:
            error = await self._attempt(self.handle_poison, connection, row, now, done)
            if error is None:
                return None
            _log.critical("event_log_poison_failed", stream=self.stream, event_log_id=row.event_log_id, **_where(error))
        await connection.execute(QUERIES["put_off"], row.event_log_id, type(error).__name__, now)
        return error

    async def _attempt(
        self, handle: Handle, connection: Connection, row: LogRow, now: datetime, done: list[AfterCommit]
    ) -> Exception | None:
        """Handle the row and delete it, or undo that and return what went wrong. Raises what passes by itself."""
        try:
            async with connection.transaction():
                after = await handle(connection, row, now)
                await connection.execute(QUERIES["delete_row"], row.event_log_id)
        except Exception as error:
            if is_transient(error):
                raise
            return error
        if after is not None:
            done.append(after)
        return None


def _where(error: Exception) -> dict[str, str]:
    """What went wrong and where, without the message: it may quote what a device sent."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return {"error": type(error).__name__, "at": f"{frame.filename}:{frame.lineno}"}
