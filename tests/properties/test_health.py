"""Health: whatever readings come, each beginning has one end and each end one beginning, and nothing wavers in between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from contracts.condition import Turn
from services.ingest.domain.health import (
    AILMENTS,
    BATTERY_LOW_PCT,
    BATTERY_WELL_PCT,
    WELL,
    Ailment,
    Health,
    Limits,
    Readings,
    judge,
)

START = datetime(2026, 11, 1, tzinfo=UTC)
LIMITS = Limits(signal_dbm_min=-110, battery_hours=24)


def _at(second: int) -> datetime:
    return START + timedelta(seconds=second)


moments = st.one_of(st.none(), st.integers(0, 40_000).map(_at))
readings = st.builds(
    Readings,
    watched=st.integers(0, 9).map(bool),
    heard_at=moments,
    mains=st.one_of(st.none(), st.booleans()),
    mains_changed_at=moments,
    battery_pct=st.one_of(st.none(), st.integers(0, 100)),
    signal_average=st.one_of(st.none(), st.floats(-130, -90)),
    clock_behind_s=st.one_of(st.none(), st.integers(-1000, 1000)),
    path_changes=st.floats(0, 20),
    says_low=st.booleans(),
)


@given(st.lists(st.tuples(readings, st.integers(-7200, 7200)), max_size=40))
def test_each_beginning_has_one_end_and_each_end_one_beginning(story: Sequence[tuple[Readings, int]]) -> None:
    """Also when clocks are put back and on."""
    health, now = WELL, _at(20_000)
    told: dict[Ailment, list[Turn]] = defaultdict(list)
    for known, passes_s in story:
        now += timedelta(seconds=passes_s)
        verdict = judge(known, health, LIMITS, now)
        if verdict is None:
            continue
        for each in verdict.turned:
            told[each.ailment].append(each.turn)
        health = verdict.health
        assert judge(known, health, LIMITS, now) is None, "the same again is no news"
    for ailment, turns in told.items():
        assert turns == [("began", "ended")[n % 2] for n in range(len(turns))]
        assert (turns[-1] == "began") == (ailment in health and health[ailment].stage == "told")


@given(
    st.lists(st.integers(BATTERY_LOW_PCT + 1, BATTERY_WELL_PCT - 1), min_size=1),
    st.sets(st.integers(0, 60)),
)
def test_a_battery_that_wavers_across_the_bound_within_the_band_is_told_of_once(
    levels: Sequence[int], low_at: set[int]
) -> None:
    health, told = WELL, list[Turn]()
    for number, pct in enumerate([BATTERY_LOW_PCT, *levels]):
        known = Readings(watched=True, heard_at=_at(number), battery_pct=BATTERY_LOW_PCT if number in low_at else pct)
        verdict = judge(known, health, LIMITS, _at(number))
        if verdict is not None:
            told += [each.turn for each in verdict.turned]
            health = verdict.health
    assert told == ["began"]


@given(st.lists(st.integers(1, 299), min_size=1, max_size=60))
def test_mains_that_flicker_are_nobodys_alarm(lasts_s: Sequence[int]) -> None:
    """However often they go and come, for less than five minutes each time."""
    now, mains = START, True
    for seconds in lasts_s:
        mains, changed_at = not mains, now
        for look in (now, now + timedelta(seconds=seconds)):
            known = Readings(watched=True, heard_at=changed_at, mains=mains, mains_changed_at=changed_at)
            assert judge(known, WELL, LIMITS, look) is None
        now += timedelta(seconds=seconds)


@given(readings, st.sampled_from(AILMENTS))
def test_what_is_ill_and_stays_so_is_told_of_in_the_end(known: Readings, ailment: Ailment) -> None:
    bad = replace(
        known,
        watched=True,
        mains=False,
        mains_changed_at=START,
        battery_pct=3,
        signal_average=-120.0,
        clock_behind_s=-900,
    )
    bad = replace(bad, path_changes=15.0, says_low=False)
    health: Health = WELL
    for minute in range(0, 70, 5):
        now = START + timedelta(minutes=minute)
        verdict = judge(replace(bad, heard_at=now), health, LIMITS, now)
        health = health if verdict is None else verdict.health
    assert health[ailment].stage == "told"
