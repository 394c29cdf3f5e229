"""What people are told of one outage, and when it is over."""

from __future__ import annotations

from dataclasses import replace

from services.alerts.domain.outages.census import Trait
from services.alerts.domain.outages.course import Course, run
from tests.support.model_fleet import NOON, minutes

OPERATOR = Trait("sim_operator", "23410")
NEW = Course(trait=OPERATOR, members_now=100, peak=100)


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
    low, news = run(replace(opened, members_now=39, flapping_now=30), NOON + minutes(10))
    assert (news, low.told_members, low.low_since) == ("outage.updated", 39, NOON + minutes(10))
    assert run(low, NOON + minutes(11))[1] == "outage.closed"
    steady = run(replace(opened, members_now=40, flapping_now=30), NOON + minutes(10))[0]
    assert steady.low_since is None  # a tenth of those that do not flap


def test_those_that_flap_make_no_peak_by_which_the_others_are_few() -> None:
    opened, _ = run(replace(NEW, members_now=250, flapping_now=150), NOON)
    assert opened.peak == 100
    assert run(replace(opened, members_now=170), NOON + minutes(1))[0].low_since is None
