"""Whom nobody listens to, looked up by the council and never by the device; and for how long that has been so before our eyes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from services.alerts.domain.unheard import Elsewhere, Shard, Unheard, heard, unheard, unheard_elsewhere
from services.alerts.impaired.sql import QUERIES
from services.chassis.postgres import Connection

if TYPE_CHECKING:
    from asyncpg import Record

_AGAIN_AFTER_S: Final = 30.0
"""A council gets its first device, or loses its last, seldom; and to look for one may take a look at all that it once had."""


@dataclass(slots=True)
class Nobody:
    """Of one process. What is worked a moment after it is set up is nobody's business: each counts from when it was first seen."""

    _suspected: Sequence[Unheard] = ()
    _concern: frozenset[Unheard] = frozenset()
    _asked_s: float = 0.0  # monotonic
    _since_s: Mapping[str, float] = field(default_factory=dict)  # by name; monotonic

    async def listens(self, connection: Connection, rows: Sequence[Record], now_s: float) -> Mapping[Unheard, float]:
        """To whom nobody does who should be heard, and for how many seconds we know. `rows`: the shards."""
        shards = [_shard(row) for row in rows]
        councils = [row["council_id"] for row in await connection.fetch(QUERIES["councils"])]
        elsewhere = [Elsewhere(**row) for row in await connection.fetch(QUERIES["heard_elsewhere"])]
        topics = {each.heard_in for each in elsewhere}
        councils = sorted({*councils, *topics})  # a box may write one that the register does not know
        suspected = unheard(shards, councils)
        if suspected != self._suspected or now_s - self._asked_s >= _AGAIN_AFTER_S:
            self._concern = await _concern(connection, suspected, sorted(heard(shards, councils)), topics)
            self._suspected, self._asked_s = suspected, now_s
        found = [each for each in suspected if each in self._concern] + [*unheard_elsewhere(shards, elsewhere)]
        self._since_s = {each.name: self._since_s.get(each.name, now_s) for each in found}
        return {each: now_s - self._since_s[each.name] for each in found}


def _shard(row: Record) -> Shard:
    subscribed = None if row["subscribed"] is None else tuple(row["subscribed"])
    return Shard(row["shard"], row["lane"], tuple(row["filters"]), row["heard_until"] is not None, subscribed)


async def _concern(
    connection: Connection, suspected: Sequence[Unheard], heard_: Sequence[str], topics: AbstractSet[str]
) -> frozenset[Unheard]:
    """Those by whom somebody should be heard. Heartbeats may come by another council's topics; alarms are asked for by all.

    `topics`: councils by whose topics others' devices are heard. They concern a shard; which devices they are is told by itself.
    """
    found = set[Unheard]()
    for lane in ("heartbeat", "alarm"):
        of_lane = [each for each in suspected if each.lane == lane]
        councils = sorted(frozenset[str]().union(*(each.councils for each in of_lane)))
        if not councils:
            continue
        rows = await connection.fetch(QUERIES["watched_there"], councils, heard_ if lane == "heartbeat" else [])
        watched = {row["council_id"] for row in rows}
        found |= {each for each in of_lane if each.councils & (watched | topics if each.kind == "shard" else watched)}
    return frozenset(found)
