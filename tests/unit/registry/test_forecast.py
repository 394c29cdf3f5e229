"""When the rollout will be done: a range that is honest about few weeks, and no date where there is none."""

import math
import random
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.domain.forecast import (
    HORIZON_WEEKS,
    WEEKS_MAX,
    WEEKS_MIN,
    CannotBeSaid,
    Expected,
    Forecast,
    Rate,
    Reached,
    Reason,
    forecast,
    needed_per_week,
    recent_rate,
    timing,
)

TODAY = date(2026, 11, 28)

increments = st.lists(st.integers(-50, 500), max_size=30)
days = st.dates(date(2020, 1, 1), date(2100, 1, 1))


def said(weeks: list[int], *, live: int = 0, target: int = 1000, today: date = TODAY) -> Forecast:
    return forecast(live, target, recent_rate(weeks), today)


@pytest.mark.parametrize(
    ("weeks", "reason"),
    [
        ([], Reason.TOO_FEW_WEEKS),
        ([40] * (WEEKS_MIN - 1), Reason.TOO_FEW_WEEKS),
        ([0] * 12, Reason.NOT_GROWING),
        ([5, -5, 3, -4], Reason.NOT_GROWING),
        ([30] * 10 + [0] * WEEKS_MAX, Reason.NOT_GROWING),  # it has come to a stop
        ([0, 0, 0, 1], Reason.TOO_SLOW),
    ],
)
def test_where_nobody_can_say_no_date_is_said_but_why(weeks: list[int], reason: Reason) -> None:
    assert said(weeks) == CannotBeSaid(reason)


def test_a_target_that_is_reached_needs_no_forecast() -> None:
    assert said([], live=1000) == Reached()
    assert said([-3] * 8, live=1001) == Reached()


def test_a_worked_example_follows_the_textbook() -> None:
    weeks = [12, 9, 15, 8, 11, 14, 10, 13]
    rate = recent_rate(weeks)
    assert rate is not None
    assert rate.per_week == 11.5
    assert rate.spread == pytest.approx(math.sqrt(11.5))  # their variance is 6: steadier than chance, and not believed
    low, high = rate.bounds(4)
    assert (low, high) == pytest.approx((46 - 1.415 * math.sqrt(11.5 * 6), 46 + 1.415 * math.sqrt(11.5 * 6)))
    expected = said(weeks, live=770)  # 230 are missing: 20 weeks at that rate
    assert isinstance(expected, Expected)
    assert expected.likely == TODAY + timedelta(weeks=20)
    # After 17.0 weeks 195.2 + 34.9 may be live, after 24.1 at least 277.2 - 47.2.
    assert (expected.earliest, expected.latest) == (date(2027, 3, 27), date(2027, 5, 16))


def test_where_the_two_bounds_meet_the_target_is_where_they_say() -> None:
    rate = Rate(11.5, 4.0, 8)
    expected = forecast(770, 1000, rate, TODAY)
    assert isinstance(expected, Expected)
    assert expected.latest is not None
    for day, bound in ((expected.earliest, 1), (expected.latest, 0)):
        weeks = (day - TODAY).days / 7
        assert rate.bounds(weeks - 1 / 7)[bound] <= 230 <= rate.bounds(weeks)[bound]


def test_equal_weeks_are_not_taken_for_certainty() -> None:
    expected = said([10] * 8)
    assert isinstance(expected, Expected)
    assert expected.latest is not None
    assert expected.latest - expected.earliest > timedelta(weeks=20)


def test_when_the_weeks_are_all_over_the_place_no_latest_day_is_said() -> None:
    expected = said([0, 60, 0, 0])
    assert isinstance(expected, Expected)
    assert expected.latest is None


def test_only_the_last_two_months_count() -> None:
    assert said([500] * 50 + [10] * WEEKS_MAX) == said([10] * WEEKS_MAX)


@given(increments, st.integers(0, 5000), st.integers(1, 5000), days)
def test_whatever_happened_the_range_holds_and_is_never_past(
    weeks: list[int], live: int, target: int, today: date
) -> None:
    expected = said(weeks, live=live, target=target, today=today)
    assert said(weeks, live=live, target=target, today=today) == expected
    assert isinstance(expected, Reached) == (live >= target)
    if isinstance(expected, Expected):
        assert today < expected.earliest <= expected.likely <= today + timedelta(weeks=HORIZON_WEEKS)
        assert expected.latest is None or expected.likely <= expected.latest <= today + timedelta(weeks=HORIZON_WEEKS)


@given(increments, st.integers(1, 4999), days)
def test_the_further_the_target_the_later_it_is_reached(weeks: list[int], target: int, today: date) -> None:
    nearer, further = (said(weeks, target=each, today=today) for each in (target, target + 1))
    if isinstance(nearer, Expected) and isinstance(further, Expected):
        assert nearer.earliest <= further.earliest
        assert nearer.likely <= further.likely
        assert further.latest is None or (nearer.latest is not None and nearer.latest <= further.latest)


@given(increments, st.integers(-20, 1200), days, days | st.none())
def test_what_is_said_of_a_day_is_what_the_range_says(
    weeks: list[int], live: int, today: date, day: date | None
) -> None:
    expected = said(weeks, live=live, today=today)
    told = timing(expected, day, today)
    match expected:
        case CannotBeSaid():
            assert told == "unknown"
        case Reached():
            assert told == ("unknown" if day is None else "before")
        case Expected() if day is not None:
            assert (told == "after") == (day < expected.earliest)
            assert (told == "before") == (expected.latest is not None and expected.latest <= day)
            assert told not in {"before", "probably_before"} or expected.likely <= day
    needed = needed_per_week(1000 - live, day, today)
    if needed is not None and day is not None and live < 1000:
        assert needed * ((day - today).days + 1) / 7 == pytest.approx(1000 - live)


def _poisson(dice: random.Random, mean: float) -> int:
    """Knuth's."""
    limit, count, product = math.exp(-mean), 0, dice.random()
    while product > limit:
        count += 1
        product *= dice.random()
    return count


WORLDS: dict[str, Callable[[random.Random], int]] = {
    "steady": lambda dice: _poisson(dice, 5),
    "slow": lambda dice: _poisson(dice, 1),
    "in batches": lambda dice: _poisson(dice, dice.gammavariate(2, 5)),
    "many weeks of nothing": lambda dice: 0 if dice.random() < 0.4 else _poisson(dice, 13),
    "with withdrawals": lambda dice: _poisson(dice, 6) - _poisson(dice, 2),
}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("weeks", [WEEKS_MIN, WEEKS_MAX])
def test_in_eight_cases_of_ten_the_target_is_reached_within_the_range(world: str, weeks: int) -> None:
    """Where weeks are as the ones before them: the promise of the method, kept with few weeks and with noughts among them."""
    dice = random.Random(f"{world} {weeks}")
    kept = forecasts = 0
    for _ in range(500):
        expected = said([WORLDS[world](dice) for _ in range(weeks)], target=60)
        if not isinstance(expected, Expected):
            continue
        forecasts += 1
        live, done = 0, TODAY
        while live < 60:
            live += WORLDS[world](dice)
            done += timedelta(weeks=1)
        # A device goes live on some day of the week at whose end we look.
        kept += expected.earliest <= done and (expected.latest is None or done - timedelta(weeks=1) < expected.latest)
    assert forecasts > 400
    assert kept / forecasts >= 0.8
