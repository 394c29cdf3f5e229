"""Fewer devices are heard than should be: of what, when it is told, and when it is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contracts.vocabulary import Priority
from services.alerts.domain.degraded import (
    Begin,
    Degraded,
    End,
    Forget,
    Group,
    Move,
    Share,
    Situation,
    Sum,
    Tell,
    degraded_event,
    judge,
)
from tests.support.counted_fleet import NOON, OPERATOR, OTHER, SHARD, group, told, waiting

OF_OPERATOR = Share("sim_operator", OPERATOR)


def low_for_long(*groups: Group) -> list[Degraded]:
    """All that is low, as if for two minutes."""
    moves = judge(Situation(groups=groups, known=()), NOON)
    return [Degraded(each.share, NOON - timedelta(minutes=2)) for each in moves if isinstance(each, Begin)]


def told_of(*groups: Group, **situation: object) -> list[Share]:
    """Of what people are told, everything having been as it is for two minutes."""
    moves = judge(Situation(groups=groups, known=low_for_long(*groups), **situation), NOON)  # type: ignore[arg-type]
    return [each.degraded.share for each in moves if isinstance(each, Tell)]


def only(moves: list[Move] | object) -> Move:
    (move,) = moves  # type: ignore[misc]
    return move


def test_below_four_in_five_it_begins_and_two_minutes_later_it_is_told() -> None:
    fleet = [group(50, 39), group(100, sim_operator=OTHER, council_id="moray", model="Hub B")]
    begun = judge(Situation(groups=fleet, known=()), NOON)
    assert Begin(OF_OPERATOR, NOON) in begun
    assert not any(isinstance(each, Tell) for each in begun)
    almost = judge(Situation(groups=fleet, known=[waiting("sim_operator", OPERATOR, 119)]), NOON)
    assert not any(isinstance(each, Tell) for each in almost)
    tell = next(
        each
        for each in judge(Situation(groups=fleet, known=[waiting("sim_operator", OPERATOR, 120)]), NOON)
        if isinstance(each, Tell)
    )
    assert tell.degraded.share == OF_OPERATOR
    assert tell.sum == Sum(50, 50, 39)


@pytest.mark.parametrize(
    "fleet", [[group(50, 40)], [group(19, 0)], [group(60, 0, silent=41)]], ids=["80 %", "few", "silent"]
)
def test_four_in_five_is_enough_and_a_few_devices_are_told_of_one_by_one(fleet: list[Group]) -> None:
    assert judge(Situation(groups=fleet, known=()), NOON) == []


def test_who_is_silent_already_is_told_of_otherwise() -> None:
    assert judge(Situation(groups=[group(100, 50, silent=50)], known=()), NOON) == []


def test_well_again_before_two_minutes_it_is_forgotten() -> None:
    known = waiting("sim_operator", OPERATOR, 90)
    assert judge(Situation(groups=[group(50, 45)], known=[known]), NOON) == [Forget(known)]


def test_one_cause_is_told_once_under_the_name_that_explains_it_best() -> None:
    """Half of an operator's boxes, in two councils, of two models; the shard, a council and a model are low with them."""
    fleet = [
        group(100, 50),
        group(100, 50, council_id="moray", model="Hub B"),
        group(30, sim_operator=OTHER),
        group(30, sim_operator=OTHER, council_id="moray", model="Hub B"),
    ]
    assert len(low_for_long(*fleet)) > 1
    assert told_of(*fleet) == [OF_OPERATOR]


def test_two_causes_come_apart() -> None:
    fleet = [
        group(60, 10),
        group(60, 20, council_id="moray", sim_operator=OTHER, model="Hub B"),
        group(500, council_id="angus", sim_operator="23430", model="Hub C"),
        group(100, council_id="moray", sim_operator="23430", model="Hub C"),
        group(100, council_id="fife", sim_operator="23430", model="Hub C"),
    ]
    assert set(told_of(*fleet)) == {OF_OPERATOR, Share("sim_operator", OTHER)}


def test_all_alike_is_the_shards() -> None:
    fleet = [
        group(100, 50, council_id=council, sim_operator=operator, model=model)
        for council in ("fife", "moray")
        for operator in (OPERATOR, OTHER)
        for model in ("Hub A", "Hub B")
    ]
    assert told_of(*fleet) == [Share("shard", SHARD)]


def test_what_was_told_explains_its_devices_while_it_lasts() -> None:
    """A council of that operator that gets low, too, is nothing new."""
    fleet = [group(50, 20), group(200, sim_operator=OTHER, council_id="moray", model="Hub B")]
    known = [told("sim_operator", OPERATOR), waiting("council", "fife"), waiting("model", "Hub A")]
    assert [each for each in judge(Situation(groups=fleet, known=known), NOON) if isinstance(each, Tell | End)] == []


def test_told_it_lasts_until_nine_in_ten_are_heard() -> None:
    known = told("sim_operator", OPERATOR)
    assert judge(Situation(groups=[group(100, 90)], known=[known]), NOON) == []
    assert only(judge(Situation(groups=[group(100, 91)], known=[known]), NOON)) == End(known, "heard")


def test_when_those_who_are_missing_are_silent_it_is_over_and_says_that_they_are() -> None:
    known = told("sim_operator", OPERATOR)
    fleet = [group(100, 50, silent=48)]
    assert only(judge(Situation(groups=fleet, known=[known]), NOON)) == End(known, "silent")


def test_an_outage_of_the_same_name_tells_it_already() -> None:
    known = told("sim_operator", OPERATOR)
    moves = judge(Situation(groups=[group(100, 50)], known=[known], outages={OF_OPERATOR}), NOON)
    assert End(known, "outage") in moves
    assert not any(isinstance(each, Tell) for each in moves)
    assert told_of(group(100, 50), outages={OF_OPERATOR}) == []


def test_nobody_is_told_of_a_shard_that_hears_nothing() -> None:
    fleet = [group(100, 10)]
    assert judge(Situation(groups=fleet, known=(), deaf={SHARD}), NOON) == []
    pending = waiting("shard", SHARD)
    assert judge(Situation(groups=fleet, known=[pending], deaf={SHARD}), NOON) == [Forget(pending)]


def test_what_was_told_is_over_when_its_shard_is_told_of_as_blind_and_not_before() -> None:
    for known in (told("shard", SHARD), told("sim_operator", OPERATOR)):
        assert judge(Situation(groups=[group(100, 10)], known=[known], deaf={SHARD}), NOON) == []
        assert only(judge(Situation(groups=[group(100, 10)], known=[known], blind={SHARD}), NOON)) == End(
            known, "blind"
        )


def test_the_other_shards_devices_are_judged_by_themselves() -> None:
    known = told("sim_operator", OPERATOR)
    fleet = [group(100, 10), group(100, 95, shard="heartbeats-1")]
    assert only(judge(Situation(groups=fleet, known=[known], blind={SHARD}), NOON)) == End(known, "heard")


def test_an_old_count_says_nothing() -> None:
    old = NOON - timedelta(seconds=90)
    known, pending = told("sim_operator", OPERATOR), waiting("council", "fife")
    fleet = [group(100, 100, counted_at=old)]
    assert judge(Situation(groups=fleet, known=[known, pending]), NOON) == [Forget(pending)]


def test_what_is_counted_no_more_is_over() -> None:
    known = told("model", "Hub Z")
    assert only(judge(Situation(groups=[group(100)], known=[known]), NOON)) == End(known, "silent")


@pytest.mark.parametrize(("councils", "whose"), [(("fife", "fife"), "fife"), (("fife", "moray"), None)])
def test_what_is_one_councils_is_told_to_that_one_and_else_to_everybody(
    councils: tuple[str, str], whose: str | None
) -> None:
    fleet = [group(50, 10, council_id=council, model=model) for council, model in zip(councils, "AB", strict=True)]
    fleet += [group(400, council_id=council, sim_operator=OTHER, model=model) for council in councils for model in "AB"]
    moves = judge(Situation(groups=fleet, known=low_for_long(*fleet)), NOON)
    (tell,) = [each for each in moves if isinstance(each, Tell)]
    assert (tell.degraded.share, tell.degraded.council_id) == (OF_OPERATOR, whose)


def test_values_nobody_knows_are_no_name() -> None:
    fleet = [group(100, 10, sim_operator="", model=""), group(900, council_id="moray", model="Hub B")]
    assert told_of(*fleet) == [Share("council", "fife")]


def a_mast() -> list[Group]:
    """Of an operator's 80 devices 60 are of one cell, and 20 of these are missed: the operator is low with them."""
    return [
        group(60, 40, cell="10-7", postcode_district="G12", firmware="4.2", network="lte"),
        group(20, council_id="moray", model="Hub B", firmware="4.2", network="lte"),
        group(80, council_id="moray", model="Hub B", sim_operator=OTHER, network="lte"),
    ]


def test_a_cell_is_told_and_not_its_operator_district_council_firmware_network_or_model() -> None:
    assert {each.share.attribute for each in low_for_long(*a_mast())} >= {"sim_operator", "cell", "council", "firmware"}
    assert told_of(*a_mast()) == [Share("cell", "10-7")]


@pytest.mark.parametrize(
    ("attribute", "fields"),
    [
        ("cell", {"cell": "10-7"}),
        ("postcode_district", {"postcode_district": "G12"}),
        ("firmware", {"firmware": "4.2"}),
        ("network", {"network": "nb_iot"}),
    ],
)
def test_each_of_the_four_is_told_by_its_name(attribute: Any, fields: dict[str, str]) -> None:
    """The rest of the same council, model and operator is well."""
    fleet = [group(60, 30, **fields), group(400), group(400, council_id="moray", model="Hub B", sim_operator=OTHER)]
    (value,) = fields.values()
    assert told_of(*fleet) == [Share(attribute, value)]
    event = degraded_event(Degraded(Share(attribute, value), NOON, NOON), Sum(60, 60, 30), NOON)
    assert event.peripheral_id == f"{attribute} {value}"
    assert value in (event.text or "")


def test_an_outage_of_the_cell_tells_it_already() -> None:
    assert told_of(*a_mast(), outages={Share("cell", "10-7")}) == []


def test_a_cell_that_is_counted_no_more_is_not_said_to_be_silent() -> None:
    known = told("cell", "10-7")
    assert only(judge(Situation(groups=[group(100)], known=[known]), NOON)) == End(known, "uncounted")
    assert "no longer badly heard" in (degraded_event(known, "uncounted", NOON).text or "")


def test_what_a_device_calls_its_firmware_is_fit_to_be_read_and_still_its_own() -> None:
    one, other = (
        degraded_event(Degraded(Share("firmware", f"4\n{each}2"), NOON), "heard", NOON) for each in "\x00\x1b"
    )
    assert one.peripheral_id != other.peripheral_id
    for event in (one, other):
        assert (event.peripheral_id or "").isprintable()
        assert (event.text or "").isprintable()
        assert len(event.peripheral_id or "") <= 32


def test_the_alarm_is_an_unprotected_ones_within_the_contracts_lengths_and_always_the_same() -> None:
    for value in ("23410", "A model whose name is much longer than anybody reads", "ß" * 64):
        degraded = Degraded(Share("model", value), NOON, NOON)
        event = degraded_event(degraded, Sum(100, 90, 40), NOON)
        again = degraded_event(degraded, Sum(100, 90, 41), NOON + timedelta(seconds=1))
        over = degraded_event(degraded, "heard", NOON)
        assert event.event_id == again.event_id != over.event_id
        assert event.urgency == Priority.UNPROTECTED
        assert event.peripheral_id == over.peripheral_id
        assert len(event.peripheral_id or "") <= 32
        assert len(event.text or "") <= 128
        assert "40 of 90" in (event.text or "")


def test_two_long_names_that_begin_alike_are_two_alarms() -> None:
    one, other = (Share("model", "Careline of the year 2019, revision " + each) for each in "AB")
    assert one.peripheral_id != other.peripheral_id


def test_low_since_what_is_the_future_by_now_it_begins_anew_and_is_told_two_minutes_later() -> None:
    """The clock was put back; else nobody would be told until it is that late again."""
    fleet = [group(50, 39), group(100, sim_operator=OTHER, council_id="moray", model="Hub B")]
    pending = Degraded(OF_OPERATOR, NOON + timedelta(hours=1))
    assert Forget(pending) in judge(Situation(groups=fleet, known=[pending]), NOON)
    assert Begin(OF_OPERATOR, NOON) in judge(Situation(groups=fleet, known=[]), NOON)
    moment = Degraded(OF_OPERATOR, NOON + timedelta(seconds=1))  # two processes' clocks
    assert Forget(moment) not in judge(Situation(groups=fleet, known=[moment]), NOON)


def test_a_count_of_what_is_the_future_by_now_says_nothing() -> None:
    fleet = [group(50, 39, counted_at=NOON + timedelta(hours=1))]
    assert judge(Situation(groups=fleet, known=()), NOON) == []


@pytest.mark.parametrize("value", ["4\n2", "4\u202e2", " ", "4" * 65])
def test_what_nobody_can_read_is_no_name_as_it_is_none_of_an_outage(value: str) -> None:
    fleet = [group(50, 0, firmware=value), group(100, sim_operator=OTHER, council_id="moray", model="Hub B")]
    assert told_of(*fleet) == [OF_OPERATOR]
    assert not any(share.attribute == "firmware" for each in fleet for share in each.shares)
