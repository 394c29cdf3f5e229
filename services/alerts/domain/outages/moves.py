"""What becomes of the open outages, and of the affected devices that none explains: one move at a time, until there is none left.

A device that is affected is a member of one outage or of none: every move takes from one and gives to another. After each, whoever
makes them counts anew; so nothing here grows with the number of devices.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

from contracts.condition import Condition
from services.alerts.domain.outages.census import Census, Trait
from services.alerts.domain.outages.find import Finding, Usual, contrast_min, explained_by, find, has_share, suspected

FORMING: Final = timedelta(minutes=30)
"""As long as an outage is this young it may only be the beginning of a wider one, and becomes that, or part of it.

An older one is something by itself: a cell that has been dead for hours stays its own outage when its operator fails as well.
"""
PARTS_MIN: Final = 2  # of one outage that were opened as several
COVERED_MIN: Final = 0.8
"""Of an outage's members so many must have a trait for it to be that outage's new name, or the one that swallows it."""
SETTLING: Final = timedelta(seconds=20)
"""So long a device waits for others to turn up before it is told of by itself."""
SUSPECTED_FOR: Final = timedelta(minutes=6)
"""And so long when more with a trait of its own are affected already than is likely.

Devices that report each quarter of an hour fall silent over a quarter of an hour, though all were lost at one instant: the share
that makes an outage (three in ten) is there after four and a half minutes.
"""
UNCOUNTED_FOR: Final = timedelta(seconds=120)
"""And so long when nobody knows how many devices there are to compare with."""


@dataclass(frozen=True, slots=True)
class Open:
    """An open outage and who of it is affected still."""

    outage_id: UUID
    trait: Trait
    opened_at: datetime
    members: Census

    def forming(self, now: datetime) -> bool:
        return now - self.opened_at < FORMING


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Of one condition. `loose` are those affected within the window whom no outage explains and who are no flapping ones."""

    condition: Condition
    population: Census
    usual: Usual
    loose: Census
    outages: Sequence[Open]

    def free(self) -> Census:
        """The watched devices that are in no outage."""
        return self.population.without(each.members for each in self.outages)

    def share_of(self, trait: Trait, cases: int, but: Collection[UUID]) -> bool:
        """Whether so many are a share of the watched devices with the trait; those in outages are left out, save `but` those."""
        others = sum(each.members.of(trait) for each in self.outages if each.outage_id not in but)
        return has_share(self.condition, cases, max(self.population.of(trait) - others, 0))


@dataclass(frozen=True, slots=True)
class Begin:
    """A new outage, of the loose ones with its trait."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class Join:
    """The loose ones with its trait are part of an outage that was there already."""

    outage_id: UUID


@dataclass(frozen=True, slots=True)
class Rename:
    """An outage is better explained by another trait: members without that are loose again, loose ones with it are members."""

    outage_id: UUID
    finding: Finding


@dataclass(frozen=True, slots=True)
class Merge:
    """An outage is part of another: members with that one's trait are its members now, any others are loose; and it is closed."""

    outage_id: UUID
    into: UUID


Move: TypeAlias = Begin | Join | Rename | Merge


def next_move(situation: Situation, now: datetime) -> Move | None:
    """The next move, or None when everything is as it should be."""
    return (
        next(_joined(situation), None)
        or next(_merged(situation, now), None)
        or next(_renamed(situation, now), None)
        or _widened(situation, now)
        or _begun(situation)
    )


def suspects(situation: Situation) -> frozenset[Trait]:
    """Traits of an outage that may be only beginning: whoever has one waits `SUSPECTED_FOR`."""
    return suspected(situation.condition, situation.loose, situation.free(), situation.usual)


def held_back(situation: Situation, now: datetime) -> frozenset[UUID]:
    """Outages that people need not be told of yet: what may be only beginning has nearly all of their members too.

    A network that is lost is missed first where its devices are few: of a cell with eight, three are soon a share. It becomes part
    of the network's outage a minute later; nobody is called for each of a hundred cells before.
    """
    wider = suspects(situation)
    return frozenset(
        each.outage_id
        for each in situation.outages
        if timedelta(0) <= now - each.opened_at < SUSPECTED_FOR
        and any(each.members.of(trait) >= COVERED_MIN * max(each.members.devices, 1) for trait in wider)
    )


def explains(outage: Open, situation: Situation) -> bool:
    """Whether so many with its trait are affected that one more is no surprise. Once most have returned, it is."""
    return situation.share_of(outage.trait, outage.members.of(outage.trait), {outage.outage_id})


def explaining(situation: Situation, among: Collection[UUID]) -> Mapping[UUID, bool]:
    """Of each of these that is in it whether it explains. All others' members are counted once, however many outages there are."""
    taken = Counter[Trait]()
    for each in situation.outages:
        taken.update(each.members.by_trait)
    found = {}
    for each in situation.outages:
        if each.outage_id in among:
            own = each.members.of(each.trait)
            free = max(situation.population.of(each.trait) - (taken[each.trait] - own), 0)
            found[each.outage_id] = has_share(situation.condition, own, free)
    return found


def _joined(situation: Situation) -> Iterator[Join]:
    for each in situation.outages:
        if situation.loose.of(each.trait) and explains(each, situation):
            yield Join(each.outage_id)


def _renamed(situation: Situation, now: datetime) -> Iterator[Rename]:
    """Wider while it is forming, or narrower: when most have returned, and those that have not have something else in common."""
    taken, free = {each.trait for each in situation.outages}, situation.free()
    for each in situation.outages:
        pool = each.members.plus(situation.loose) if each.forming(now) else each.members
        # A look must not take seconds when hundreds of cells are open: what its members have in common are a handful of traits.
        enough = COVERED_MIN * max(each.members.devices, 1)
        common = {trait: pool.of(trait) for trait, members in each.members.by_trait.items() if members >= enough}
        around = free.plus(each.members)
        finding = find(situation.condition, Census(pool.devices, common), around, situation.usual)
        if finding is None or finding.trait in taken:
            continue
        if finding.log_ratio - explained_by(each.trait, pool, around) >= contrast_min(around):
            yield Rename(each.outage_id, finding)


def _merged(situation: Situation, now: datetime) -> Iterator[Merge]:
    for wide in situation.outages:
        parts = [each for each in situation.outages if each is not wide and _is_part(each, wide.trait, now)]
        if not parts or not _explains_with(parts, wide, situation):
            continue
        smaller = [each for each in parts if each.members.devices <= wide.members.devices]
        again = len(smaller) < len(parts) and _is_again(parts, wide, situation)
        yield from (Merge(each.outage_id, wide.outage_id) for each in (parts if again else smaller))


def _is_again(parts: Sequence[Open], wide: Open, situation: Situation) -> bool:
    """Whether it is the same failure once more: parts larger than what is left of it are its own if its name explains all best.

    Missed device by device, a second wave has its share in districts first, each of more devices than have not come back.
    """
    finding = _of_all([wide, *parts], situation)
    return finding is not None and finding.trait == wide.trait


def _is_part(small: Open, trait: Trait, now: datetime) -> bool:
    return small.forming(now) and small.members.of(trait) >= COVERED_MIN * max(small.members.devices, 1)


def _explains_with(parts: Sequence[Open], wide: Open, situation: Situation) -> bool:
    """Whether it has the share, with all that are only forming and nearly all of whose members have its trait."""
    own = (wide, *parts)
    cases = sum(each.members.of(wide.trait) for each in own)
    return situation.share_of(wide.trait, cases, {each.outage_id for each in own})


def _widened(situation: Situation, now: datetime) -> Rename | None:
    """Several that are forming are one: the largest has its name, and the others become part of it.

    What is missed device by device has its share in a district before it has it in the council; by then few are loose.
    """
    forming = [each for each in situation.outages if each.forming(now)]
    finding = _of_all(forming, situation)
    parts = [] if finding is None else [each for each in forming if _is_part(each, finding.trait, now)]
    if len(parts) < PARTS_MIN:
        return None
    finding = _of_all(parts, situation)
    if finding is None or any(each.trait == finding.trait for each in situation.outages):
        return None
    if not all(_is_part(each, finding.trait, now) for each in parts):
        return None
    return Rename(max(parts, key=lambda each: each.members.devices).outage_id, finding)


def _of_all(parts: Sequence[Open], situation: Situation) -> Finding | None:
    """What explains them and the loose ones best."""
    cases = situation.loose
    for each in parts:
        cases = cases.plus(each.members)
    free = situation.population.without(each.members for each in situation.outages if each not in parts)
    return find(situation.condition, cases, free, situation.usual)


def _begun(situation: Situation) -> Begin | Join | None:
    finding = find(situation.condition, situation.loose, situation.free(), situation.usual)
    if finding is None:
        return None
    # A second wave of what was nearly over.
    of_old = (each for each in situation.outages if each.trait == finding.trait)
    return next((Join(each.outage_id) for each in of_old), Begin(finding))
