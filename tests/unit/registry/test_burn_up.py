"""The picture of the burn-up: what is drawn stays within it, whatever the rollout is like."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.registry.domain.rollout import Aim, Growth, by_stage, country
from services.registry.domain.rollout_council import Found, Told, measure
from services.registry.domain.rollout_weeks import week_of
from services.registry.rollout.burn_up import Picture, draw

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
TODAY = NOW.date()

nets = st.lists(st.integers(-20, 400), max_size=200)


def drawn(weeks: list[int], target: int, day: date | None = None) -> Picture:
    live = sum(weeks)
    council = measure(Told(council_id="fife", name="Fife"), Found(stages=by_stage({"live": live}), live=live), TODAY)
    growth = Growth(weeks)
    rollout = country([council], Aim(target, day, None, NOW, "test"), growth, now=NOW)
    first = week_of(NOW) - timedelta(weeks=max(len(weeks) - 1, 0))
    return draw("wide", 960, 380, first, growth, rollout, TODAY)


def points(text: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (point.split(",") for point in text.split())]


@given(nets, st.integers(1, 5000), st.dates(date(2020, 1, 1), date(2060, 1, 1)) | st.none())
def test_every_line_stays_within_the_picture(weeks: list[int], target: int, day: date | None) -> None:
    picture = drawn(weeks, target, day)
    every = [*points(picture.live), *points(picture.fan), *points(picture.middle), picture.today]
    every += [(mark.at, picture.target) for mark in (*picture.days, *picture.limits)]
    for x, y in every:
        assert picture.left <= x <= picture.right + 0.1
        assert picture.top - 0.1 <= y <= picture.bottom + 0.1
    assert len(picture.counts) <= 8


def test_the_line_begins_at_nought_ends_today_and_only_growth_leads_on() -> None:
    picture = drawn([2, 3, 2, 4, 3, 2, 1], 40)
    line = points(picture.live)
    assert line[0] == (picture.left, picture.bottom)
    assert line[-1] == picture.today
    assert picture.fan
    assert not drawn([2, 3, 2], 40).fan  # too few weeks
    assert not drawn([9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 40).fan
