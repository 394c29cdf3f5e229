"""By whom devices are heard, and when they could not be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contracts.topics import councils_heard, councils_of
from services.ingest.domain.hearing import Ear, Hearing, Newly
from services.ingest.domain.liveness import Lapse

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FIFE, MORAY = frozenset({"fife"}), frozenset({"moray"})


def lapse(begin: float, end: float | None) -> Lapse:
    """In minutes from noon on."""
    return Lapse(NOON + begin * MINUTE, None if end is None else NOON + end * MINUTE)


@pytest.mark.parametrize(
    ("filters", "councils"),
    [
        (["telecare/v1/devices/+/+/heartbeat", "telecare/v1/devices/+/+/status"], None),
        (["telecare/v1/devices/fife/+/heartbeat"], FIFE),
        (["telecare/v1/devices/fife/+/heartbeat", "telecare/v1/devices/moray/+/heartbeat"], FIFE | MORAY),
        (["telecare/v1/devices/fife/+/heartbeat", "telecare/v1/devices/+/+/heartbeat"], None),
        (["telecare/v1/devices/fife/+/status"], frozenset()),
        ([], frozenset()),
    ],
)
def test_a_shard_hears_the_councils_whose_heartbeats_its_filters_let_through(
    filters: list[str], councils: frozenset[str] | None
) -> None:
    assert councils_of(filters, "heartbeat") == councils


def test_lapses_are_those_of_whoever_hears_the_council_that_ended_since() -> None:
    early, late, of_others = lapse(0, 1), lapse(5, 9), lapse(2, 3)
    hearing = Hearing([Ear("a", FIFE, (late, early)), Ear("b", MORAY, (of_others,))])
    assert list(hearing.lapses("fife", NOON)) == [early, late]
    assert list(hearing.lapses("fife", NOON + MINUTE)) == [late]
    assert list(hearing.lapses("fife", NOON + 9 * MINUTE)) == []
    assert list(hearing.lapses("moray", NOON)) == [of_others]


def test_with_two_that_hear_a_council_the_lapses_of_both_count() -> None:
    hearing = Hearing([Ear("all", None, (lapse(4, 5),)), Ear("fife", FIFE, (lapse(1, 2),))])
    assert list(hearing.lapses("fife", NOON)) == [lapse(1, 2), lapse(4, 5)]
    assert list(hearing.lapses("moray", NOON)) == [lapse(4, 5)]


def test_for_whom_nobody_hears_or_somebody_is_blind_we_are_blind_whenever_it_was_heard() -> None:
    hearing = Hearing([Ear("a", FIFE, (lapse(1, 2), lapse(3, None)))])
    for council in ("fife", "moray"):
        [blind] = hearing.lapses(council, NOON + 1000 * MINUTE)
        assert blind.ended_at is None


def test_nobody_can_be_due_while_all_are_blind_nor_within_the_shortest_interval_after() -> None:
    still, over = Hearing([Ear("a", None, (lapse(0, None),))]), Hearing([Ear("a", None, (lapse(0, 1),))])
    assert still.deaf(NOON + 60 * MINUTE, MINUTE) is None
    assert over.deaf(NOON + 1.9 * MINUTE, MINUTE) is None
    assert over.deaf(NOON + 2 * MINUTE, MINUTE) == frozenset()
    assert Hearing([]).deaf(NOON, MINUTE) is None


def test_somebody_can_be_due_between_lapses_that_have_recurred_for_as_long_as_a_device_has_its_interval_anew() -> None:
    """And not before: after one incident of several lapses each device is asked for again and again, though none can be due."""
    often = tuple(lapse(each, each + 0.1) for each in range(1, 9))
    now = NOON + 8.5 * MINUTE
    assert Hearing([Ear("a", None, often)]).deaf(now, MINUTE) == frozenset()
    assert Hearing([Ear("a", None, often[4:])]).deaf(now, MINUTE) is None
    assert Hearing([Ear("a", None, (*often, lapse(0, 8)))]).deaf(now, MINUTE) is None  # one long one
    assert Hearing([Ear("a", None, (*often, lapse(8.2, None)))]).deaf(now, MINUTE) is None


def test_where_one_of_two_is_blind_its_councils_are_named() -> None:
    hearing = Hearing([Ear("a", FIFE, (lapse(0, None),)), Ear("b", MORAY)])
    assert hearing.deaf(NOON + MINUTE, MINUTE) == FIFE
    assert [ear.blind for ear in hearing.ears] == [True, False]


def test_of_whom_a_shard_is_newly_subscribed_to_nothing_was_heard_until_then_and_of_others_it_was() -> None:
    before = lapse(-1000, 5)
    hearing = Hearing([Ear("a", FIFE | MORAY, (lapse(1, 2),), (Newly(MORAY, before),))])
    assert list(hearing.lapses("moray", NOON)) == [lapse(1, 2), before]
    assert list(hearing.lapses("fife", NOON)) == [lapse(1, 2)]
    now = NOON + 5.5 * MINUTE
    assert hearing.deaf(now, MINUTE) == MORAY
    assert hearing.deaf(now + MINUTE, MINUTE) == frozenset()
    assert (hearing.listening("moray", now, MINUTE), hearing.listening("fife", now, MINUTE)) == (None, "a")
    assert Hearing([Ear("a", None, (), (Newly(None, before),))]).deaf(now, MINUTE) is None


def test_who_is_heard_is_whom_the_filters_let_through_and_the_broker_has_granted() -> None:
    def of(*councils: str) -> list[str]:
        return [f"telecare/v1/devices/{each}/+/heartbeat" for each in councils]

    assert councils_heard(of("fife", "moray"), of("fife"), "heartbeat") == FIFE
    assert councils_heard(of("fife"), of("fife", "moray"), "heartbeat") == FIFE
    assert councils_heard(of("+"), of("fife"), "heartbeat") == FIFE
    assert councils_heard(of("fife"), of("+"), "heartbeat") == FIFE
    assert councils_heard(of("+"), of("+"), "heartbeat") is None
    assert councils_heard(of("+"), [], "heartbeat") == frozenset()
    assert councils_heard(of("fife"), None, "heartbeat") == FIFE  # nobody has said


def test_whoever_is_heard_between_lapses_that_recur_is_counted_and_after_a_while_no_more_is_waited() -> None:
    """Else degraded hearing would be told of nobody there for as long as small lapses go on."""
    often = tuple(lapse(each, each + 0.1) for each in range(1, 9))
    now = NOON + 8.5 * MINUTE
    assert Hearing([Ear("a", None, often)]).listening("fife", now, MINUTE) == "a"
    assert Hearing([Ear("a", None, often[4:])]).listening("fife", now, MINUTE) is None
    assert Hearing([Ear("a", None, (*often, lapse(8.2, None)))]).listening("fife", now, MINUTE) is None
