"""The burn-up as a picture: where its lines and words stand. Pure geometry; `templates/_burn_up.svg` draws it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from typing import Final

from services.registry.domain.forecast import Expected, Rate
from services.registry.domain.rollout import Growth, Rollout
from services.registry.domain.rollout_weeks import WEEK

WEEKS_SHOWN_MAX: Final = 104
_AHEAD_MIN: Final = timedelta(weeks=6)
_AHEAD_MAX: Final = timedelta(weeks=104)
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 44, 34
_TICKS: Final = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Mark:
    """A day or a number on its axis, with its words."""

    at: float
    words: str


@dataclass(frozen=True, slots=True)
class Picture:
    """In the units of its own `width` and `height`. Strings are points of a line or a polygon."""

    name: str
    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    live: str
    today: tuple[float, float]
    target: float
    fan: str
    middle: str
    days: Sequence[Mark]
    counts: Sequence[Mark]
    limits: Sequence[Mark]


def draw(name: str, width: int, height: int, first: date, growth: Growth, rollout: Rollout, today: date) -> Picture:
    """The live devices by weeks since `first`, and where the rate of the last weeks leads. `name` tells two pictures apart."""
    skipped = max(len(growth.nets) - WEEKS_SHOWN_MAX, 0)
    levels = list(accumulate(growth.nets))
    before = levels[skipped - 1] if skipped else 0
    begin = first + WEEK * skipped
    limits = [(rollout.outlook.switch_off, "network closes")]
    if rollout.target_date is not None:
        limits.insert(0, (rollout.target_date, "target day"))
    end = _end(today, [day for day, _ in limits], rollout)
    top = max(rollout.target, *levels, 1) * 1.08 if levels else rollout.target * 1.08
    box = _Box(width, height, begin, end, top)
    ends = [min(begin + WEEK * (number + 1), today) for number in range(len(levels) - skipped)]
    known = [(begin, before), *zip(ends, levels[skipped:], strict=True)]
    rate = rollout.outlook.rate
    fan, middle = ("", "") if rate is None or rate.per_week <= 0 else _ahead(box, rollout.live, rate, today)
    return Picture(
        name=name,
        width=width,
        height=height,
        left=_LEFT,
        right=width - _RIGHT,
        top=_TOP,
        bottom=height - _BOTTOM,
        live=" ".join(box.point(day, count) for day, count in known),
        today=(box.x(today), box.y(rollout.live)),
        target=box.y(rollout.target),
        fan=fan,
        middle=middle,
        days=list(_months(box, width // 110)),
        counts=[Mark(box.y(count), f"{count:,}") for count in _round_numbers(top)],
        limits=[Mark(box.x(day), words) for day, words in limits if begin <= day <= end],
    )


@dataclass(frozen=True, slots=True)
class _Box:
    width: int
    height: int
    begin: date
    end: date
    count: float

    def x(self, day: date, days: float = 0) -> float:
        share = ((day - self.begin).days + days) / max((self.end - self.begin).days, 1)
        return round(_LEFT + share * (self.width - _LEFT - _RIGHT), 1)

    def y(self, count: float) -> float:
        room = self.height - _TOP - _BOTTOM
        return round(self.height - _BOTTOM - room * min(max(count / self.count, 0), 1), 1)

    def point(self, day: date, count: float, days: float = 0) -> str:
        return f"{self.x(day, days)},{self.y(count)}"


def _end(today: date, limits: Sequence[date], rollout: Rollout) -> date:
    expected = rollout.outlook.forecast
    likely = [expected.likely] if isinstance(expected, Expected) else []
    return min(max(today, *limits, *likely) + _AHEAD_MIN, today + _AHEAD_MAX)


def _ahead(box: _Box, live: int, rate: Rate, today: date) -> tuple[str, str]:
    """The range in which the count will be in eight cases of ten, and its middle, week by week to the edge."""
    last = (box.end - today).days / 7
    steps = [last * number / 40 for number in range(41)]
    bounds = [rate.bounds(weeks) for weeks in steps]
    below = [box.point(today, live + low, weeks * 7) for weeks, (low, _) in zip(steps, bounds, strict=True)]
    above = [box.point(today, live + high, weeks * 7) for weeks, (_, high) in zip(steps, bounds, strict=True)]
    # It ends at the top of the picture, for what is above it is cut off there.
    middle_weeks = min(last, (box.count - live) / rate.per_week)
    middle = f"{box.point(today, live)} {box.point(today, live + rate.per_week * middle_weeks, middle_weeks * 7)}"
    return " ".join([*below, *reversed(above)]), middle


def _months(box: _Box, count_max: int) -> Iterator[Mark]:
    firsts = [
        date(year, month, 1)
        for year in range(box.begin.year, box.end.year + 1)
        for month in range(1, 13)
        if box.begin <= date(year, month, 1) <= box.end
    ]
    step = max(-(-len(firsts) // max(count_max, 1)), 1)
    for day in firsts[::step]:
        yield Mark(box.x(day), f"{day:%b %y}")


def _round_numbers(top: float) -> Iterator[int]:
    """Four to eight of them, from nought on."""
    step = next(base * 10**power for power in range(9) for base in _TICKS if top / (base * 10**power) <= 6)
    yield from range(0, int(top) + 1, step)
