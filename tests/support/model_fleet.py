"""A fleet on paper: devices with traits, some of them affected, and the detector's moves made one device at a time.

What the database does with sets is done here with lists, so that properties of the moves can be proved on thousands of fleets.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from uuid import UUID

from contracts.condition import Condition
from services.alerts.domain.outages.census import ATTRIBUTES, Attribute, Census, Trait
from services.alerts.domain.outages.find import Usual
from services.alerts.domain.outages.moves import Begin, Join, Merge, Move, Open, Rename, Situation, next_move

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
MOVES_MAX = 500


@dataclass(slots=True)
class Box:
    """One device. `outage`: whose member it is, while it is affected."""

    traits: Mapping[Attribute, str]
    affected: bool = False
    outage: UUID | None = None
    counted_as: tuple[Trait, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.counted_as = tuple(Trait(attribute, value) for attribute, value in self.traits.items())

    def has(self, trait: Trait) -> bool:
        return self.traits.get(trait.attribute) == trait.value


def census(boxes: Collection[Box]) -> Census:
    counted = Counter(chain.from_iterable(box.counted_as for box in boxes))
    return Census(len(boxes), dict(counted))


@dataclass(slots=True)
class Fleet:
    boxes: list[Box]
    condition: Condition = "silent"
    usual: Usual = field(default_factory=Usual)
    names: dict[UUID, Trait] = field(default_factory=dict)
    opened: dict[UUID, datetime] = field(default_factory=dict)
    made: list[Move] = field(default_factory=list)
    _population: Census = field(init=False)

    def __post_init__(self) -> None:
        self._population = census(self.boxes)  # nobody moves in or out

    def affect(self, which: Callable[[Box], bool]) -> list[Box]:
        hit = [box for box in self.boxes if which(box) and not box.affected]
        for box in hit:
            box.affected = True
        return hit

    def heal(self, boxes: Iterable[Box]) -> None:
        for box in boxes:
            box.affected, box.outage = False, None

    def loose(self) -> list[Box]:
        return [box for box in self.boxes if box.affected and box.outage is None]

    def members(self, outage: UUID) -> list[Box]:
        return [box for box in self.boxes if box.affected and box.outage == outage]

    def situation(self) -> Situation:
        return Situation(
            condition=self.condition,
            population=self._population,
            usual=self.usual,
            loose=census(self.loose()),
            outages=[Open(id_, name, self.opened[id_], census(self.members(id_))) for id_, name in self.names.items()],
        )

    def settle(self, now: datetime = NOON) -> Sequence[Trait]:
        """Make every move there is. Returns the names of what is open then; raises when there is no end to it."""
        for _ in range(MOVES_MAX):
            move = next_move(self.situation(), now)
            if move is None:
                return sorted(self.names.values())
            self._make(move, now)
        raise AssertionError(f"no end of moves: {self.made[-6:]}")

    def _make(self, move: Move, now: datetime) -> None:
        self.made.append(move)
        match move:
            case Begin(finding):
                new = UUID(int=len(self.made))
                self.names[new], self.opened[new] = finding.trait, now
                self._take(new)
            case Join(outage):
                self._take(outage)
            case Rename(outage, finding):
                self.names[outage] = finding.trait
                for box in self.members(outage):
                    box.outage = outage if box.has(finding.trait) else None
                self._take(outage)
            case Merge(outage, into):
                for box in self.members(outage):
                    box.outage = into if box.has(self.names[into]) else None
                del self.names[outage]

    def _take(self, outage: UUID) -> None:
        for box in self.loose():
            if box.has(self.names[outage]):
                box.outage = outage


def scotland(seed: int = 1, devices: int = 2_400) -> Fleet:
    """Councils with districts, districts with a cell of each operator, models and firmware as they were bought."""
    rng = random.Random(seed)
    return Fleet(list(_homes(rng, devices)))


def _homes(rng: random.Random, devices: int) -> Iterator[Box]:
    for _ in range(devices):
        council = rng.randrange(8)
        district = council * 10 + rng.randrange(10)
        operator = rng.choices(["23410", "23415", "23430"], [5, 3, 2])[0]
        wired = rng.random() < 0.2
        model = rng.choice(["hub-a", "hub-b", "hub-c"])
        place: dict[Attribute, str] = {"council_id": f"council-{council}", "postcode_district": f"IV{district}"}
        radio: dict[Attribute, str] = (
            {"network": "ethernet"}
            if wired
            else {"network": "lte", "sim_operator": operator, "cell_id": f"{operator}-{district}"}
        )
        yield Box({**place, **radio, "model": model, "firmware": f"{model}-{rng.randrange(1, 4)}"})


def has(attribute: Attribute, value: str) -> Callable[[Box], bool]:
    return lambda box: box.traits.get(attribute) == value


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


__all__ = ["ATTRIBUTES", "NOON", "Box", "Fleet", "census", "has", "minutes", "scotland"]
