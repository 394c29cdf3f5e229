"""Whatever falls silent, in whatever order: an affected device is a member of one outage or of none, and chance makes no outage."""

from __future__ import annotations

import random
from datetime import timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.condition import Condition
from services.alerts.domain.outages.census import CONDITIONS, Attribute
from services.alerts.domain.outages.find import DEVICES_MIN, SHARE_MIN, WINDOW, Usual, find
from services.alerts.domain.outages.moves import Begin
from tests.support.model_fleet import NOON, Box, Fleet, census, has, minutes, scotland

FEW = 20
attributes = st.sampled_from(
    ["sim_operator", "cell_id", "network", "council_id", "postcode_district", "firmware", "model"]
)
boxes = st.builds(
    Box,
    st.fixed_dictionaries({}, optional={name: st.sampled_from("abc") for name in ("model", "firmware", "council_id")}),
    affected=st.booleans(),
)
fleets = st.builds(
    Fleet, st.lists(boxes, max_size=60), st.sampled_from(CONDITIONS), st.builds(Usual, st.sampled_from([1e-3, 1.0]))
)


def _is_whole(fleet: Fleet) -> None:
    """Members are affected, of an outage that is open, and have its name's trait; so each is counted once."""
    names = fleet.names
    for box in fleet.boxes:
        if box.outage is not None:
            assert box.affected
            assert box.outage in names
    affected = sum(box.affected for box in fleet.boxes)
    assert sum(len(fleet.members(each)) for each in names) + len(fleet.loose()) == affected
    assert len(set(names.values())) == len(names)
    for outage, name in names.items():
        assert all(box.has(name) for box in fleet.members(outage))


@given(fleets)
def test_membership_is_a_partition_and_the_moves_have_an_end(fleet: Fleet) -> None:
    fleet.settle()
    _is_whole(fleet)


@settings(max_examples=60)
@given(
    st.integers(0, 5),
    st.lists(st.tuples(attributes, st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 60)), min_size=1, max_size=6),
)
def test_it_stays_a_partition_while_outages_come_grow_shrink_and_go(
    seed: int, story: list[tuple[Attribute, int, float, float]]
) -> None:
    """Each chapter: the devices of some trait fall silent, others return by chance."""
    fleet, now, rng = scotland(seed, devices=300), NOON, random.Random(seed)
    for attribute, which, back, wait in story:
        now += timedelta(minutes=wait)
        values = sorted({box.traits[attribute] for box in fleet.boxes if attribute in box.traits})
        fleet.heal(box for box in fleet.boxes if box.affected and rng.random() < back)
        fleet.affect(has(attribute, values[which % len(values)]))
        fleet.settle(now)
        _is_whole(fleet)


@given(fleets)
def test_a_few_devices_are_no_outage_nor_is_a_small_share(fleet: Fleet) -> None:
    population = census(fleet.boxes)
    fleet.settle()
    for move in fleet.made:
        if isinstance(move, Begin):
            assert move.finding.cases >= DEVICES_MIN
            assert move.finding.cases >= SHARE_MIN[fleet.condition] * move.finding.devices
            assert move.finding.devices <= population.of(move.finding.trait)


@settings(max_examples=150)
@given(st.integers(0, 10**9), st.sampled_from(CONDITIONS), st.floats(1e-3, 2e-1))
def test_devices_that_fail_by_themselves_as_often_as_ever_are_no_outage(
    seed: int, condition: Condition, per_hour: float
) -> None:
    """A whole fleet, each by its own chance within the window, up to one device in twenty at once."""
    rng, fleet = random.Random(seed), scotland(seed % 7)
    within = per_hour * (WINDOW / timedelta(hours=1))
    fleet.condition, fleet.usual = condition, Usual(per_hour)
    fleet.affect(lambda _: rng.random() < within)
    assert fleet.settle() == []


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(["sim_operator", "council_id", "postcode_district", "cell_id"]))
def test_the_trait_that_failed_gives_the_name_whatever_order_its_devices_were_heard_of_in(
    seed: int, attribute: Attribute
) -> None:
    """Verdicts come a few at a time, some singles among them; early names may be narrower, the last one is right.

    Of a few homes it may be that of their neighbourhood: where a cell is all of a district but for one home, or where one that
    failed by chance lives in the cell's district, the other trait explains as many, and which of the two failed nobody can tell.
    """
    rng, fleet = random.Random(seed), scotland(seed % 5, devices=1_500)
    values = sorted({box.traits[attribute] for box in fleet.boxes if attribute in box.traits})
    value = rng.choice(values)
    hit = [box for box in fleet.boxes if box.traits.get(attribute) == value]
    rng.shuffle(hit)
    by_chance = rng.sample(fleet.boxes, 3)
    now = NOON
    for wave in range(4):
        for box in hit[wave::4] + by_chance[wave : wave + 1]:
            box.affected = True
        now += minutes(0.25)
        fleet.settle(now)
    if len(hit) < DEVICES_MIN:
        return
    of_it: UUID = max(fleet.names, key=lambda each: sum(box in hit for box in fleet.members(each)))
    members = fleet.members(of_it)
    if fleet.names[of_it] == (attribute, value):
        assert len(members) == len(hit)
        return
    assert len(hit) <= FEW
    assert sum(box not in members for box in hit) <= 1
    assert all(box in hit or box in by_chance for box in members)
    assert len(members) >= len(hit) - 1


@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_the_order_of_counting_changes_nothing(seed: int, rng: random.Random) -> None:
    fleet = scotland(seed % 3, devices=200)
    fleet.affect(lambda _: rng.random() < 0.4)
    before = find("silent", census(fleet.loose()), census(fleet.boxes), fleet.usual)
    rng.shuffle(fleet.boxes)
    assert find("silent", census(fleet.loose()), census(fleet.boxes), fleet.usual) == before
