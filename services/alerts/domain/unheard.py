"""Whom nobody listens to: what the topic filters of ingest's shards let through, and which of these nobody ever worked. Pure.

No verdict is possible there, so nobody there is ever called silent, and that looks like all being well.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from contracts.topics import councils_of

Lane: TypeAlias = Literal["heartbeat", "alarm"]


@dataclass(frozen=True, slots=True)
class Shard:
    """`worked`: somebody has, at any time; from then on its watermark tells."""

    name: str
    lane: Lane
    filters: tuple[str, ...]
    worked: bool

    def among(self, councils: Collection[str]) -> frozenset[str]:
        """Whose messages it lets through."""
        mine = councils_of(self.filters, self.lane)
        return frozenset(councils) if mine is None else mine & frozenset(councils)


def heard(shards: Sequence[Shard], councils: Collection[str]) -> frozenset[str]:
    """Councils whose heartbeats come by a shard that somebody works."""
    return frozenset[str]().union(
        *(each.among(councils) for each in shards if each.lane == "heartbeat" and each.worked)
    )


@dataclass(frozen=True, slots=True)
class Unheard:
    """By what people call it, and the councils that it concerns, if anybody is to be heard there."""

    name: str
    lane: Lane
    councils: frozenset[str]

    @property
    def of_shard(self) -> bool:
        return self.name.startswith("shard ")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Some devices of a council are heard by the topics of another, as ingest counted them last."""

    council_id: str
    heard_in: str


def unheard_elsewhere(shards: Sequence[Shard], elsewhere: Sequence[Elsewhere]) -> Sequence[str]:
    """By name, those whose topics no shard lets through: whatever becomes of their own council's, nobody hears them."""
    topics = {each.heard_in for each in elsewhere}
    through = frozenset[str]().union(*(each.among(topics) for each in shards if each.lane == "heartbeat"))
    return [
        f"devices of {each.council_id} by topics of {each.heard_in}"
        for each in elsewhere
        if each.heard_in not in through
    ]


def unheard(shards: Sequence[Shard], councils: Collection[str]) -> Sequence[Unheard]:
    """Shards that nobody ever worked, and councils that no shard lets through."""
    never = [Unheard(f"shard {each.name}", each.lane, each.among(councils)) for each in shards if not each.worked]
    let_through = frozenset[str]().union(*(each.among(councils) for each in shards if each.lane == "heartbeat"))
    left = sorted(frozenset(councils) - let_through)
    return [*never, *(Unheard(f"council {each}", "heartbeat", frozenset({each})) for each in left)]


def advice(names: Sequence[str]) -> str:
    """For whoever runs the installation: what it means, and what to do."""
    where = "to a heartbeat shard's filters in chassis.shard, and start `telecare ingest` anew"
    what = "; ".join(
        f"{name}: start `telecare ingest` anew, or take the row out of chassis.shard"
        if name.startswith("shard ")
        else f"{name}: add {'its' if name.startswith('council ') else 'those'} topics {where}"
        for name in names
    )
    return f"Nobody listens there, so nobody there is ever called silent. {what}."
