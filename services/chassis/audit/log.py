"""The audit log as a process writes it: at once, when nothing may happen before the row is on the disk, or as soon as it can."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.chassis.audit.entry import Entry
from services.chassis.clock import Clock
from services.chassis.loop import Loop
from services.chassis.postgres import Connection, Pool, Queries, open_pool
from services.chassis.postgres.borrow import borrow

_QUERIES: Final = Queries.beside(__file__)
_log = structlog.get_logger(__name__)

_CONNECTIONS_MAX: Final = 4  # of its own: who can't be audited takes no connection from an alarm
_WRITE_TIMEOUT_S: Final = 3.0
_BATCH_MAX: Final = 500
_EVERY_S: Final = 1.0
_CLOSE_S: Final = 2.0
WAITING_MAX: Final = 50_000
"""About 25 MB; a day of a large hub's acknowledgements."""


class AuditLog:
    """One for each process. `open` gives it a database; until then, and while that is away, rows wait in memory."""

    def __init__(self, clock: Clock, metrics: CollectorRegistry) -> None:
        self._clock = clock
        self._pool: Pool | None = None
        self._waiting: deque[tuple[Entry, datetime]] = deque()
        self.loop = Loop("audit-log", self.run_once, _EVERY_S)
        self._rows = Counter(
            "telecare_audit_log_rows",
            "Rows of the audit log: written, or lost for good.",
            ["outcome"],
            registry=metrics,
        )
        self._refusals = Counter(
            "telecare_audit_log_refusals", "Requests refused because they could not be audited.", registry=metrics
        )
        self._unforeseen = Counter(
            "telecare_audit_log_unforeseen", "Changes by a route that the audit did not know of.", registry=metrics
        )
        waiting = Gauge(
            "telecare_audit_log_waiting", "Rows that are done and not in the audit log yet.", registry=metrics
        )
        waiting.set_function(lambda: len(self._waiting))
        for outcome in ("written", "lost"):
            self._rows.labels(outcome)

    async def open(self, database_url: str, role: str) -> None:
        """Where to write, and as whom."""
        self._pool = await open_pool(database_url, role=role, name="audit", size=_CONNECTIONS_MAX)

    async def write(self, entry: Entry) -> None:
        """It is on the disk when this returns. Raises whatever keeps it from being, within a few seconds."""
        try:
            async with asyncio.timeout(_WRITE_TIMEOUT_S):
                await self._insert([(entry, self._clock.now())])
        except Exception:
            self._refusals.inc()
            raise

    def later(self, entry: Entry) -> None:
        """As soon as it can be; never waits, never raises."""
        if len(self._waiting) >= WAITING_MAX:
            lost, _ = self._waiting.popleft()
            self._rows.labels("lost").inc()
            _log.critical("audit_row_lost", action=lost.action, request_id_of_row=lost.request_id)
        self._waiting.append((entry, self._clock.now()))
        self.loop.poke()

    def unforeseen(self, entry: Entry) -> None:
        """A change that nobody had announced: it is written down all the same, and said loudly."""
        self._unforeseen.inc()
        _log.error("audit_unforeseen", action=entry.action)
        self.later(entry)

    async def run_once(self) -> int:
        """Write some of what waits, and return how many; what can't be written stays."""
        some = [self._waiting[number] for number in range(min(len(self._waiting), _BATCH_MAX))]
        if not some or self._pool is None:
            return 0
        await self._insert(some)
        for _ in some:
            self._waiting.popleft()
        return len(some)

    async def close(self) -> None:
        """Write what waits, if the database answers."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                while await self.run_once():
                    pass
        except Exception as error:  # noqa: BLE001 - whatever it is, the process ends, and says what it could not write
            _log.critical("audit_rows_lost", rows=len(self._waiting), reason=type(error).__name__)
        if self._pool is not None:
            self._pool.terminate()

    async def _insert(self, entries: Sequence[tuple[Entry, datetime]]) -> None:
        if self._pool is None:
            raise ConnectionError("the audit log has no database yet")
        async with borrow(self._pool) as connection:
            await _add(connection, entries)
        self._rows.labels("written").inc(len(entries))


async def record(connection: Connection, entry: Entry, now: datetime) -> None:
    """A row in the caller's own transaction: there if and only if what it tells of is."""
    await _add(connection, [(entry, now)])


async def _add(connection: Connection, entries: Sequence[tuple[Entry, datetime]]) -> None:
    rows = [
        (
            at,
            each.request_id,
            each.via,
            each.who[:200],
            each.operator and each.operator[:200],
            each.role,
            each.hub_id,
            each.action[:200],
            each.subject_kind,
            each.subject,
            each.outcome,
            each.status,
            dict(each.detail) if each.detail else None,
        )
        for each, at in entries
    ]
    await connection.execute(_QUERIES["add"], *map(list, zip(*rows, strict=True)))
