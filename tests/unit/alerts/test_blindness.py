"""What each process without a database tells: one id for all that saw about the same, and never one for two blindnesses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.alerts.domain.blindness import Blindness, Ear, blindness_event, hears_anew, is_over, to_be_told, wider

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


@pytest.mark.parametrize("later_s", [0.0, 1.0, 4.9, 5.0, 5.1, 9.0])
def test_whoever_is_deaf_some_seconds_later_is_named_whether_with_the_first_or_by_an_alarm_once_more(
    later_s: float,
) -> None:
    ears = [Ear("a", NOON), Ear("b", at(later_s)), Ear("c", at(later_s + 9))]
    known = to_be_told(ears[:2], at(15))
    assert known is not None
    named = set(known.shards)
    more = wider(known, ears[:2], at(15 + later_s))
    named |= set(() if more is None else more.shards)
    assert named == {"a", "b"}
    assert to_be_told(ears, at(14.9)) is None


def test_that_all_hear_again_counts_by_the_clock_as_it_is_now_though_it_was_put_back() -> None:
    assert hears_anew(None, NOON)
    assert hears_anew(at(3600), NOON)
    assert not is_over(at(3600), NOON)
    assert not hears_anew(NOON, NOON)
    assert is_over(NOON, at(10))


def text(*names: str, about: Any = "unheard", turn: Any = "activated") -> str:
    told = blindness_event(Blindness.seen(names, NOON), turn, NOON, about).text
    assert told is not None
    assert len(told) <= 128
    return told


def test_of_many_names_as_many_are_told_as_there_is_room_for_and_how_many_there_are_more() -> None:
    many = [f"council number-{number:02}" for number in range(32)]
    assert text(*many) == (
        "Nobody listens there, and nobody there is called silent: "
        "council number-00, council number-01, council number-02 and 29 more."
    )
    assert text(*many, about="deaf").endswith(" more). Silence says nothing now.")
    assert text("topics of moray (devices of fife)").endswith("silent: topics of moray (devices of fife).")


def test_of_a_name_too_long_the_beginning_is_told_and_that_is_what_is_to_be_done() -> None:
    """The topics that nobody lets through; whose devices write them says readiness."""
    topics = f"topics of {'m' * 50} (devices of {'f' * 50})"
    assert f"topics of {'m' * 50} (" in text(topics)
    assert text(topics).endswith("\u2026.")
    assert text(topics, topics[:-1] + "g)").endswith("\u2026 and 1 more.")
