"""What each process without a database tells: one id for all that saw about the same, and never one for two blindnesses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.alerts.domain.blindness import Blindness, Ear, blindness_event, wider

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
SHARDS = ("heartbeats-0", "alarms")


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def remembered(seconds: float, mark: str = "mark", shards: tuple[str, ...] = SHARDS) -> Blindness:
    return Blindness.remembered(shards, at(seconds), mark)


@pytest.mark.parametrize("seconds", [0.0, 1.0, 59.99])
def test_whoever_saw_the_watermark_within_one_minute_tells_the_same_to_the_letter(seconds: float) -> None:
    first, second = remembered(30.0), remembered(seconds, shards=SHARDS[::-1])
    assert first == second
    assert first.began_at == NOON
    told = [blindness_event(each, "activated", each.remembered_told_at).to_json() for each in (first, second)]
    assert told[0] == told[1]


def test_two_that_saw_it_on_both_sides_of_a_whole_minute_tell_one_alarm_though_by_another_minute() -> None:
    first, second = remembered(59.9), remembered(60.1)
    assert first.blindness_id == second.blindness_id
    assert (first.began_at, second.began_at) == (NOON, at(60))


def test_two_that_saw_it_on_both_sides_of_midnight_tell_two() -> None:
    """So far it goes, and no further: whoever saw a last moment alone can't know that nobody else did."""
    midnight = 12 * 3600.0
    assert remembered(midnight - 0.1).blindness_id != remembered(midnight + 0.1).blindness_id


def test_after_another_blindness_or_by_others_who_work_the_shards_it_is_another() -> None:
    assert remembered(1.0, "first").blindness_id != remembered(1.0, "second").blindness_id


def test_it_is_said_to_be_told_after_it_began_and_never_in_the_future() -> None:
    for seconds in (0.0, 30.0, 59.99):
        blindness = remembered(seconds)
        assert blindness.began_at < blindness.remembered_told_at <= at(seconds + 15.0)


def test_a_blindness_is_wider_when_others_are_deaf_that_still_heard_when_it_began() -> None:
    known = Blindness.seen(["a"], NOON)
    together, later, again = Ear("b", at(0.5)), Ear("c", at(60)), Ear("a", at(60))
    assert wider(known, [Ear("a", NOON), together], at(30)) is None
    assert wider(known, [Ear("a", NOON), later], at(74)) is None
    assert wider(known, [again], at(80)) is None
    before_it_was_told = wider(known, [Ear("a", NOON), Ear("b", at(9))], at(24))
    assert before_it_was_told is not None
    assert before_it_was_told.shards == ("a", "b")
    more = wider(known, [Ear("a", NOON), later], at(75))
    assert more is not None
    assert (more.shards, more.began_at) == (("a", "c"), NOON)
    assert more.blindness_id != known.blindness_id
