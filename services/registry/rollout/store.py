"""The figures of the rollout, read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from asyncpg import Record

from contracts.rota import LONDON
from services.chassis.clock import Clock
from services.chassis.postgres import Connection, Pool, Queries
from services.chassis.postgres.borrow import borrow
from services.registry.domain.lifecycle import STAGES
from services.registry.domain.rollout import Aim, Growth, Rollout, by_stage, country
from services.registry.domain.rollout_council import FIGURES, Found, OpenFaults, Sourced, Told, measure
from services.registry.domain.rollout_history import WEEKS_MAX, Row
from services.registry.domain.rollout_weeks import WEEK, Flow, week_of

_QUERIES = Queries.beside(__file__)


@dataclass(frozen=True, slots=True)
class Span:
    """Weeks from `first` to `last`, of one council or of all."""

    first: date
    last: date
    council_id: str | None = None


class RolloutStore:
    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def read(self) -> Rollout:
        """All councils' devices by stage as they are now, and what is to be expected."""
        now = self._clock.now()
        async with borrow(self._pool) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            return await _read(connection, now)

    async def read_with_growth(self) -> tuple[Rollout, date, Growth]:
        """The same, the first week in which a device was live (none was: the present one), and the net increments since.

        Of one moment: no week holds a device that the figures beside it do not.
        """
        now = self._clock.now()
        async with borrow(self._pool) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            found = await _read(connection, now)
            rows = await connection.fetch(_QUERIES["live_by_week"], week_of(now))
        return found, rows[0]["week"] if rows else week_of(now), _growth(rows)

    async def first_week(self) -> date | None:
        """The first that has any history; None: there is none."""
        async with borrow(self._pool) as connection:
            first: date | None = await connection.fetchval(_QUERIES["first_week"])
        return first

    async def history(self, span: Span) -> list[Row]:
        """Of each week, newest first, each council and stage that had a device by then or within the span."""
        async with borrow(self._pool) as connection:
            rows = await connection.fetch(_QUERIES["history"], span.first, span.last, span.council_id)
        return [_row(row) for row in rows]

    async def all_weeks(self) -> list[Row]:
        """The history of all councils: the last ten years of it."""
        first, last = await self.first_week(), week_of(self._clock.now())
        return [] if first is None else await self.history(Span(max(first, last - WEEK * (WEEKS_MAX - 1)), last))


async def _read(connection: Connection, now: datetime) -> Rollout:
    rows = await connection.fetch(_QUERIES["councils"])
    weeks = await connection.fetch(_QUERIES["live_by_week"], week_of(now))
    aim = await connection.fetchrow(_QUERIES["programme"])
    not_counted_yet = await connection.fetchval(_QUERIES["not_counted_yet"])
    if aim is None:
        raise RuntimeError("the programme has no target, though its migration gives it one")
    today = now.astimezone(LONDON).date()
    return country(
        [measure(_told(row), _found(row), today) for row in rows],
        Aim(**aim),
        _growth(weeks),
        now=now,
        silent_as_of=min((row["counted_at"] for row in rows if row["counted_at"]), default=None),
        not_counted_yet=not_counted_yet,
        unexplained=0 if not_counted_yet else sum(_unexplained(row["stages"], row["counted"]) for row in rows),
    )


def _growth(rows: Iterable[Record]) -> Growth:
    return Growth([row["net"] for row in rows])


def _told(row: Record) -> Told:
    common = Sourced(row["source"], row["as_of"])
    return Told(
        council_id=row["council_id"],
        name=row["name"],
        telecare_users=row["telecare_users"],
        analogue_units=row["analogue_units"],
        target=row["target"],
        target_date=row["target_date"],
        sources={name: _sourced(row["sources"].get(name), common) for name in FIGURES if row[name] is not None},
    )


def _sourced(own: Mapping[str, Any] | None, common: Sourced) -> Sourced:
    if own is None:
        return common
    as_of = own.get("as_of")
    return Sourced(own.get("source"), None if as_of is None else date.fromisoformat(as_of))


def _found(row: Record) -> Found:
    faults = {stage: OpenFaults(*row["faults"][stage]) for stage in STAGES if stage in row["faults"]}
    return Found(
        stages=by_stage(row["stages"]),
        live=row["counted"].get("live", 0),
        unheard=row["counted"].get("unheard", 0),
        silent=row["silent"],
        overridden=row["overridden"],
        analogue_replaced=row["analogue_replaced"],
        faults=faults,
    )


def _unexplained(register: Mapping[str, int], counted: Mapping[str, int]) -> int:
    """Devices in another stage by the history than in the register, or in one of the two only."""
    history = dict(counted)
    history["live"] = history.get("live", 0) + history.pop("unheard", 0)
    return sum(abs(register.get(stage, 0) - history.get(stage, 0)) for stage in STAGES)


def _row(row: Record) -> Row:
    flow = Flow(row["entered"], row["left"], row["first"], row["replaced"])
    return Row(row["week"], row["council_id"], row["stage"], row["devices"], flow)
