"""Times as an operator in Scotland reads them."""

from datetime import UTC, datetime, timedelta

import pytest

from services.chassis.pages.times import clock_time, day_and_time, exact, iso, span


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_summer_time_is_read_as_summer_time() -> None:
    assert clock_time(at("2026-07-01T22:30:00")) == "23:30:00"
    assert clock_time(at("2026-12-01T22:30:00")) == "22:30:00"


def test_the_hour_that_comes_twice_is_told_apart() -> None:
    first, second = at("2026-10-25T00:30:00"), at("2026-10-25T01:30:00")
    assert clock_time(first) == clock_time(second) == "01:30:00"
    assert exact(first) == "Sunday 25 October 2026, 01:30:00 BST"
    assert exact(second) == "Sunday 25 October 2026, 01:30:00 GMT"


def test_the_day_is_named_when_it_is_not_today_in_scotland() -> None:
    now = at("2026-06-30T23:30:00")  # half past midnight there
    assert day_and_time(at("2026-06-30T23:10:00"), now) == "00:10:00"
    assert day_and_time(at("2026-06-30T22:10:00"), now) == "Tue 30 Jun, 23:10:00"
    assert day_and_time(at("2025-06-30T22:10:00"), now) == "Mon 30 Jun 2025, 23:10:00"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0 s"), (0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3661, "1 h 1 min"), (3 * 86400, "3 days")],
)
def test_a_span_is_told_in_two_units(seconds: float, words: str) -> None:
    assert span(timedelta(seconds=seconds)) == words


def test_scripts_are_told_in_utc() -> None:
    assert iso(at("2026-07-01T22:30:00")) == "2026-07-01T22:30:00.000Z"
