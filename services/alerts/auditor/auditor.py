"""Every five seconds, by queries of its own on a connection of its own: does anything wait longer than it ever should?

It knows nothing of how waker, claimers and dispatcher work, only what must be true whatever they do. So it notices what they
can't: that they have stopped, are stuck, or have overlooked something. An audit that can't be made is a finding too.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

import structlog

from contracts.vocabulary import Priority
from services.alerts.auditor.bounds import BOUNDS, Overdue, What
from services.alerts.metrics import Metrics
from services.chassis.clock import Clock
from services.chassis.postgres import Connection, Pool, Queries
from services.chassis.postgres.borrow import borrow

if TYPE_CHECKING:
    from asyncpg import Record

_log = structlog.get_logger(__name__)

QUERIES = Queries.beside(__file__)

EVERY_S: Final = 5.0
UNAUDITED_MAX_S: Final = 30.0


@dataclass(slots=True)
class Auditor:
    pool: Pool  # its own: whoever takes all connections can't keep it from looking
    clock: Clock
    metrics: Metrics
    streams: Sequence[str]  # of the event log: those that alerts handles
    _violations: dict[What, datetime] = field(default_factory=dict, init=False)  # since when they have been due
    _audited_at_s: float = field(default_factory=time.monotonic, init=False)

    def __post_init__(self) -> None:
        self.metrics.audit_overdue.tell({(what,): None for what in What})
        self.metrics.audit_age_s.set_function(self._unaudited_s)

    async def run_once(self) -> int:
        """Audit. Returns 0: the next is due in five seconds."""
        async with borrow(self.pool) as connection:
            now = self.clock.now()  # not before it had to wait: what was decided meanwhile would be far off
            found = await audit(connection, self.streams, now)
        self._audited_at_s = time.monotonic()
        self.metrics.audit_overdue.tell({(each.what,): each.since for each in found})
        self._note({each.what: each.since for each in found if each.since and each.is_violation(now)})
        return 0

    @property
    def violations(self) -> Mapping[What, datetime]:
        """What the last audit found to wait longer than it ever should, and since when it has been due."""
        return self._violations

    async def check(self) -> str | None:
        """Ready: nothing is overdue, and we know that."""
        unaudited_s = self._unaudited_s()
        if unaudited_s > UNAUDITED_MAX_S:
            return f"Nobody knows whether alarms wait too long: the audit has not run for {unaudited_s:.0f} s."
        if not self._violations:
            return None
        said = (f"{BOUNDS[what].sentence} (since {_iso(since)})" for what, since in self._violations.items())
        return f"Overdue: {'; '.join(said)}."

    def _unaudited_s(self) -> float:
        return time.monotonic() - self._audited_at_s

    def _note(self, violations: Mapping[What, datetime]) -> None:
        """Say what has begun and what is over, once each."""
        self.metrics.audit_violations.set(len(violations))
        for what in violations.keys() - self._violations.keys():
            _log.critical("audit_violation", what=str(what), since=_iso(violations[what]), hint=BOUNDS[what].sentence)
        for what in self._violations.keys() - violations.keys():
            _log.info("audit_violation_over", what=str(what))
        self._violations = dict(violations)


async def audit(connection: Connection, streams: Sequence[str], now: datetime) -> list[Overdue]:
    """The worst of each kind, as it stands at `now`."""
    alarms = await connection.fetch(QUERIES["alarms"], now)
    events = await connection.fetchval(QUERIES["events"], list(streams))
    deliveries = await connection.fetch(QUERIES["deliveries"])
    return [
        Overdue(What.ALARM_URGENT, _earliest(_due(alarms, up_to=Priority.WELFARE), now)),
        Overdue(What.ALARM_OTHER, _earliest(_due(alarms, above=Priority.WELFARE), now)),
        Overdue(What.ALARM_WITHOUT_FUTURE, _earliest(each[end] for each in alarms for end in ("far_off", "forgotten"))),
        Overdue(What.EVENT, events),
        Overdue(What.DELIVERY_URGENT, _earliest(_due(deliveries, up_to=Priority.LIFE), now)),
        Overdue(What.DELIVERY_OTHER, _earliest(_due(deliveries, above=Priority.LIFE), now)),
    ]


def _due(rows: Sequence[Record], *, above: int = 0, up_to: int = Priority.LOG) -> Iterable[datetime | None]:
    return (row["due_since"] for row in rows if above < row["priority"] <= up_to)


def _earliest(times: Iterable[datetime | None], due_by: datetime | None = None) -> datetime | None:
    """Of those that have come."""
    return min((at for at in times if at is not None and (due_by is None or at <= due_by)), default=None)


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
