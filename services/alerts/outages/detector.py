"""Decides, once a second, who of the affected is a member of an outage, and raises those who are not as alarms of their own.

Each move is a transaction of its own; one process at a time makes them, by a lock that ends with the transaction. Nothing hangs on
that: a move takes only who is free, and an outage of one name is opened once. A process that dies is followed by any other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple, assert_never
from uuid import UUID

import structlog

from contracts.condition import Condition
from contracts.ids import CouncilId, DeviceId, HubId
from services.alerts.domain.outages import course, moves
from services.alerts.domain.outages.census import CONDITIONS, Census, Trait
from services.alerts.domain.outages.course import Waited
from services.alerts.domain.outages.find import WINDOW
from services.alerts.domain.outages.moves import Begin, Join, Merge, Move, Open, Rename, Situation
from services.alerts.intake import STREAM
from services.alerts.outages import store
from services.alerts.outages.calls import call
from services.alerts.outages.fleet import FleetCount, tally
from services.alerts.outages.singles import Single, affected
from services.alerts.outages.sql import DECIDING, QUERIES
from services.alerts.outages.store import Outage
from services.alerts.outages.telling import tell
from services.chassis.clock import Clock
from services.chassis.event_log import LogEntry, append
from services.chassis.postgres import Connection, Pool
from services.chassis.postgres.borrow import borrow

_log = structlog.get_logger(__name__)

EVERY_S: Final = 1.0
RAISED_AT_ONCE_MAX: Final = 2_000
_MOVES_MAX: Final = 60  # in one run; the next goes on
_RUNS_MAX: Final = 20  # that find no end, until people are told all the same
_TALLY_AGAIN_AFTER: Final = timedelta(seconds=10)
_TALLY_WRONG_BY: Final = 0.05
_TELL_AFTER_S: Final = 10.0


class _Beginning(NamedTuple):
    """What may be only beginning: traits whose devices wait, and outages that may be part of it."""

    suspects: frozenset[Trait] = frozenset()
    held_back: frozenset[UUID] = frozenset()
    situation: Situation | None = None


@dataclass(frozen=True, slots=True)
class _Tally:
    members: Census
    counted_at: datetime

    def stands(self, members_now: int, now: datetime) -> bool:
        """Whether it is still good: of half a million, counting takes a second."""
        wrong_by = abs(self.members.devices - members_now)
        age = abs(now - self.counted_at)  # the clock may have been put back
        return age < _TALLY_AGAIN_AFTER and wrong_by <= _TALLY_WRONG_BY * members_now


@dataclass(slots=True)
class Detector:
    """`run_once` is a loop's."""

    pool: Pool
    clock: Clock
    fleet: FleetCount
    fallback: HubId | None
    look: Callable[[], None]  # news is due to be sent
    _tallies: dict[UUID, _Tally] = field(default_factory=dict, init=False)
    _unfinished: dict[Condition, int] = field(
        default_factory=dict, init=False
    )  # runs in a row that made not all moves there were

    async def run_once(self) -> int:
        """Make all moves, tell what is new, raise who is a single. Returns how many were raised, for then there may be more."""
        now = self.clock.now()
        raised = 0
        if not self.fleet.counted:
            # Without a fleet to compare with, five homes of one operator would be its outage: singles wait for that.
            for condition in CONDITIONS:
                raised += await self._raise(condition, frozenset(), now - (moves.UNCOUNTED_FOR - moves.SETTLING), now)
            return raised
        for condition in CONDITIONS:
            beginning = await self._move(condition, now)
            if beginning is None:
                continue  # another process is at it
            if await self._tell(condition, now, beginning.held_back, situation=beginning.situation):
                await self._sort_out(condition, now)
            raised += await self._raise(condition, beginning.suspects, now, now)
        return raised

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[Connection | None]:
        """A transaction in which nobody else decides; None when somebody does."""
        async with borrow(self.pool) as connection, connection.transaction():
            alone = await connection.fetchval(QUERIES["one_at_a_time"], DECIDING)
            if alone:
                await connection.execute(QUERIES["by_index"])
            yield connection if alone else None

    async def _move(self, condition: Condition, now: datetime) -> _Beginning | None:
        """Make every move there is. Returns what may be only beginning; None when another process decides."""
        for _ in range(_MOVES_MAX):
            await self._sort_out(condition, now)
            async with self._alone() as connection:
                if connection is None:
                    return None
                situation = await self._situation(connection, condition, now)
                # Of tens of thousands of cells it takes longer than an alarm should wait for the loop.
                move = await asyncio.to_thread(moves.next_move, situation, now)
                if move is None:
                    self._unfinished[condition] = 0
                    return _Beginning(moves.suspects(situation), moves.held_back(situation, now), situation)
                fills = await self._make(connection, condition, move, now)
            if fills is not None:
                await self._fill(fills, condition, now)
        # The next run goes on, and nobody is told of what is half done; only where there is no end to it, as it stands.
        self._unfinished[condition] = self._unfinished.get(condition, 0) + 1
        return None if self._unfinished[condition] < _RUNS_MAX else _Beginning()

    async def _sort_out(self, condition: Condition, now: datetime) -> None:
        """Whoever an outage explains no longer leaves it, in many transactions; what a process left undone is done by the next."""
        while await self._sort_some_out(condition, now):
            self._tallies.clear()

    async def _sort_some_out(self, condition: Condition, now: datetime) -> bool:
        async with self._alone() as connection:
            return connection is not None and await store.sort_out(connection, condition, now)

    async def _fill(self, outage_id: UUID, condition: Condition, now: datetime) -> None:
        """More join than can in one transaction: nobody is counted again, or told of by himself, before all have.

        People need not wait for that: they are told of the outage after some seconds, with those that it has by then.
        """
        tell_at_s: float | None = time.monotonic() + _TELL_AFTER_S
        while await self._fill_some(outage_id, now):
            if tell_at_s is not None and time.monotonic() >= tell_at_s:
                tell_at_s = None
                await self._tell(condition, now, only=outage_id)

    async def _fill_some(self, outage_id: UUID, now: datetime) -> bool:
        """Whether there may be more still."""
        async with self._alone() as connection:
            return connection is not None and await store.join(connection, outage_id, now) >= store.MOVED_AT_ONCE_MAX

    async def _situation(self, connection: Connection, condition: Condition, now: datetime) -> Situation:
        fleet = self.fleet.latest
        outages = await store.open_outages(connection, condition)
        loose = await tally(connection, "loose", condition, now - WINDOW, None, None)
        return Situation(
            condition=condition,
            population=fleet.population,
            usual=fleet.rates(condition),
            loose=loose,
            outages=[
                Open(each.outage_id, each.trait, each.opened_at, await self._members(connection, each, count.now, now))
                for each, count in outages
            ],
        )

    async def _members(self, connection: Connection, outage: Outage, members_now: int, now: datetime) -> Census:
        known = self._tallies.get(outage.outage_id)
        if known is None or not known.stands(members_now, now):
            members = await tally(connection, "members", outage.outage_id)
            known = self._tallies[outage.outage_id] = _Tally(members, now)
        return known.members

    async def _make(self, connection: Connection, condition: Condition, move: Move, now: datetime) -> UUID | None:
        """Make it. Returns an outage that may have more members yet than have joined."""
        match move:
            case Begin(finding):
                begun = await store.begin(connection, condition, finding, now)
                if begun is not None:
                    _say("outage_begun", begun, finding.trait, condition=condition, cases=finding.cases)
                    return await self._join(connection, condition, begun, finding.trait, now)
            case Join(outage_id):
                return await self._join(connection, condition, outage_id, None, now)
            case Rename(outage_id, finding):
                await store.rename(connection, outage_id, finding)
                self._tallies.pop(outage_id, None)
                _say("outage_renamed", outage_id, finding.trait)
                return outage_id
            case Merge(outage_id, into):
                merged = await store.merge(connection, outage_id, into, now)
                self._tallies.pop(outage_id, None)
                self._tallies.pop(into, None)
                if merged is not None:
                    await self._merged(connection, merged, now)
            case _:
                assert_never(move)
        return None

    async def _join(
        self, connection: Connection, condition: Condition, outage_id: UUID, trait: Trait | None, now: datetime
    ) -> UUID | None:
        """What is known of its members grows by who joins: counted anew it would cost a second for each thousand."""
        known = self._tallies.get(outage_id)
        if trait is None:
            row = await connection.fetchrow(QUERIES["name_of"], outage_id)
            if row is None:
                return None
            trait = Trait(row["attribute"], row["value"])
        else:
            known = _Tally(Census(), now)  # it is new
        joining = await tally(connection, "loose", condition, now - WINDOW, trait.attribute, trait.value)
        joined = await store.join(connection, outage_id, now)
        if known is not None:
            self._tallies[outage_id] = replace(known, members=known.members.plus(joining))
        return outage_id if joined >= store.MOVED_AT_ONCE_MAX else None

    async def _merged(self, connection: Connection, merged: Outage, now: datetime) -> None:
        """Whoever was told of it is told that it is part of another."""
        if merged.told_at is not None:
            await tell(connection, merged.outage_id, "outage.closed", self.fallback, now)
            self.look()
        if merged.called_at is not None:
            await call(connection, merged, now, over=True)
        _say("outage_merged", merged.outage_id, merged.trait, into=str(merged.merged_into))

    async def _tell(
        self,
        condition: Condition,
        now: datetime,
        held_back: Collection[UUID] = (),
        *,
        only: UUID | None = None,
        situation: Situation | None = None,
    ) -> bool:
        """Write how each stands, and tell what is new. Whether one was closed."""
        closed = False
        async with self._alone() as connection:
            if connection is None:
                return False
            outages = await store.open_outages(connection, condition)
            explaining = await _explaining(situation, outages)
            for outage, members in outages:
                before = replace(outage.course, members_now=members.now, flapping_now=members.flapping)
                held = outage.outage_id in held_back or only not in {None, outage.outage_id}
                more = outage.told_at is not None and await self._reaches_more(connection, outage)
                waited = Waited(explaining.get(outage.outage_id), await store.deaf_for(connection, before, now))
                stands, news = course.run(before, now, held_back=held, reaches_more=more, waited=waited)
                if stands.closed_at is not None:
                    stands, closed = replace(stands, members_now=0, flapping_now=0), True
                    self._tallies.pop(outage.outage_id, None)
                    _say(
                        "outage_over", outage.outage_id, outage.trait, still_affected=members.now, how=stands.closed_as
                    )
                if replace(stands, flapping_now=0) != outage.course:  # counted anew each time, and kept nowhere
                    await store.stands(connection, outage.outage_id, stands)
                if stands.called_at is not None and (outage.called_at is None or stands.called_at > outage.called_at):
                    await call(connection, outage, now)
                elif stands.closed_at is not None and outage.called_at is not None:
                    await call(connection, outage, now, over=True)
                if news is not None:
                    hubs = await tell(connection, outage.outage_id, news, self.fallback, now)
                    _say(news.replace(".", "_"), outage.outage_id, outage.trait, members=members.now, hubs=hubs)
                    self.look()
        return closed

    async def _reaches_more(self, connection: Connection, outage: Outage) -> bool:
        """Whether members are of councils of which nobody was told, and on whose lists it therefore does not stand."""
        known = self._tallies.get(outage.outage_id)
        councils = (
            [] if known is None else [each.value for each in known.members.by_trait if each.attribute == "council_id"]
        )
        new = [each for each in councils if each not in outage.councils]
        # What is counted by goes by what they had in common when it began; since then one may have moved.
        return bool(new) and await connection.fetchval(QUERIES["has_members_of"], outage.outage_id, new)

    async def _raise(self, condition: Condition, suspects: frozenset[Trait], as_of: datetime, now: datetime) -> int:
        """Those that have waited long enough, as alarms: in the transaction that says that they were told of."""
        named: Sequence[Trait] = sorted(suspects)
        async with self._alone() as connection:
            if connection is None:
                return 0
            rows = await connection.fetch(
                QUERIES["settle"],
                *(now, as_of - moves.SETTLING, as_of - moves.SUSPECTED_FOR),
                *([each.attribute for each in named], [each.value for each in named]),
                *(RAISED_AT_ONCE_MAX, condition, course.PAGED_AGAIN_AFTER),
            )
            events = [
                affected(
                    Single(
                        affected_id=row["affected_id"],
                        version=row["version"],
                        device_id=DeviceId(row["device_id"]),
                        council_id=None if row["council_id"] is None else CouncilId(row["council_id"]),
                        condition=row["condition"],
                        since=row["since"],
                        expected_silent_at=row["expected_silent_at"],
                        asked_at=row["asked_at"],
                    ),
                    now,
                )
                for row in rows
            ]
            if events:
                entries = [LogEntry(STREAM, each.device_id, int(each.urgency), each.to_json()) for each in events]
                await append(connection, entries, now)
            return len(events)


async def _explaining(
    situation: Situation | None, outages: Iterable[tuple[Outage, store.Members]]
) -> Mapping[UUID, bool]:
    """Of those of which most have returned, whether they explain still."""
    halved = {
        each.outage_id for each, members in outages if course.is_halved(members.now - members.flapping, each.peak)
    }
    if situation is None or not halved:
        return {}
    return await asyncio.to_thread(moves.explaining, situation, halved)


def _say(what: str, outage_id: UUID, trait: Trait, **more: object) -> None:
    _log.warning(what, outage_id=str(outage_id), attribute=trait.attribute, value=trait.value, **more)
