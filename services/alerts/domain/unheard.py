"""Whom nobody listens to: what the topic filters of ingest's shards let through, and which of these nobody ever worked. Pure.

No verdict is possible there, so nobody there is ever called silent, and that looks like all being well.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from contracts.topics import councils_heard, councils_of

Lane: TypeAlias = Literal["heartbeat", "alarm"]
Kind: TypeAlias = Literal["shard", "council", "ungranted", "topics"]
"""A shard that nobody ever worked; a council that no filter lets through, or whose filter is not granted; and a council's topics by
which another's devices are heard, and that come by no shard."""


_TO_A_SHARD: Final = "to a heartbeat shard's filters in chassis.shard, which ingest follows as it runs"
_ADVICE: Final[Mapping[Kind, str]] = {
    "shard": "start `telecare ingest` anew, or take the row out of chassis.shard",
    "council": f"add its topics {_TO_A_SHARD}",
    "ungranted": "it is in a shard's filters, and not subscribed to: see `shard_filter_refused` in ingest's log, and the broker's",
    "topics": f"add those topics {_TO_A_SHARD}",
}


@dataclass(frozen=True, slots=True)
class Shard:
    """`worked`: somebody has, at any time; from then on its watermark tells. `subscribed`: what the broker has granted."""

    name: str
    lane: Lane
    filters: tuple[str, ...]
    worked: bool
    subscribed: tuple[str, ...] | None = None

    def among(self, councils: Collection[str]) -> frozenset[str]:
        """Whose messages come by it."""
        mine = councils_heard(self.filters, self.subscribed, self.lane)
        return frozenset(councils) if mine is None else mine & frozenset(councils)

    def wants(self, council_id: str) -> bool:
        """Whether its filters let it through, whoever has granted it."""
        wanted = councils_of(self.filters, self.lane)
        return wanted is None or council_id in wanted


def heard(shards: Sequence[Shard], councils: Collection[str]) -> frozenset[str]:
    """Councils whose heartbeats come by a shard that somebody works."""
    return frozenset[str]().union(
        *(each.among(councils) for each in shards if each.lane == "heartbeat" and each.worked)
    )


@dataclass(frozen=True, slots=True)
class Unheard:
    """What people call it, and the councils that it concerns, if anybody is to be heard there."""

    kind: Kind
    name: str
    lane: Lane
    councils: frozenset[str]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Some devices of a council are heard by the topics of another, as ingest counted them last."""

    council_id: str
    heard_in: str


def unheard_elsewhere(shards: Sequence[Shard], elsewhere: Sequence[Elsewhere]) -> Sequence[Unheard]:
    """Those whose topics no shard lets through: whatever becomes of their own council's, nobody hears them."""
    topics = {each.heard_in for each in elsewhere}
    through = frozenset[str]().union(*(each.among(topics) for each in shards if each.lane == "heartbeat"))
    return [
        Unheard(
            "topics",
            f"topics of {each.heard_in} (devices of {each.council_id})",
            "heartbeat",
            frozenset({each.heard_in}),
        )
        for each in elsewhere
        if each.heard_in not in through
    ]


def unheard(shards: Sequence[Shard], councils: Collection[str]) -> Sequence[Unheard]:
    """Shards that nobody ever worked, and councils that no shard lets through."""
    never = [
        Unheard("shard", f"shard {each.name}", each.lane, each.among(councils)) for each in shards if not each.worked
    ]
    let_through = frozenset[str]().union(*(each.among(councils) for each in shards if each.lane == "heartbeat"))
    left = sorted(frozenset(councils) - let_through)
    wanted = {each for each in left if any(shard.lane == "heartbeat" and shard.wants(each) for shard in shards)}
    return [*never, *(_council(each, "ungranted" if each in wanted else "council") for each in left)]


def _council(council_id: str, kind: Kind) -> Unheard:
    return Unheard(kind, f"council {council_id}", "heartbeat", frozenset({council_id}))


def advice(unheard_: Sequence[Unheard]) -> str:
    """For whoever runs the installation: what it means, and what to do."""
    what = "; ".join(f"{each.name}: {_ADVICE[each.kind]}" for each in unheard_)
    return f"Nobody listens there, so nobody there is ever called silent. {what}."
