"""How a device is, by what its heartbeats say. Pure: readings and now in; a verdict, or none, out.

Each ailment begins beyond one bound and ends beyond another, so that a value that wavers between the two tells nothing new; and
some must be seen for a while first. The bounds are issue 5's; real boxes, too, report mains after five minutes (domain, "What went
wrong elsewhere").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from contracts.condition import Turn

Ailment: TypeAlias = Literal["mains_lost", "battery_low", "weak_signal", "clock_off", "path_unsteady"]
Stage: TypeAlias = Literal["seen", "told", "own"]
"""`seen`: not for long enough to tell of it. `own`: the device has said so itself, and we need not."""

MAINS_SETTLED: Final = timedelta(minutes=5)
"""Lost, or back, for so long: a flicker of the mains is nobody's alarm."""
BATTERY_LOW_PCT: Final = 20
BATTERY_WELL_PCT: Final = 30
SIGNAL_WEAK_FOR: Final = timedelta(hours=1)
SIGNAL_WELL_DB: Final = 3
"""So much above the least that its model needs."""
CLOCK_OFF_S: Final = 300
CLOCK_WELL_S: Final = 60
CLOCK_OFF_FOR: Final = timedelta(minutes=10)
"""A heartbeat that waited at the broker while we were deaf looks like a clock that is behind: the next ones do not."""
PATH_UNSTEADY: Final = 10.0
"""Changes of `network` within some hour (`ingest.liveness.path_changes`, where each fades away): more are too many."""
PATH_STEADY: Final = 3.0
IN_FUTURE: Final = timedelta(minutes=1)
"""What is later than now by more than this was written before the clock was put back."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a model (registry.model_directory); None: it has none, or nobody knows."""

    signal_dbm_min: int | None
    battery_hours: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What was last heard of a device. `watched`: somebody waits for it. `says_low`: its own last word is that its battery is low.

    None: it never told. `mains_changed_at`: since when `mains` is what it is; None: it was so when that was first kept.
    """

    watched: bool
    heard_at: datetime | None
    mains: bool | None = None
    mains_changed_at: datetime | None = None
    battery_pct: int | None = None
    signal_average: float | None = None
    clock_behind_s: int | None = None
    path_changes: float = 0.0
    says_low: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """An ailment that is there, and since when: when the mains went, or when it was first seen."""

    since: datetime
    stage: Stage


Health: TypeAlias = Mapping[Ailment, Standing]
WELL: Final[Health] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Turned:
    """What there is to tell: an ailment began, or ended. `withdrawn`: it goes on, but the device says so itself now."""

    ailment: Ailment
    turn: Turn
    since: datetime
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Its health as it is from now on, and what of that is news to anybody."""

    health: Health
    turned: tuple[Turned, ...]


def judge(readings: Readings, health: Health, limits: Limits, now: datetime) -> Verdict | None:
    """What has become of it by `now`; None: nothing new. Only for whom we have heard since we last could not hear."""
    after: dict[Ailment, Standing] = {}
    turned: list[Turned] = []
    for ailment, rule in _RULES.items():
        before = health.get(ailment)
        stands = _stands(rule, before, readings, limits, now)
        if ailment == "battery_low" and stands is not None and readings.says_low:
            stands = Standing(stands.since, "own")
        if stands is not None:
            after[ailment] = stands
        news = _news(ailment, before, stands)
        if news is not None:
            turned.append(news)
    return None if after == health else Verdict(after, tuple(turned))


def expected_silent_at(mains_lost_since: datetime, limits: Limits) -> datetime | None:
    """When its battery will be empty; None: nobody knows for how long that lasts."""
    return None if limits.battery_hours is None else mains_lost_since + timedelta(hours=limits.battery_hours)


@dataclass(frozen=True, slots=True)
class _Rule:
    """`ill`: whether it is (True), is not (False), or is neither, or nobody knows. `seen_for`: heard so for so long, it is told.

    `began_at`: since when, where the readings tell; else since it was first seen.
    """

    ill: Callable[[Readings, Limits, datetime], bool | None]
    seen_for: timedelta = timedelta(0)
    began_at: Callable[[Readings], datetime | None] = lambda _: None


def _mains_lost(readings: Readings, _: Limits, now: datetime) -> bool | None:
    changed_at = readings.mains_changed_at
    unsettled = changed_at is not None and now - MAINS_SETTLED < changed_at <= now + IN_FUTURE
    return None if readings.mains is None or unsettled else not readings.mains


def _battery_low(readings: Readings, _: Limits, __: datetime) -> bool | None:
    return _beyond(readings.battery_pct, ill=BATTERY_LOW_PCT, well=BATTERY_WELL_PCT)


def _weak_signal(readings: Readings, limits: Limits, _: datetime) -> bool | None:
    least, average = limits.signal_dbm_min, readings.signal_average
    if least is None:
        return False
    if average is None or least <= average < least + SIGNAL_WELL_DB:
        return None
    return average < least


def _clock_off(readings: Readings, _: Limits, __: datetime) -> bool | None:
    if readings.clock_behind_s is None or CLOCK_WELL_S <= abs(readings.clock_behind_s) <= CLOCK_OFF_S:
        return None
    return abs(readings.clock_behind_s) > CLOCK_OFF_S


def _path_unsteady(readings: Readings, _: Limits, __: datetime) -> bool | None:
    if PATH_STEADY <= readings.path_changes <= PATH_UNSTEADY:
        return None
    return readings.path_changes > PATH_UNSTEADY


def _beyond(value: int | None, *, ill: int, well: int) -> bool | None:
    """Of what is the better the more there is of it."""
    if value is None or ill < value < well:
        return None
    return value <= ill


_RULES: Final[Mapping[Ailment, _Rule]] = MappingProxyType(
    {
        "mains_lost": _Rule(_mains_lost, began_at=lambda readings: readings.mains_changed_at),
        "battery_low": _Rule(_battery_low),
        "weak_signal": _Rule(_weak_signal, SIGNAL_WEAK_FOR),
        "clock_off": _Rule(_clock_off, CLOCK_OFF_FOR),
        "path_unsteady": _Rule(_path_unsteady),
    }
)
AILMENTS: Final = tuple(_RULES)


def _stands(rule: _Rule, before: Standing | None, readings: Readings, limits: Limits, now: datetime) -> Standing | None:
    """Where an ailment stands now; None: it is not there."""
    ill = rule.ill(readings, limits, now) if readings.watched else False
    if ill is False:
        return None
    if before is None:
        return None if ill is None else _first(rule, readings, now)
    if before.stage != "seen":
        return before
    since = min(before.since, now)
    told = ill and readings.heard_at is not None and min(readings.heard_at, now) - since >= rule.seen_for
    return Standing(since, "told" if told else "seen")


def _first(rule: _Rule, readings: Readings, now: datetime) -> Standing:
    since = min(rule.began_at(readings) or now, now)
    return Standing(since, "seen" if rule.seen_for else "told")


def _news(ailment: Ailment, before: Standing | None, stands: Standing | None) -> Turned | None:
    was = before is not None and before.stage == "told"
    if stands is not None and stands.stage == "told":
        return None if was else Turned(ailment, "began", stands.since)
    if before is None or not was:
        return None
    return Turned(ailment, "ended", before.since, withdrawn=stands is not None)
