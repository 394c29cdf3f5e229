"""Which pages are looked at, and when again: for silence, and in rounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.ingest.domain.rounds import ROUND, Rounds
from services.ingest.domain.slices import PAGES, Slices, first_place

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def begun() -> Slices:
    """All three of a table looked at, by noon: nobody is due within a minute, two and three."""
    slices = Slices()
    slices.begin(NOON, "as it is")
    for number, due in enumerate((60, 120, 180)):
        slices.looked(number, at(due))
    return slices


def test_whoever_begins_looks_at_all_pages_also_those_of_a_slice_that_is_not_full() -> None:
    slices = Slices()
    slices.begin(NOON, "as it is")
    assert list(slices.due(0, NOON)) == []
    assert list(slices.due(1, NOON)) == [0]
    assert list(slices.due(PAGES, NOON)) == [0]
    assert list(slices.due(2 * PAGES + 1, NOON)) == [0, 1, 2]


def test_where_nobody_is_due_nobody_is_looked_at_until_then() -> None:
    slices = begun()
    for seconds, expected in ((59, []), (60, [0]), (120, [0, 1]), (200, [0, 1, 2])):
        slices.begin(at(seconds), "as it is")
        assert list(slices.due(3 * PAGES, at(seconds))) == expected


def test_pages_that_are_new_are_looked_at() -> None:
    assert list(begun().due(3 * PAGES + 1, NOON)) == [3]


def test_when_something_else_is_different_or_the_clock_was_put_back_all_is_looked_at_again() -> None:
    for now, as_it_is in ((at(1), "otherwise"), (at(-1), "as it is")):
        slices = begun()
        slices.begin(now, as_it_is)
        assert list(slices.due(3 * PAGES, now)) == [0, 1, 2]
    slices = begun()
    slices.forget()
    assert list(slices.due(3 * PAGES, NOON)) == [0, 1, 2]


def test_slices_follow_one_another_without_a_gap() -> None:
    assert [first_place(number) for number in range(3)] == [(0, 0), (PAGES, 0), (2 * PAGES, 0)]


def test_a_small_table_is_looked_at_once_in_a_round() -> None:
    rounds = Rounds(passes=30)
    assert rounds.due(3, NOON) == [0, 1, 2]
    for number in range(3):
        rounds.looked(number, NOON)
    assert rounds.due(3, at(59.9)) == []
    assert rounds.due(4, at(1)) == [3]
    assert rounds.due(3, NOON + ROUND) == [0, 1, 2]


def test_of_a_large_one_each_pass_takes_a_part_and_a_round_takes_all() -> None:
    rounds, seen = Rounds(passes=30), list[int]()
    for number in range(30):
        now = at(2 * number)
        due = rounds.due(600, now)
        assert len(due) <= 600 / 30 + 1
        seen += due
        for each in due:
            rounds.looked(each, now)
    assert len(seen) == len(set(seen)) == 600


def test_whoever_has_waited_longest_comes_first() -> None:
    rounds = Rounds(passes=30)
    for number in range(20):
        rounds.looked(number, at(-number))
    assert rounds.due(21, at(100))[:3] == [20, 19, 18]


def test_a_slice_that_was_looked_at_in_what_is_the_future_by_now_is_looked_at() -> None:
    rounds = Rounds(passes=30)
    rounds.looked(0, at(3600))
    assert rounds.due(1, NOON) == [0]
