"""How a device is: where each ailment begins and ends, what must last, and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.ids import CouncilId, DeviceId, EventId
from contracts.vocabulary import Priority
from services.ingest.domain.health import (
    WELL,
    Ailment,
    Health,
    Limits,
    Readings,
    Standing,
    Turned,
    expected_silent_at,
    judge,
)
from services.ingest.domain.health_words import About, event_of

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LIMITS = Limits(signal_dbm_min=-110, battery_hours=24)


def readings(**known: Any) -> Readings:
    as_ever: dict[str, Any] = {"watched": True, "heard_at": NOON}
    return Readings(**(as_ever | known))


def told(ailment: Ailment) -> Health:
    return {ailment: Standing(NOON - timedelta(days=1), "told")}


def turns(
    known: Readings, before: Health = WELL, limits: Limits = LIMITS, now: datetime = NOON
) -> list[tuple[str, str]]:
    verdict = judge(known, before, limits, now)
    return [] if verdict is None else [(each.ailment, each.turn) for each in verdict.turned]


def test_a_device_of_which_nothing_is_known_is_well() -> None:
    assert judge(readings(), WELL, LIMITS, NOON) is None


@pytest.mark.parametrize(("minutes", "expected"), [(0, []), (4.9, []), (5, [("mains_lost", "began")])])
def test_mains_are_lost_when_they_have_been_gone_for_five_minutes(
    minutes: float, expected: list[tuple[str, str]]
) -> None:
    assert turns(readings(mains=False, mains_changed_at=NOON - timedelta(minutes=minutes))) == expected


@pytest.mark.parametrize(("minutes", "expected"), [(0, []), (4.9, []), (5, [("mains_lost", "ended")])])
def test_mains_are_back_when_they_have_been_there_for_five_minutes(
    minutes: float, expected: list[tuple[str, str]]
) -> None:
    known = readings(mains=True, mains_changed_at=NOON - timedelta(minutes=minutes))
    assert turns(known, told("mains_lost")) == expected


def test_mains_count_from_when_they_went_and_the_battery_lasts_from_then() -> None:
    gone_at = NOON - timedelta(minutes=7)
    verdict = judge(readings(mains=False, mains_changed_at=gone_at), WELL, LIMITS, NOON)
    assert verdict is not None
    assert verdict.turned == (Turned("mains_lost", "began", gone_at),)
    assert expected_silent_at(gone_at, LIMITS) == gone_at + timedelta(hours=24)
    assert expected_silent_at(gone_at, replace(LIMITS, battery_hours=None)) is None


def test_mains_that_changed_in_what_is_the_future_by_now_are_no_secret_until_then() -> None:
    """The clock was put back meanwhile."""
    known = readings(mains=False, mains_changed_at=NOON + timedelta(hours=2))
    verdict = judge(known, WELL, LIMITS, NOON)
    assert verdict is not None
    assert verdict.turned == (Turned("mains_lost", "began", NOON),)


@pytest.mark.parametrize(
    ("pct", "of_the_well", "of_the_ill"),
    [
        (31, None, "ended"),
        (30, None, "ended"),
        (29, None, None),
        (21, None, None),
        (20, "began", None),
        (0, "began", None),
    ],
)
def test_a_battery_is_low_at_20_percent_and_well_at_30(
    pct: int, of_the_well: str | None, of_the_ill: str | None
) -> None:
    known = readings(battery_pct=pct)
    assert turns(known) == ([("battery_low", of_the_well)] if of_the_well else [])
    assert turns(known, told("battery_low")) == ([("battery_low", of_the_ill)] if of_the_ill else [])


def test_a_battery_that_its_device_reported_itself_is_told_of_once() -> None:
    own = judge(readings(battery_pct=15, says_low=True), WELL, LIMITS, NOON)
    assert own is not None
    assert own.turned == ()
    assert judge(readings(battery_pct=12, says_low=True), own.health, LIMITS, NOON) is None
    over = judge(readings(battery_pct=80), own.health, LIMITS, NOON)
    assert over is not None
    assert (over.health, over.turned) == ({}, ())


def test_what_we_told_of_a_battery_is_taken_back_when_its_device_reports_it() -> None:
    verdict = judge(readings(battery_pct=15, says_low=True), told("battery_low"), LIMITS, NOON)
    assert verdict is not None
    assert [(each.turn, each.withdrawn) for each in verdict.turned] == [("ended", True)]
    assert verdict.health["battery_low"].stage == "own"


def test_a_signal_is_weak_when_it_was_so_for_an_hour_and_well_three_decibels_above() -> None:
    seen = judge(readings(signal_average=-111.0), WELL, LIMITS, NOON)
    assert seen is not None
    assert seen.turned == ()
    for minutes, expected in ((1, []), (59, []), (60, [("weak_signal", "began")])):
        later = NOON + timedelta(minutes=minutes)
        assert turns(readings(signal_average=-110.5, heard_at=later), seen.health, now=later) == expected
    assert turns(readings(signal_average=-107.5), told("weak_signal")) == []
    assert turns(readings(signal_average=-107.0), told("weak_signal")) == [("weak_signal", "ended")]


def test_who_was_not_heard_for_the_hour_is_not_called_weak() -> None:
    seen: Health = {"weak_signal": Standing(NOON, "seen")}
    known = readings(signal_average=-115.0, heard_at=NOON + timedelta(minutes=2))
    assert judge(known, seen, LIMITS, NOON + timedelta(hours=3)) is None


def test_a_model_that_promises_no_signal_has_no_weak_one() -> None:
    none = Limits(None, None)
    assert turns(readings(signal_average=-140.0), limits=none) == []
    assert turns(readings(signal_average=-140.0), told("weak_signal"), none) == [("weak_signal", "ended")]


@pytest.mark.parametrize("behind_s", [301, -301, 86_400])
def test_a_clock_is_off_beyond_five_minutes_either_way_when_it_says_so_again_ten_minutes_later(behind_s: int) -> None:
    seen = judge(readings(clock_behind_s=behind_s), WELL, LIMITS, NOON)
    assert seen is not None
    assert seen.turned == ()
    later = NOON + timedelta(minutes=10)
    assert turns(readings(clock_behind_s=behind_s, heard_at=later), seen.health, now=later) == [("clock_off", "began")]
    assert turns(readings(clock_behind_s=3), seen.health) == []
    assert turns(readings(clock_behind_s=60), told("clock_off")) == []
    assert turns(readings(clock_behind_s=-59), told("clock_off")) == [("clock_off", "ended")]
    assert turns(readings(clock_behind_s=300)) == []


def test_a_path_is_unsteady_beyond_ten_changes_within_an_hour_and_steady_below_three() -> None:
    assert turns(readings(path_changes=10.0)) == []
    assert turns(readings(path_changes=10.1)) == [("path_unsteady", "began")]
    assert turns(readings(path_changes=3.0), told("path_unsteady")) == []
    assert turns(readings(path_changes=2.9), told("path_unsteady")) == [("path_unsteady", "ended")]


def test_of_whom_nobody_waits_for_any_more_everything_is_over() -> None:
    before: Health = {
        **told("mains_lost"),
        **told("battery_low"),
        "weak_signal": Standing(NOON, "seen"),
        "clock_off": Standing(NOON, "seen"),
    }
    known = readings(watched=False, mains=False, battery_pct=5, signal_average=-120.0, clock_behind_s=4000)
    verdict = judge(known, before, LIMITS, NOON)
    assert verdict is not None
    assert [(each.ailment, each.turn) for each in verdict.turned] == [("mains_lost", "ended"), ("battery_low", "ended")]
    assert verdict.health == {}


ABOUT = About(event_id=EventId("e-1"), device_id=DeviceId("TC-1"), council_id=CouncilId("fife"), at=NOON)


@pytest.mark.parametrize(
    ("ailment", "known", "kind", "peripheral", "began", "ended"),
    [
        (
            "battery_low",
            readings(battery_pct=18, mains=False),
            "local_unit",
            None,
            "Its battery is at 18 % and it is without mains",
            "Its battery is at 18 % again",
        ),
        (
            "weak_signal",
            readings(signal_average=-112.6),
            "comms_link",
            "signal",
            "Its signal has been weak for an hour: -113 dBm on average, -110 dBm is the least it needs",
            "Its signal is good enough again: -113 dBm on average",
        ),
        (
            "clock_off",
            readings(clock_behind_s=-754),
            "system_monitor",
            "clock",
            "Its clock is 12 minutes ahead",
            "Its clock is right again",
        ),
        (
            "clock_off",
            readings(clock_behind_s=3 * 86_400 + 5),
            "system_monitor",
            "clock",
            "Its clock is 3 days behind",
            "Its clock is right again",
        ),
        (
            "path_unsteady",
            readings(path_changes=12.4),
            "comms_link",
            "path",
            "It changed its way to us 12 times within an hour",
            "It keeps its way to us again",
        ),
    ],
)
def test_people_are_told_with_figures_as_of_something_degraded(
    ailment: Ailment, known: Readings, kind: str, peripheral: str | None, began: str, ended: str
) -> None:
    first = event_of(Turned(ailment, "began", NOON), ABOUT, known, LIMITS)
    assert (first.kind, first.peripheral_id, first.text) == (kind, peripheral, began)
    assert first.urgency == Priority.DEGRADED
    last = event_of(Turned(ailment, "ended", NOON), ABOUT, known, LIMITS)
    assert (last.kind, last.peripheral_id, last.text) == (kind, peripheral, ended)
    assert (last.status, last.urgency) == ("restored", Priority.LOG)
    assert last.observed is not None
    assert last.observed.begun_as == first.status


def test_people_are_told_why_something_is_over_that_goes_on() -> None:
    withdrawn = event_of(Turned("battery_low", "ended", NOON, withdrawn=True), ABOUT, readings(battery_pct=9), LIMITS)
    assert withdrawn.text == "It says so itself now"
    gone = event_of(Turned("battery_low", "ended", NOON), ABOUT, readings(watched=False, battery_pct=9), LIMITS)
    assert gone.text == "It is not in use any more"
