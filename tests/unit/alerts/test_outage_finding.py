"""What is an outage, of what, and what is none."""

from __future__ import annotations

import random
from datetime import timedelta
from math import exp, factorial, inf, isclose, log
from uuid import UUID

import pytest

from services.alerts.domain.outages.census import Attribute, Census, Trait
from services.alerts.domain.outages.chance import log_likelihood_ratio, log_upper_tail
from services.alerts.domain.outages.decay import decaying
from services.alerts.domain.outages.find import RATE_FLOOR_PER_HOUR, Usual, find, usual
from services.alerts.domain.outages.moves import SETTLING, SUSPECTED_FOR, held_back, suspects
from tests.support.model_fleet import NOON, Box, Fleet, has, minutes, scotland


@pytest.mark.parametrize(("count", "mean"), [(1, 0.5), (5, 0.02), (7, 3.0), (20, 4.5)])
def test_the_tail_is_the_sum_of_all_that_is_at_least_so_much(count: int, mean: float) -> None:
    summed = sum(exp(-mean) * mean**k / factorial(k) for k in range(count, count + 80))
    assert isclose(log_upper_tail(count, mean), log(summed), rel_tol=1e-9)


def test_what_is_usual_surprises_nobody_and_what_never_happens_surprises_without_bound() -> None:
    assert log_upper_tail(3, 3.0) == 0
    assert log_upper_tail(0, 0.0) == 0
    assert log_upper_tail(1, 0.0) == -inf
    assert log_upper_tail(500_000, 2.0) < -1_000_000


def test_a_trait_explains_nothing_when_those_without_it_fare_worse() -> None:
    assert log_likelihood_ratio(5, 100, 60, 200) == 0
    assert log_likelihood_ratio(60, 200, 60, 200) == 0
    assert log_likelihood_ratio(10, 10, 10, 100) > log_likelihood_ratio(10, 40, 10, 100) > 0


def test_two_pure_districts_explain_better_than_the_operator_they_share_in_part() -> None:
    """The Poisson model of the same paper can't tell them apart: both have a ratio of 102."""
    district, operator = log_likelihood_ratio(100, 100, 200, 1000), log_likelihood_ratio(200, 600, 200, 1000)
    assert district > operator + 50


def test_four_homes_that_fall_silent_together_are_four_homes() -> None:
    fleet = scotland()
    of_one_cell = [box for box in fleet.boxes if has("cell_id", "23410-11")(box)][:4]
    for box in of_one_cell:
        box.affected = True
    assert fleet.settle() == []


def test_a_dead_cell_is_named_and_not_the_district_or_the_operator_around_it() -> None:
    fleet = scotland()
    hit = fleet.affect(has("cell_id", "23410-11"))
    assert fleet.settle() == [("cell_id", "23410-11")]
    assert all(box.outage for box in hit)


def test_an_operator_is_named_and_not_the_cells_the_network_or_the_councils() -> None:
    fleet = scotland()
    fleet.affect(has("sim_operator", "23415"))
    assert fleet.settle() == [("sim_operator", "23415")]


def test_a_council_that_goes_dark_is_one_outage_whatever_operators_it_has() -> None:
    fleet = scotland()
    fleet.affect(has("council_id", "council-3"))
    assert fleet.settle() == [("council_id", "council-3")]


def test_two_outages_at_once_are_two() -> None:
    fleet = scotland()
    fleet.affect(lambda box: has("sim_operator", "23415")(box) or has("council_id", "council-3")(box))
    assert fleet.settle() == [("council_id", "council-3"), ("sim_operator", "23415")]
    assert not fleet.loose()


def test_a_power_cut_is_named_by_place_where_an_operator_serves_nobody_else() -> None:
    boxes = [Box({"postcode_district": "IV1", "sim_operator": "23410"}) for _ in range(12)]
    boxes += [Box({"postcode_district": "G12", "sim_operator": "23415"}) for _ in range(40)]
    for condition, name in (("mains_lost", "postcode_district"), ("silent", "sim_operator")):
        fleet = Fleet([Box(box.traits) for box in boxes], condition=condition)  # type: ignore[arg-type]
        fleet.affect(has("postcode_district", "IV1"))
        assert [trait.attribute for trait in fleet.settle()] == [name]


def test_when_everything_is_down_there_are_few_outages_and_no_singles() -> None:
    fleet = scotland()
    fleet.affect(lambda _: True)
    assert len(fleet.settle()) <= 3
    assert not fleet.loose()


def test_most_homes_of_a_pilot_that_has_but_one_council_are_its_outage() -> None:
    fleet = Fleet([Box({"council_id": "highland", "model": f"hub-{n % 2}"}) for n in range(40)])
    rng = random.Random(4)
    for box in rng.sample(fleet.boxes, 26):
        box.affected = True
    assert fleet.settle() == [("council_id", "highland")]


def test_a_wave_that_has_only_begun_is_suspected_before_its_share_is_large() -> None:
    fleet = scotland()
    of_operator = [box for box in fleet.boxes if has("sim_operator", "23410")(box)]
    for box in random.Random(1).sample(of_operator, 40):
        box.affected = True
    assert Trait("sim_operator", "23410") in suspects(fleet.situation())


def _told(fleet: Fleet, noticed_at: dict[int, timedelta]) -> tuple[int, set[Trait]]:
    """How many devices are told of by themselves, each noticed at its own time, and of which outages; a look each 5 s."""
    singles, outages = set[int](), set[UUID]()
    named = set[Trait]()
    for seconds in range(0, 1_200, 5):
        now = timedelta(seconds=seconds)
        for number, at in noticed_at.items():
            fleet.boxes[number].affected |= at <= now
        fleet.settle(NOON + now)
        situation = fleet.situation()
        suspected, held = suspects(situation), held_back(situation, NOON + now)
        named |= {name for outage, name in fleet.names.items() if outage not in held and outage not in outages}
        outages |= fleet.names.keys() - held
        for number, at in noticed_at.items():
            box = fleet.boxes[number]
            waits = SUSPECTED_FOR if any(box.has(each) for each in suspected) else SETTLING
            if at <= now and now - at >= waits and box.outage is None:
                singles.add(number)
    return len(singles), named


@pytest.mark.parametrize("devices", [300, 2_400])
@pytest.mark.parametrize(
    ("attribute", "value"), [("sim_operator", "23415"), ("council_id", "council-3"), ("network", "lte")]
)
def test_what_dies_at_one_instant_is_one_outage_though_it_is_missed_over_a_quarter_of_an_hour(
    devices: int, attribute: Attribute, value: str
) -> None:
    """Each device reports at its own time. Told one by one are those at most who are missed before there are three."""
    fleet, rng = scotland(3, devices), random.Random(3)
    dying = [number for number, box in enumerate(fleet.boxes) if has(attribute, value)(box)]
    noticed_at = {number: timedelta(seconds=rng.uniform(0, 900)) for number in dying}
    singles, outages = _told(fleet, noticed_at)
    assert singles <= 2
    assert outages == {(attribute, value)}
    assert fleet.settle(NOON + minutes(20)) == [(attribute, value)]
    assert not fleet.loose()


def test_who_falls_silent_by_themselves_wait_for_no_company() -> None:
    fleet, rng = scotland(), random.Random(5)
    noticed_at = {rng.randrange(2_400): timedelta(seconds=rng.uniform(0, 60)) for _ in range(6)}
    assert _told(fleet, noticed_at) == (len(noticed_at), set())


def test_what_fails_often_is_no_outage_when_it_fails_as_often_as_ever() -> None:
    trait = Trait("model", "hub-z")
    population = Census(400, {trait: 10})
    cases = Census(6, {trait: 6})
    assert find("silent", cases, population, Usual()) is not None
    assert find("silent", cases, population, Usual(by_trait={trait: 1.5})) is None


def test_rates_come_from_singles_and_have_a_floor() -> None:
    trait = Trait("model", "hub-z")
    rates = usual(Census(50, {trait: 24}), Census(1_000, {trait: 10}), timedelta(hours=24))
    assert isclose(rates.per_hour(trait), 24 / (24 * 24))
    assert isclose(rates.per_hour(Trait("model", "other")), 50 / (1_000 * 24))
    assert usual(Census(), Census(), timedelta(days=7)).fleet_per_hour == RATE_FLOOR_PER_HOUR


def test_an_outage_first_seen_as_a_cell_becomes_its_operators() -> None:
    fleet = scotland()
    fleet.affect(has("cell_id", "23410-11"))
    assert fleet.settle() == [("cell_id", "23410-11")]
    fleet.affect(has("sim_operator", "23410"))
    assert fleet.settle(NOON + minutes(1)) == [("sim_operator", "23410")]
    assert len(fleet.names) == 1


def test_cells_that_failed_first_are_swallowed_by_the_operator_that_failed_with_them() -> None:
    fleet = scotland()
    for cell in ("23410-11", "23410-42", "23410-70"):
        fleet.affect(has("cell_id", cell))
    assert len(fleet.settle()) == 3
    fleet.affect(has("sim_operator", "23410"))
    assert fleet.settle(NOON + minutes(2)) == [("sim_operator", "23410")]
    assert not fleet.loose()


def test_a_cell_that_has_been_dead_for_hours_stays_its_own_outage() -> None:
    fleet = scotland()
    cell = fleet.affect(has("cell_id", "23410-11"))
    fleet.settle()
    rest = fleet.affect(has("sim_operator", "23410"))
    later = NOON + minutes(240)
    assert fleet.settle(later) == [("cell_id", "23410-11"), ("sim_operator", "23410")]
    fleet.heal(rest)
    fleet.settle(later + minutes(5))
    assert [name for id_, name in fleet.names.items() if fleet.members(id_)] == [("cell_id", "23410-11")]
    assert all(box.outage for box in cell)


@pytest.mark.parametrize(
    ("attribute", "value"), [("sim_operator", "23415"), ("council_id", "council-3"), ("network", "lte")]
)
def test_the_same_failure_again_while_a_few_of_the_first_are_silent_still_is_that_outage_that_grows(
    attribute: Attribute, value: str
) -> None:
    """Missed over a quarter of an hour, it has its share in districts and cells first, each larger than what is left."""
    fleet, rng = scotland(3), random.Random(3)
    hit = fleet.affect(has(attribute, value))
    assert fleet.settle() == [(attribute, value)]
    (first,) = fleet.names
    fleet.heal(hit[4:])
    later = NOON + minutes(240)
    fleet.settle(later)
    noticed_at = {id(box): minutes(rng.uniform(0, 15)) for box in hit[4:]}
    for seconds in range(0, 905, 5):
        now = timedelta(seconds=seconds)
        for box in hit[4:]:
            box.affected |= noticed_at[id(box)] <= now
        fleet.settle(later + now)
    assert fleet.names == {first: Trait(attribute, value)}
    assert len(fleet.members(first)) == len(hit)


def test_what_fails_while_a_few_of_another_are_silent_still_is_an_outage_of_its_own() -> None:
    """A pilot: all of the council's devices are of the operator. They are a third of it, and explain better who is silent."""
    fleet = Fleet(
        [Box({"sim_operator": "23410", "council_id": f"council-{n % 3}", "model": f"hub-{n % 7}"}) for n in range(120)]
        + [Box({"sim_operator": "23415", "council_id": f"council-{3 + n % 5}"}) for n in range(120)]
    )
    hit = fleet.affect(has("sim_operator", "23410"))
    assert fleet.settle() == [("sim_operator", "23410")]
    fleet.heal(box for box in hit if not (has("council_id", "council-1")(box) and has("model", "hub-0")(box)))
    later = NOON + minutes(240)
    fleet.settle(later)
    fleet.affect(has("council_id", "council-2"))
    assert ("council_id", "council-2") in fleet.settle(later + minutes(1))


def test_when_an_operator_returns_but_for_one_cell_the_outage_is_the_cells() -> None:
    fleet = scotland(devices=4_000)
    fleet.affect(has("sim_operator", "23410"))
    fleet.settle()
    fleet.heal(box for box in fleet.boxes if box.affected and not has("cell_id", "23410-11")(box))
    assert fleet.settle(NOON + minutes(240)) == [("cell_id", "23410-11")]


def test_whoever_falls_silent_in_an_outage_that_is_nearly_over_is_a_single_again() -> None:
    fleet = scotland()
    hit = fleet.affect(has("sim_operator", "23415"))
    fleet.settle()
    fleet.heal(hit[: len(hit) * 8 // 10])
    late = hit[0]
    late.affected = True
    fleet.settle(NOON + minutes(400))
    assert late.outage is None


def test_a_district_power_cut_during_an_operator_outage_is_the_districts() -> None:
    fleet = scotland(devices=3_000)
    fleet.condition = "mains_lost"
    # Those of the operator that is down can't say that their mains went.
    dark = fleet.affect(lambda box: has("postcode_district", "IV42")(box) and not has("sim_operator", "23410")(box))
    assert len(dark) >= 10
    assert fleet.settle() == [("postcode_district", "IV42")]


def _fleet_of_versions(bad: int) -> tuple[Census, Census]:
    good_one, bad_one = Trait("firmware", "1.0"), Trait("firmware", "2.0")
    population = Census(2_000, {good_one: 1_900, bad_one: 100})
    return Census(10 + bad, {good_one: 10, bad_one: bad}), population


def test_a_firmware_whose_devices_die_one_by_one_is_told_of() -> None:
    assert list(decaying(*_fleet_of_versions(bad=90))) == [("firmware", "2.0")]


def test_bad_luck_is_no_bad_firmware() -> None:
    assert list(decaying(*_fleet_of_versions(bad=5))) == []
    assert list(decaying(*_fleet_of_versions(bad=4))) == []


def test_what_was_told_of_goes_on_until_it_is_no_more_than_twice_as_often_as_others() -> None:
    ill, well = Trait("model", "a"), Trait("model", "b")
    population = Census(1_300, {ill: 300, well: 1_000})

    def goes_on(cases: int, others: int, *, known: bool = True) -> bool:
        singles = Census(cases + others, {ill: cases, well: others})
        return ill in decaying(singles, population, {ill} if known else ())

    assert goes_on(19, 2, known=False)
    assert not goes_on(18, 2, known=False)
    assert next(cases for cases in range(20) if goes_on(cases, 2)) == 3
    assert next(cases for cases in range(99) if goes_on(cases, 99)) == 61


def test_a_fleet_of_one_version_has_nothing_to_compare_it_with() -> None:
    only: dict[Trait, int] = {Trait("firmware", "1.0"): 50}
    assert list(decaying(Census(30, {Trait("firmware", "1.0"): 30}), Census(50, only))) == []


def test_counts_add_up_and_never_fall_below_nought() -> None:
    attribute: Attribute = "model"
    ours, theirs = Trait(attribute, "a"), Trait(attribute, "b")
    both = Census(3, {ours: 2, theirs: 1}).plus(Census(1, {theirs: 1}))
    assert (both.devices, both.of(ours), both.of(theirs)) == (4, 2, 2)
    left = both.without([Census(1, {theirs: 3}), Census(9)])
    assert (left.devices, left.of(ours), left.of(theirs)) == (0, 2, 0)
