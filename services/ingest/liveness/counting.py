"""Who is heard as often as promised, counted every half minute: some pages at each pass of whoever sweeps."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from services.chassis.postgres import Connection
from services.ingest.domain.counting import Count, Named, Seen, Tally, Way, groups, heard_anew_within, of_names
from services.ingest.domain.hearing import Hearing
from services.ingest.domain.slices import PAGES, first_place
from services.ingest.liveness.naming import Naming
from services.ingest.liveness.promises import Promises
from services.ingest.liveness.sql import QUERIES
from services.ingest.metrics import LivenessMetrics

EVERY: Final = timedelta(seconds=30)
STALE_AFTER: Final = timedelta(seconds=90)
"""What was counted so long ago says nothing of now."""
_PASSES: Final = 12
"""A round is done in so many passes, and so well before the next."""
_GIVEN_UP_AFTER: Final = timedelta(seconds=60)
"""A round that takes so long says nothing of one time."""
_LOOKS_EACH: Final = 2
"""Of so many rounds one has a rough look, too, at what is to be named."""


@dataclass(frozen=True, slots=True)
class _View:
    """What a count goes by."""

    promises: Promises
    hearing: Hearing


@dataclass(slots=True)
class HearingCount:
    """Of the process that sweeps. What is counted half is forgotten with the lease."""

    metrics: LivenessMetrics
    _naming: Naming = field(default_factory=Naming)
    _rounds: int = 0
    _looks: bool = False  # this one, at what is to be named
    _tally: Tally | None = None
    _begun_at: datetime | None = None
    _next: int = 0  # slice

    def forget(self) -> None:
        """Somebody else counts."""
        self._tally = self._begun_at = None
        self._rounds = 0
        self._naming.forget()

    async def go_on(
        self, connection: Connection, promises: Promises, hearing: Hearing, pages: int, now: datetime
    ) -> None:
        """Count some pages, if it is time to; when all are counted, write it down."""
        tally = self._round(now)
        if tally is None:
            return
        slices = -(-pages // PAGES)
        until = min(self._next + -(-slices // _PASSES), slices)
        since, late_before = promises.heard_since(now), promises.late_before(now)
        names = await self._naming.by_attribute(connection, now)
        for number in range(self._next, until):
            places = first_place(number), first_place(number + 1)
            for row in await connection.fetch(QUERIES["count_heard"], *places, since, late_before, *names):
                count = Count(row["expected"], row["heard"], row["silent"], row["late"])
                named = Named(row["cell"], row["postcode_district"], row["firmware"], row["network"])
                seen = Seen(row["council_id"], row["model_id"], row["sim_operator"], named, row["heard_in"])
                tally.add(seen, count, row["missed"] or 0)
        view = _View(promises, hearing)
        listening = {way: _listening(way, view, now) for way in tally.ways}
        if self._looks:
            await self._naming.go_on(connection, (self._next, until), since, _deaf(listening))
        self._next = until
        if until == slices:
            self._tally = None
            await self._write(connection, tally, listening, view, now)
            if self._looks:
                self._naming.end(sum(count.expected for count in tally.seen.values()), _deaf(listening), now)

    def _round(self, now: datetime) -> Tally | None:
        """The one that is under way, or a new one; None: the last one was not long ago."""
        begun_at = self._begun_at
        age = None if begun_at is None else now - begun_at
        if age is not None and timedelta(0) <= age < (EVERY if self._tally is None else _GIVEN_UP_AFTER):
            return self._tally
        self._tally, self._begun_at, self._next = Tally(), now, 0
        self._looks = self._rounds % _LOOKS_EACH == 0
        self._rounds += 1
        if self._looks:
            self._naming.begin(now)
        return self._tally

    async def _write(
        self, connection: Connection, tally: Tally, listening: Mapping[Way, str | None], view: _View, now: datetime
    ) -> None:
        names = view.promises.names
        counted = tally.named_groups(lambda seen: listening[seen.way], names.__getitem__)
        rows = [
            (*group, count.expected, count.heard, count.silent, count.late)
            for group, count in sorted(groups(counted).items())
        ]
        named_rows = [
            (*group, *named, count.expected, count.heard, count.silent)
            for (group, named), count in sorted(of_names(counted).items())
        ]
        deaf = {
            (view.hearing.shard(each.way.topics) or "", each.council_id, names.get(each.model_id, ""))
            for each in tally.seen
            if listening[each.way] is None
        }
        deaf_columns = _columns(deaf, 3)
        async with connection.transaction():
            await connection.execute(QUERIES["store_count"], *_columns(rows, 8), now)
            await connection.execute(QUERIES["forget_counts"], now, *deaf_columns)
            await connection.execute(QUERIES["forget_named"], now, *deaf_columns)
            await connection.execute(QUERIES["store_named"], *_columns(named_rows, 11), now)
            await connection.execute(QUERIES["keep_elsewhere"], *_columns(tally.elsewhere(), 2))
            missed = await connection.fetchval(QUERIES["note_missed"], tally.missed, now)
        self.metrics.missed(missed)


def _listening(way: Way, view: _View, now: datetime) -> str | None:
    """By which shard they are heard; None: they can't have been, and say nothing now."""
    thresholds = view.promises.thresholds.get(way.model_id)
    if thresholds is None:  # a model that came this moment
        return None
    return view.hearing.listening(way.topics, now, heard_anew_within(thresholds))


def _deaf(listening: Mapping[Way, str | None]) -> frozenset[Way]:
    return frozenset(way for way, shard in listening.items() if shard is None)


def _columns(rows: Collection[tuple[object, ...]], width: int) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
