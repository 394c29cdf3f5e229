"""A look at devices' health: some pages in each pass of the sweep, all within a minute. SQL picks of whom there may be news."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from contracts.condition import Turn
from services.chassis.postgres import Connection
from services.ingest.domain import health as rule
from services.ingest.domain import slices
from services.ingest.domain.health import Ailment
from services.ingest.domain.hearing import Hearing
from services.ingest.domain.rounds import Rounds
from services.ingest.liveness.health import verdicts
from services.ingest.liveness.health.sql import QUERIES
from services.ingest.liveness.health.verdicts import BATCH_MAX, Found, Row
from services.ingest.liveness.promises import Promises
from services.ingest.metrics import LivenessMetrics

PASSES: Final = 30
"""In a round, for a pass is due every two seconds."""
FOUND_MAX: Final = 10_000
"""Verdicts in one pass, some two seconds' worth: when a whole region loses its mains, silence must be looked at, too."""
_AT_ONCE: Final = 250


@dataclass(frozen=True, slots=True)
class View:
    """What one pass goes by. `still_ours`: whether the lease is."""

    now: datetime
    pages: int
    promises: Promises
    hearing: Hearing
    still_ours: Callable[[], Awaitable[bool]]


class _Looked(NamedTuple):
    """At a slice: whether the lease is still ours, and whether every verdict was found and stored."""

    ours: bool
    whole: bool


@dataclass(slots=True)
class HealthLook:
    """One of a sweep."""

    metrics: LivenessMetrics
    _rounds: Rounds = field(default_factory=lambda: Rounds(PASSES))
    _found: int = 0  # in this pass

    async def look(self, connection: Connection, view: View) -> bool:
        """The pages whose turn it is; whether the lease is still ours."""
        self._found = 0
        for number in self._rounds.due(-(-view.pages // slices.PAGES), view.now):
            looked = await self._slice(connection, number, view)
            if looked.whole:
                self._rounds.looked(number, view.now)
            if not looked.ours:
                return False
            if self._found >= FOUND_MAX:
                return True
        return True

    async def _slice(self, connection: Connection, number: int, view: View) -> _Looked:
        """What is not stored, because a heartbeat came in between or there is too much, is looked at again by the next pass."""
        after, last, whole = slices.first_place(number), slices.first_place(number + 1), True
        signals = view.promises.signals()
        while True:
            rows = await connection.fetch(QUERIES["ailing"], after, last, signals, *_bounds(view.now))
            found = await _judged(rows, view)
            if found:
                self._found += len(found)
                stored, turned = await verdicts.store(connection, found, view.now)
                whole = whole and stored == len(found)
                self._count(turned)
            if not await view.still_ours():
                return _Looked(ours=False, whole=False)
            if len(rows) < BATCH_MAX:
                return _Looked(ours=True, whole=whole)
            if self._found >= FOUND_MAX:
                return _Looked(ours=True, whole=False)
            after = rows[-1]["place"]

    def _count(self, turned: Counter[rule.Turned]) -> None:
        turns: dict[Ailment, Counter[Turn]] = {}
        for each, count in turned.items():
            turns.setdefault(each.ailment, Counter())[each.turn] += count
        for ailment, counts in turns.items():
            self.metrics.judged(ailment, counts)


def _bounds(now: datetime) -> tuple[object, ...]:
    """The rule's, for SQL."""
    return (
        float(rule.SIGNAL_WELL_DB),
        BATCH_MAX,
        rule.BATTERY_LOW_PCT,
        rule.BATTERY_WELL_PCT,
        rule.CLOCK_OFF_S,
        rule.CLOCK_WELL_S,
        rule.PATH_UNSTEADY,
        rule.PATH_STEADY,
        now - rule.MAINS_SETTLED,
        now + rule.IN_FUTURE,
    )


async def _judged(rows: list[Row], view: View) -> list[Found]:
    found: list[Found] = []
    for number, row in enumerate(rows):
        if _is_fresh(row, view):
            limits = view.promises.limits(row["model_id"])
            readings = verdicts.readings(row)
            verdict = rule.judge(readings, verdicts.health(row), limits, view.now)
            if verdict is not None:
                found.append(Found(row, readings, limits, verdict, view.promises.names.get(row["model_id"])))
        if number % _AT_ONCE == _AT_ONCE - 1:
            await asyncio.sleep(0)
    return found


def _is_fresh(row: Row, view: View) -> bool:
    """Whether what we know of it is from when we could hear. What nobody waits for any more is over in any case."""
    if row["watched_since"] is None:
        return True
    heard_at: datetime | None = row["last_heard_at"]
    return heard_at is not None and not view.hearing.lapses(row["heard_in"], heard_at)
