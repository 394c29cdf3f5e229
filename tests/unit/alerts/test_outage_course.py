"""What people are told of one outage, and when it is over."""

from __future__ import annotations

from dataclasses import replace

from services.alerts.domain.outages.census import Trait
from services.alerts.domain.outages.course import SINGLES_MAX, Course, Waited, may_have_stalled, run
from tests.support.model_fleet import NOON, minutes

OPERATOR = Trait("sim_operator", "23410")
NEW = Course(trait=OPERATOR, members_now=100, peak=100, opened_at=NOON)


def test_an_outage_is_told_when_it_opens_and_not_again_while_it_is_the_same() -> None:
    opened, news = run(NEW, NOON)
    assert news == "outage.opened"
    assert run(opened, NOON + minutes(30)) == (opened, None)


def test_growth_is_told_once_a_minute_at_most_and_only_by_tenths() -> None:
    opened, _ = run(NEW, NOON)
    assert run(replace(opened, members_now=300), NOON + minutes(0.9))[1] is None
    assert run(replace(opened, members_now=109), NOON + minutes(2))[1] is None
    grown, news = run(replace(opened, members_now=300), NOON + minutes(1))
    assert news == "outage.updated"
    assert (grown.peak, grown.told_members) == (300, 300)
    assert run(replace(grown, members_now=260), NOON + minutes(2))[1] == "outage.updated"


def test_a_new_name_is_told_without_a_change_of_numbers() -> None:
    opened, _ = run(NEW, NOON)
    renamed = replace(opened, trait=Trait("cell_id", "7"))
    assert run(renamed, NOON + minutes(1))[1] == "outage.updated"


def test_it_is_over_when_nearly_all_have_been_back_for_a_minute() -> None:
    opened, _ = run(NEW, NOON)
    low, news = run(replace(opened, members_now=9), NOON + minutes(10))
    assert (news, low.low_since) == ("outage.updated", NOON + minutes(10))
    assert run(low, NOON + minutes(10.9))[1] is None
    closed, news = run(low, NOON + minutes(11))
    assert (news, closed.closed_at) == ("outage.closed", NOON + minutes(11))
    assert run(closed, NOON + minutes(12)) == (closed, None)


def test_whoever_goes_again_keeps_it_open() -> None:
    opened, _ = run(NEW, NOON)
    low, _ = run(replace(opened, members_now=9), NOON + minutes(10))
    again, _ = run(replace(low, members_now=80), NOON + minutes(10.5))
    assert again.low_since is None
    assert run(replace(again, members_now=9), NOON + minutes(11))[0].closed_at is None


def test_a_tenth_that_stays_silent_keeps_it_open_but_two_homes_do_not() -> None:
    opened, _ = run(NEW, NOON)
    assert run(replace(opened, members_now=10), NOON + minutes(1))[0].low_since is None
    small, _ = run(replace(NEW, members_now=6, peak=6), NOON)
    assert run(replace(small, members_now=2), NOON + minutes(1))[0].low_since is not None


def test_a_clock_that_was_put_back_holds_nothing_up() -> None:
    opened, _ = run(NEW, NOON)
    low, _ = run(replace(opened, members_now=1), NOON + minutes(10))
    back, _ = run(low, NOON + minutes(2))
    assert back.low_since == NOON + minutes(2)


def test_news_is_told_though_the_clock_was_put_back_since_the_last() -> None:
    opened, _ = run(NEW, NOON)
    assert run(replace(opened, members_now=300), NOON - minutes(60))[1] == "outage.updated"


def test_those_that_flap_do_not_keep_it_open_and_are_told_of_as_its_members() -> None:
    opened, _ = run(NEW, NOON)
    low, news = run(replace(opened, members_now=24, flapping_now=15), NOON + minutes(10))
    assert (news, low.told_members, low.low_since) == ("outage.updated", 24, NOON + minutes(10))
    assert run(low, NOON + minutes(11))[1] == "outage.closed"
    steady = run(replace(opened, members_now=40, flapping_now=30), NOON + minutes(10))[0]
    assert steady.low_since is None  # a tenth of those that do not flap


def test_those_that_flap_make_no_peak_by_which_the_others_are_few() -> None:
    opened, _ = run(replace(NEW, members_now=250, flapping_now=150), NOON)
    assert opened.peak == 100
    assert run(replace(opened, members_now=170), NOON + minutes(1))[0].low_since is None


NO_MORE = Waited(explains=False)
FEW = 20


def few_are_left(at: float = 0) -> Course:
    """Most are back, and have been from the beginning."""
    opened, _ = run(NEW, NOON)
    return run(replace(opened, members_now=FEW), NOON + minutes(at), waited=NO_MORE)[0]


def test_when_most_are_back_and_nobody_else_comes_for_six_hours_it_is_over_if_few_are_left() -> None:
    few = few_are_left(10)
    assert (few.mark, few.moved_at) == (FEW, NOON + minutes(10))
    fewer, _ = run(replace(few, members_now=18), NOON + minutes(300), waited=NO_MORE)
    assert run(fewer, NOON + minutes(659), waited=NO_MORE)[0].closed_at is None
    closed, news = run(fewer, NOON + minutes(660), waited=NO_MORE)
    assert (news, closed.closed_at, closed.closed_as) == ("outage.closed", NOON + minutes(660), "stalled")
    assert (closed.left_behind, closed.called_at) == (18, None)
    assert run(closed, NOON + minutes(700), waited=NO_MORE) == (closed, None)


def test_are_they_many_a_person_is_called_for_all_of_them_and_it_goes_on() -> None:
    opened, _ = run(NEW, NOON)
    many, _ = run(replace(opened, members_now=SINGLES_MAX + 1), NOON + minutes(10), waited=NO_MORE)
    assert run(many, NOON + minutes(369), waited=NO_MORE)[0].called_at is None
    called, _ = run(many, NOON + minutes(370), waited=NO_MORE)
    assert (called.closed_at, called.called_at) == (None, NOON + minutes(370))
    again = called
    for minute in range(371, 3_000, 10):
        again, _ = run(again, NOON + minutes(minute), waited=NO_MORE)
        assert again.closed_at is None
        assert again.called_at is not None
        assert NOON + minutes(minute) - again.called_at < minutes(24 * 60)
    assert again.called_at == NOON + minutes(371 + 10 * 144)  # once, in the two days


def test_an_outage_of_which_nobody_returns_is_called_for_after_six_hours_and_each_day() -> None:
    stands, _ = run(NEW, NOON)
    calls = []
    for minute in range(0, 3 * 24 * 60, 15):
        before = stands.called_at
        stands, _ = run(stands, NOON + minutes(minute), waited=Waited(explains=True))
        if stands.called_at != before:
            calls.append(minute / 60)
    assert calls == [6, 30, 54]
    assert stands.closed_at is None


def test_who_trickles_back_holds_up_no_call_for_longer_than_a_day() -> None:
    stands, _ = run(replace(NEW, members_now=1_000, peak=1_000), NOON)
    for hour in range(1, 25):
        left = round(stands.members_now * 0.9)
        stands, _ = run(replace(stands, members_now=left), NOON + minutes(60 * hour), waited=Waited(explains=True))
        assert (stands.called_at is not None) == (hour == 24)


def test_when_nearly_all_are_back_but_many_a_person_is_called_within_a_quarter_of_an_hour() -> None:
    """Each by himself they would be a flood; and nobody would be told of them for hours."""
    opened, _ = run(replace(NEW, members_now=5_000, peak=5_000), NOON)
    low, _ = run(replace(opened, members_now=400), NOON + minutes(60))
    assert run(low, NOON + minutes(74))[0].called_at is None
    called, _ = run(low, NOON + minutes(75))
    assert (called.called_at, called.closed_at) == (NOON + minutes(75), None)
    none_left, news = run(replace(called, members_now=0), NOON + minutes(76))
    assert (none_left.closed_as, news) == ("returned", "outage.closed")


def test_for_nobody_is_a_person_called_twice_in_an_hour() -> None:
    opened, _ = run(replace(NEW, members_now=5_000, peak=5_000), NOON)
    low, _ = run(replace(opened, members_now=400), NOON)
    assert run(low, NOON + minutes(59))[0].called_at is None  # the opening was told, with the list
    called, _ = run(low, NOON + minutes(60))
    few, _ = run(replace(called, members_now=FEW), NOON + minutes(61))
    for minute in range(62, 120, 2):
        few, _ = run(replace(few, members_now=few.members_now ^ 1), NOON + minutes(minute))
        assert (few.closed_at, few.called_at) == (None, NOON + minutes(60))
    closed, _ = run(few, NOON + minutes(120))
    assert (closed.closed_as, closed.called_at) == ("returned", NOON + minutes(60))


def test_time_in_which_we_could_not_hear_does_not_count_as_nobody_coming_back() -> None:
    few, deaf = few_are_left(), replace(NO_MORE, deaf_for=minutes(61))
    assert run(few, NOON + minutes(420), waited=deaf)[0].closed_at is None
    assert run(few, NOON + minutes(421), waited=deaf)[0].closed_as == "stalled"


def test_it_goes_on_while_its_trait_explains_or_half_are_away_and_people_are_called() -> None:
    """Closed, those who are left would be found again at once as the same outage."""
    opened, _ = run(replace(NEW, members_now=40, peak=40), NOON)
    for left, waited in [(15, Waited(explains=True)), (21, NO_MORE)]:
        few, _ = run(replace(opened, members_now=left), NOON, waited=waited)
        later, _ = run(few, NOON + minutes(360), waited=waited)
        assert (later.closed_at, later.called_at) == (None, NOON + minutes(360))
    few, _ = run(replace(opened, members_now=15), NOON, waited=NO_MORE)
    unknown, _ = run(few, NOON + minutes(360), waited=Waited())  # for a moment
    assert (unknown.closed_at, unknown.called_at) == (None, None)


def test_so_few_that_they_make_no_outage_are_few_whatever_share_they_are() -> None:
    opened, _ = run(replace(NEW, members_now=6, peak=6), NOON)
    few, _ = run(replace(opened, members_now=4), NOON, waited=Waited(explains=True))
    assert run(few, NOON + minutes(360), waited=Waited(explains=True))[0].closed_as == "stalled"


def test_one_that_goes_while_another_comes_holds_nothing_up_nor_does_a_clock_that_was_put_back() -> None:
    same, _ = run(replace(few_are_left(), members_now=21), NOON + minutes(100), waited=NO_MORE)
    assert (same.mark, same.moved_at) == (FEW, NOON)
    back, _ = run(same, NOON - minutes(600), waited=NO_MORE)
    assert run(back, NOON - minutes(240), waited=NO_MORE)[0].closed_as == "stalled"
    called = replace(same, called_at=NOON + minutes(100), members_now=50)
    assert run(called, NOON - minutes(600))[0].called_at == NOON - minutes(600)


def test_how_long_we_were_deaf_is_asked_of_nobody_who_was_called_for_and_does_not_move() -> None:
    opened, _ = run(NEW, NOON)
    assert not may_have_stalled(opened, NOON + minutes(359))
    assert may_have_stalled(opened, NOON + minutes(360))
    called, _ = run(opened, NOON + minutes(360), waited=Waited(explains=True))
    assert not may_have_stalled(called, NOON + minutes(900))


def test_is_it_not_known_what_explains_a_few_that_are_left_people_are_called_within_a_day_all_the_same() -> None:
    opened, _ = run(NEW, NOON)
    left, _ = run(replace(opened, members_now=SINGLES_MAX), NOON + minutes(5))
    assert run(left, NOON + minutes(24 * 60 - 1))[0].called_at is None
    assert run(left, NOON + minutes(24 * 60))[0].called_at == NOON + minutes(24 * 60)
