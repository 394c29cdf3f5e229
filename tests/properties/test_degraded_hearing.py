"""However a fleet is heard: nobody is told too soon, of what is well, or twice; and whatever stays badly heard is told of."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.alerts.domain.degraded import (
    DEVICES_MIN,
    LOW,
    TOLD_AFTER,
    Begin,
    Degraded,
    End,
    Forget,
    Group,
    Move,
    Share,
    Situation,
    Tell,
    judge,
)
from tests.support.counted_fleet import NOON

STEP = timedelta(seconds=30)


@st.composite
def groups(draw: st.DrawFn) -> Group:
    expected = draw(st.integers(0, 60))
    heard = draw(st.one_of(st.just(expected), st.integers(0, expected)))
    return Group(
        shard=draw(st.sampled_from(["heartbeats-0", "heartbeats-1"])),
        council_id=draw(st.sampled_from(["fife", "moray", "angus"])),
        model=draw(st.sampled_from(["", "Hub A", "Hub B"])),
        sim_operator=draw(st.sampled_from(["", "23410", "23415"])),
        expected=expected,
        heard=heard,
        silent=draw(st.integers(0, expected - heard)),
        counted_at=NOON,
        cell=draw(st.sampled_from(["", "", "10-7", "15-7"])),
        postcode_district=draw(st.sampled_from(["", "", "G12"])),
        firmware=draw(st.sampled_from(["", "", "4.2"])),
        network=draw(st.sampled_from(["", "", "lte"])),
    )


fleets = st.lists(groups(), max_size=12, unique_by=lambda each: each.shares)
SHARDS = st.sets(st.sampled_from(["heartbeats-0", "heartbeats-1"]))


def carried_out(known: dict[Share, Degraded], moves: list[Move]) -> None:
    """As the database does. Each move is of something that is as it says."""
    for move in moves:
        match move:
            case Begin(share, low_since):
                assert share not in known
                known[share] = Degraded(share, low_since)
            case Forget(degraded):
                assert known.pop(degraded.share).told_at is None
            case Tell(degraded):
                assert known[degraded.share].told_at is None
                known[degraded.share] = degraded
            case End(degraded):
                assert known.pop(degraded.share).told_at is not None


@given(st.lists(st.tuples(fleets, SHARDS, SHARDS), max_size=12))
def test_whatever_comes_each_is_begun_told_and_ended_once_and_none_too_soon(
    story: list[tuple[list[Group], set[str], set[str]]],
) -> None:
    known: dict[Share, Degraded] = {}
    now = NOON
    for fleet, deaf, blind in story:
        now += STEP
        counted = [replace(each, counted_at=now) for each in fleet]
        moves = list(judge(Situation(groups=counted, known=list(known.values()), deaf=deaf, blind=blind), now))
        for tell in (each for each in moves if isinstance(each, Tell)):
            assert now - tell.degraded.low_since >= TOLD_AFTER
            assert tell.sum.due >= DEVICES_MIN
            assert tell.sum.heard < LOW * tell.sum.due
            assert tell.degraded.share.value not in deaf | blind
        carried_out(known, moves)


@given(fleets)
def test_in_a_fleet_that_stays_as_it_is_all_that_is_badly_heard_is_explained_after_two_minutes_and_told_once(
    fleet: list[Group],
) -> None:
    known: dict[Share, Degraded] = {}
    tells = []
    for step in range(8):
        now = NOON + STEP * step
        counted = [replace(each, counted_at=now) for each in fleet]
        moves = list(judge(Situation(groups=counted, known=list(known.values())), now))
        tells += [each.degraded.share for each in moves if isinstance(each, Tell)]
        carried_out(known, moves)
    assert len(tells) == len(set(tells))
    left = [each for each in fleet if not set(each.shares) & set(tells)]
    for share in {share for each in left for share in each.shares}:
        whole = [each for each in fleet if share in each.shares]
        rest = [each for each in left if share in each.shares]
        assert not (is_low(whole) and is_low(rest)), share


def is_low(some: list[Group]) -> bool:
    due, heard = sum(each.expected - each.silent for each in some), sum(each.heard for each in some)
    return due >= DEVICES_MIN and heard < LOW * due
