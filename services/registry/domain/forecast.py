"""When the target will be reached, as a range, from the net increments of the last complete weeks.

The method is the *drift method* (a random walk with drift) with its prediction interval: R. J. Hyndman and G. Athanasopoulos,
*Forecasting: Principles and Practice*, 3rd edition, OTexts 2021, sections 5.2 and 5.5 (table 5.2). After h weeks

    live + h·r ± t·s·√(h + h²/n)

where r and s are mean and standard deviation of the n weekly increments. The h under the root is the luck of the weeks to
come; h²/n is that r itself is known from n weeks only. Two things are ours: t is Student's, for s comes from few weeks; and s² is
no less than r, for counts are hardly ever steadier than chance (Poisson), however equal a few weeks look. Where the two bounds
meet the target is a quadratic in h: no simulation, no seed, the same figures give the same dates. (docs/decisions/0016)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from statistics import fmean, variance
from typing import Final, Literal, TypeAlias

WEEKS_MIN: Final = 4
WEEKS_MAX: Final = 8
"""The recent past: two months. Fewer weeks say nothing of their spread; older ones were another programme."""

HORIZON_WEEKS: Final = 520
"""Ten years: later than that is no forecast."""

SWITCH_OFF: Final = date(2027, 1, 31)
"""The analogue telephone network closes (domain.md)."""

# Student's t, 90th percentile, by n: n - 1 degrees of freedom. From any table.
_T90: Final = {4: 1.638, 5: 1.533, 6: 1.476, 7: 1.440, 8: 1.415}


class Reason(StrEnum):
    """Why no date can be said."""

    TOO_FEW_WEEKS = "too_few_weeks"
    NOT_GROWING = "not_growing"
    TOO_SLOW = "too_slow"


@dataclass(frozen=True, slots=True)
class Rate:
    """Live devices a week: the mean of so many weeks, and how far a week is from it."""

    per_week: float
    spread: float
    weeks: int

    def bounds(self, weeks: float) -> tuple[float, float]:
        """10 % and 90 % of how many are added within so many weeks."""
        middle = self.per_week * weeks
        aside = _T90[self.weeks] * self.spread * math.sqrt(weeks + weeks**2 / self.weeks)
        return middle - aside, middle + aside


@dataclass(frozen=True, slots=True)
class Reached:
    """The target is reached."""

    state: Literal["reached"] = "reached"


@dataclass(frozen=True, slots=True)
class CannotBeSaid:
    """No date; `reason` says why."""

    reason: Reason
    state: Literal["cannot_be_said"] = "cannot_be_said"


@dataclass(frozen=True, slots=True)
class Expected:
    """Reached in nine cases of ten not before `earliest`, and in nine of ten by `latest`; `latest` None: nobody can say so."""

    earliest: date
    likely: date
    latest: date | None
    state: Literal["expected"] = "expected"


Forecast: TypeAlias = Reached | CannotBeSaid | Expected

Timing: TypeAlias = Literal["before", "probably_before", "probably_after", "after", "unknown"]


def recent_rate(increments: Sequence[int]) -> Rate | None:
    """From the net increments of complete weeks, oldest first, since the first device went live; None: there are too few."""
    recent = increments[-WEEKS_MAX:]
    if len(recent) < WEEKS_MIN:
        return None
    mean = fmean(recent)
    return Rate(mean, math.sqrt(max(variance(recent), mean)), len(recent))


def forecast(live: int, target: int, rate: Rate | None, today: date) -> Forecast:
    """When `live` will be `target`. Never a day that is past."""
    remaining = target - live
    if remaining <= 0:
        return Reached()
    if rate is None:
        return CannotBeSaid(Reason.TOO_FEW_WEEKS)
    if rate.per_week <= 0:
        return CannotBeSaid(Reason.NOT_GROWING)
    likely = remaining / rate.per_week
    if likely > HORIZON_WEEKS:
        return CannotBeSaid(Reason.TOO_SLOW)
    earliest, latest = _crossings(remaining, rate)
    return Expected(_after(today, earliest), _after(today, likely), None if latest is None else _after(today, latest))


def _crossings(remaining: int, rate: Rate) -> tuple[float, float | None]:
    """The weeks after which the upper and the lower bound reach the target: the roots of a·h² - b·h + remaining² = 0."""
    noise = (_T90[rate.weeks] * rate.spread) ** 2
    a = rate.per_week**2 - noise / rate.weeks
    b = 2 * remaining * rate.per_week + noise
    root = math.sqrt(b**2 - 4 * a * remaining**2)
    latest = (b + root) / (2 * a) if a > 0 else None  # else the rate may as well be nought
    return 2 * remaining**2 / (b + root), None if latest is None or latest > HORIZON_WEEKS else latest


def _after(today: date, weeks: float) -> date:
    return today + timedelta(days=math.ceil(weeks * 7))


def timing(expected: Forecast, day: date | None, today: date) -> Timing:
    """Whether the target will be reached by `day`: `before` and `after` are beyond the range, the others within it."""
    if day is None or isinstance(expected, CannotBeSaid):
        return "unknown"
    if isinstance(expected, Reached):
        return "before"
    if day < today or day < expected.earliest:
        return "after"
    if expected.latest is not None and expected.latest <= day:
        return "before"
    return "probably_before" if expected.likely <= day else "probably_after"


def needed_per_week(remaining: int, day: date | None, today: date) -> float | None:
    """How many a week would do it by the end of `day`; None: no day is set, or it is past."""
    if remaining <= 0:
        return 0.0
    if day is None or day < today:
        return None
    return remaining * 7 / ((day - today).days + 1)
