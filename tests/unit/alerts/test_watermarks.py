"""Since when a watermark stands still, whatever the database's clock does meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.alerts.domain.watermark import Watermarks

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR_S = 3600.0


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def stands_still(*looks: tuple[float, float, float]) -> list[float]:
    """For how long, at each look: (its watermark, the database's time, our own), in seconds."""
    marks = Watermarks()
    return [marks.look({"a": at(until)}, at(there), here)["a"] for until, there, here in looks]


def test_at_the_first_look_the_databases_clock_says_how_old_it_is_and_then_ours() -> None:
    assert stands_still((0, 20, 100), (0, 21, 101), (0, 25, 105)) == [20, 21, 25]


def test_one_that_is_moved_is_as_old_as_the_databases_clock_says() -> None:
    assert stands_still((0, 0.5, 100), (1, 1.75, 101.25), (2, 2.25, 101.75)) == [0.5, 0.75, 0.25]


def test_one_that_was_moved_late_to_what_is_long_ago_stands_still_since_then() -> None:
    """A database that stood still does an old renewal when it wakes."""
    assert stands_still((0, 0.5, 100), (1, 30, 129.5)) == [0.5, 29]


def test_a_clock_that_is_put_forward_makes_none_old() -> None:
    """The renewal after it goes by the old time once more."""
    there = HOUR_S
    looks = [
        (0, 0.5, 100),
        (0, there + 1.5, 101),
        (1, there + 2, 101.5),
        (1, there + 2.5, 102),
        (there + 2.75, there + 3, 102.5),
    ]
    assert stands_still(*looks) == pytest.approx([0.5, 1.5, 1.0, 1.5, 0.25])


@pytest.mark.parametrize("step_s", [20.0, HOUR_S, -20.0, -HOUR_S])
def test_a_clock_that_is_put_forward_or_back_hides_nothing_and_hurries_nothing(step_s: float) -> None:
    still = stands_still((0, 1, 100), (0, 10, 109), (0, 11 + step_s, 110), (0, 15 + step_s, 114))
    assert still == [1, 10, 11, 15]


def test_one_that_is_moved_after_the_clock_was_put_back_is_heard_now() -> None:
    assert stands_still((0, 1, 100), (0, 1.5 - HOUR_S, 100.5), (1.75 - HOUR_S, 2 - HOUR_S, 101)) == [1, 1.5, 0.25]


def test_one_that_is_gone_is_forgotten() -> None:
    marks = Watermarks()
    assert marks.look({"a": at(0), "b": at(0)}, at(1), 1.0) == {"a": 1.0, "b": 1.0}
    assert marks.look({"b": at(0)}, at(2), 2.0) == {"b": 2.0}
    assert marks.look({"a": at(0), "b": at(0)}, at(2) + timedelta(hours=1), 2.0) == {"a": HOUR_S + 2, "b": 2.0}
