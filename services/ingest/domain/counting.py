"""How many of the watched devices are heard as often as they promise, group by group. Pure: what pages say in, counts out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, NamedTuple

from services.ingest.domain.liveness import Thresholds
from services.ingest.domain.naming import ATTRIBUTES, Attribute

INTERVALS: Final = 1.5
"""Heard within so many of its intervals, a device is heard as often as it should be: half of one is for delays on its way."""
VALUES_MAX: Final = 50
"""Of models, and of operators, so many are counted each, those with most devices. What a device says of itself makes no more."""
OTHERS: Final = ""
NAMED_GROUPS_MAX: Final = 4_000
"""As many groups are counted by what is named (`naming`): alerts reads them all, each few seconds."""

ELSEWHERE_MAX: Final = 1_000
"""So many pairs of councils are told of whose devices are heard by another's topics: a device may write any council into them."""

_GRACE: Final = timedelta(seconds=5)


class Group(NamedTuple):
    """What devices share, as far as anybody counts them by it."""

    shard: str
    council_id: str
    model: str
    sim_operator: str


class Named(NamedTuple):
    """What they share of it that is named; "": nothing."""

    cell: str = ""
    postcode_district: str = ""
    firmware: str = ""
    network: str = ""

    def without(self, attributes: Iterable[Attribute]) -> Named:
        return self._replace(**dict.fromkeys(attributes, ""))


NOTHING: Final = Named()


@dataclass(frozen=True, slots=True)
class Count:
    """`expected` are watched, for so long that they must have been heard; of these `heard` were.

    Of the others `silent` are told of as such already, and `late` are not yet.
    """

    expected: int = 0
    heard: int = 0
    silent: int = 0
    late: int = 0

    def plus(self, other: Count) -> Count:
        return Count(
            self.expected + other.expected,
            self.heard + other.heard,
            self.silent + other.silent,
            self.late + other.late,
        )


def heard_within(thresholds: Thresholds) -> timedelta:
    """How long ago a device may have been heard last."""
    return thresholds.interval * INTERVALS


def heard_anew_within(thresholds: Thresholds) -> timedelta:
    """For so long after we could not hear, whoever is not heard is not missed: its interval and a part of another (`silent_at`)."""
    return thresholds.interval * 2 + _GRACE


class Way(NamedTuple):
    """By which council's topics devices are heard, and of which model they are: what it goes by whether they could be heard."""

    topics: str
    model_id: int


class Seen(NamedTuple):
    """What pages know of a group: their model is a number."""

    council_id: str
    model_id: int
    sim_operator: str
    named: Named = NOTHING
    heard_in: str | None = None  # by which council's topics, if by another's

    @property
    def way(self) -> Way:
        return Way(self.heard_in or self.council_id, self.model_id)


@dataclass(slots=True)
class Tally:
    """One round over all pages."""

    seen: dict[Seen, Count] = field(default_factory=dict)
    missed: int = 0
    """Heartbeats of all of them, ever, by their numbers."""
    ways: set[Way] = field(default_factory=set)
    """All that there are."""

    def add(self, seen: Seen, count: Count, missed: int) -> None:
        self.seen[seen] = self.seen.get(seen, Count()).plus(count)
        self.missed += missed
        self.ways.add(seen.way)

    def named_groups(
        self, shard_of: Callable[[Seen], str | None], name_of: Callable[[int], str]
    ) -> dict[tuple[Group, Named], Count]:
        """What is counted. `shard_of`: by which they are heard; None: they can't have been, and say nothing now."""
        models, operators = self._largest(lambda each: each.model_id), self._largest(lambda each: each.sim_operator)
        counted: dict[tuple[Group, Named], Count] = {}
        for seen, count in self.seen.items():
            shard = shard_of(seen)
            if shard is None:
                continue
            model = name_of(seen.model_id) if seen.model_id in models else OTHERS
            operator = seen.sim_operator if seen.sim_operator in operators else OTHERS
            key = Group(shard, seen.council_id, model, operator), seen.named
            counted[key] = counted.get(key, Count()).plus(count)
        return counted

    def elsewhere(self) -> Sequence[tuple[str, str]]:
        """Councils of which devices are heard by another's topics, and which that is; of too many those with most devices."""
        sizes: Counter[tuple[str, str]] = Counter()
        for seen, count in self.seen.items():
            if seen.heard_in is not None and seen.heard_in != seen.council_id:
                sizes[seen.council_id, seen.heard_in] += count.expected
        return sorted(pair for pair, _ in sizes.most_common(ELSEWHERE_MAX))

    def _largest(self, value_of: Callable[[Seen], Hashable]) -> frozenset[Hashable]:
        sizes: Counter[Hashable] = Counter()
        for seen, count in self.seen.items():
            sizes[value_of(seen)] += count.expected
        return frozenset(value for value, _ in sizes.most_common(VALUES_MAX))


def groups(counted: Mapping[tuple[Group, Named], Count]) -> dict[Group, Count]:
    """All of them, whatever of theirs is named."""
    summed: dict[Group, Count] = {}
    for (group, _), count in counted.items():
        summed[group] = summed.get(group, Count()).plus(count)
    return summed


def of_names(
    counted: Mapping[tuple[Group, Named], Count], at_most: int = NAMED_GROUPS_MAX
) -> dict[tuple[Group, Named], Count]:
    """Those alone of which something is named. Are they too many, the finest names go: so much is no cell's doing."""
    summed: dict[tuple[Group, Named], Count] = {}
    for number in range(len(ATTRIBUTES) + 1):
        summed = {}
        for (group, named), count in counted.items():
            kept = named.without(ATTRIBUTES[:number])
            if kept != NOTHING:
                summed[group, kept] = summed.get((group, kept), Count()).plus(count)
        if len(summed) <= at_most:
            break
    return summed
