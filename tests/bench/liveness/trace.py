"""What happened in a month, device by device: when each could not be heard, and when it could not call for help.

Nothing is measured of any real fleet: no public figures exist (docs/decisions says which are assumed). Both rules are judged
on the same trace, so that the figures compare rules and not fleets. Seconds are counted from the month's beginning.

Heartbeats are not made one by one (there would be two hundred million): between disturbances they come as promised, and no
rule that knows when a device was last heard can tell more from each of them. What is made is every gap in what was heard.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

DAY_S: Final = 86_400.0
MONTH_S: Final = 30 * DAY_S
_HOUR_S: Final = 3_600.0


class Cause(StrEnum):
    """Why a device was not heard. With the first four it cannot call for help; with the others it can."""

    BROKEN = "broken"  # unplugged, worn out, drowned: one home
    COVERAGE = "no coverage"  # one home's radio
    OPERATOR = "operator outage"
    POWER_CUT = "power cut"  # those on a fixed line, whose router has no battery
    BLIND = "we were blind"
    LOSS = "lost heartbeats"  # each by itself: nobody is to blame
    STUCK = "heartbeats held up"  # looks dead, works (Borås): its other messages come through


UNABLE: Final = frozenset({Cause.BROKEN, Cause.COVERAGE, Cause.OPERATOR, Cause.POWER_CUT})


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to before `end`, in seconds."""

    start: float
    end: float

    @property
    def length(self) -> float:
        return self.end - self.start

    def meets(self, other: Span) -> bool:
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Disturbance:
    """A device was not heard, or nobody was, for so long, and why."""

    span: Span
    cause: Cause


@dataclass(frozen=True, slots=True)
class Gap:
    """Nothing of a device was heard after `heard_at` until `again_at` (the month's end, if not before)."""

    heard_at: float
    again_at: float


@dataclass(frozen=True, slots=True)
class Kind:
    """How a part of the fleet is: its share, its heartbeats, how many of them are lost, its radio."""

    name: str
    share: float
    interval_s: float
    silent_after_s: float
    loss: float  # of single heartbeats
    coverage_lost_per_day: float = 0.0
    coverage_lost_s: float = 0.0  # on average, exponential
    stuck_per_month: float = 0.0
    fixed_line: bool = False


KINDS: Final = (
    Kind("fixed line", 0.55, 60, 600, loss=0.001, fixed_line=True),
    Kind("mobile", 0.32, 60, 600, loss=0.01, coverage_lost_per_day=0.05, coverage_lost_s=240, stuck_per_month=0.5),
    Kind("mobile, sparing", 0.08, 300, 1800, loss=0.01, coverage_lost_per_day=0.05, coverage_lost_s=240),
    Kind(
        "mobile, at the edge",
        0.05,
        60,
        600,
        loss=0.15,
        coverage_lost_per_day=10,
        coverage_lost_s=300,
        stuck_per_month=1,
    ),
)
OPERATORS: Final = ("23410", "23415", "23420", "23430")
DISTRICTS: Final = 80
CELLS_PER_OPERATOR: Final = 60


@dataclass(slots=True)
class Device:
    """One home, and all that befell it."""

    device_id: str
    kind: Kind
    operator: str | None
    cell: str | None
    district: str
    disturbances: list[Disturbance] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)  # in what was heard of it, whatever that was
    heartbeat_gaps: list[Gap] = field(default_factory=list)  # in its heartbeats alone

    def unable(self) -> list[Span]:
        """When it could not call for help, joined."""
        return joined(each.span for each in self.disturbances if each.cause in UNABLE)


@dataclass(frozen=True, slots=True)
class Month:
    """The fleet, and when we were blind: the same for all of it."""

    devices: Sequence[Device]
    blind: Sequence[Span]


def make_month(count: int, seed: int) -> Month:
    """The same for the same `count` and `seed`."""
    chance = random.Random(seed)
    blind = [
        *(Span(at, at + 20) for at in _moments(chance, 8)),  # restarts
        *(Span(at, at + 15 * 60) for at in _moments(chance, 2)),  # the database was away
        *(Span(at, at + 40 * 60) for at in _moments(chance, 1)),  # the broker was
    ]
    devices = [_device(chance, number, kind) for number, kind in enumerate(_kinds(count))]
    for device in devices:
        _disturb(chance, device)
    _together(chance, devices)
    for device in devices:
        device.disturbances += [Disturbance(span, Cause.BLIND) for span in blind]
        _find_gaps(chance, device)
    return Month(devices, joined(blind))


def joined(spans: Iterable[Span]) -> list[Span]:
    """The same instants in as few spans as can be, in order."""
    whole: list[Span] = []
    for span in sorted(spans, key=lambda each: each.start):
        if whole and span.start <= whole[-1].end:
            whole[-1] = Span(whole[-1].start, max(whole[-1].end, span.end))
        else:
            whole.append(span)
    return whole


def _kinds(count: int) -> Iterator[Kind]:
    for kind in KINDS:
        yield from [kind] * round(count * kind.share)


def _device(chance: random.Random, number: int, kind: Kind) -> Device:
    operator = None if kind.fixed_line else chance.choice(OPERATORS)
    cell = None if operator is None else f"{operator}-{chance.randrange(CELLS_PER_OPERATOR)}"
    return Device(f"SIM-{number:06}", kind, operator, cell, f"D{chance.randrange(DISTRICTS)}")


def _moments(chance: random.Random, count: int) -> list[float]:
    """Not in the first day, for nobody is known then; not in the last, in which nothing could be found out any more."""
    return [chance.uniform(DAY_S, MONTH_S - DAY_S) for _ in range(count)]


def _poisson(chance: random.Random, mean: float) -> int:
    """How many of what happens so often on average."""
    count, left = 0, chance.expovariate(1.0)
    while left < mean:
        count += 1
        left += chance.expovariate(1.0)
    return count


def _disturb(chance: random.Random, device: Device) -> None:
    """What befalls one home alone."""
    kind = device.kind
    for at in _moments(chance, _poisson(chance, 0.08)):
        lasts = max(0.5 * _HOUR_S, chance.expovariate(1 / (12 * _HOUR_S)))
        _add(device, at, lasts, Cause.BROKEN)
    for at in _moments(chance, _poisson(chance, kind.coverage_lost_per_day * 28)):
        _add(device, at, chance.expovariate(1 / kind.coverage_lost_s), Cause.COVERAGE)
    for at in _moments(chance, _poisson(chance, kind.stuck_per_month)):
        _add(device, at, chance.uniform(900, 3600), Cause.STUCK)


def _together(chance: random.Random, devices: Sequence[Device]) -> None:
    """What befalls many at once: an operator for 4 hours, three cells for 2, two districts' mains for 3."""
    operator = chance.choice(OPERATORS)
    cells = [f"{chance.choice(OPERATORS)}-{chance.randrange(CELLS_PER_OPERATOR)}" for _ in range(3)]
    districts = [f"D{chance.randrange(DISTRICTS)}" for _ in range(2)]
    first, *others = _moments(chance, 6)
    for device in devices:
        if device.operator == operator:
            _add(device, first, 4 * _HOUR_S, Cause.OPERATOR)
        for at, cell in zip(others[:3], cells, strict=True):
            if device.cell == cell:
                _add(device, at, 2 * _HOUR_S, Cause.OPERATOR)
        for at, district in zip(others[3:], districts, strict=True):
            if device.kind.fixed_line and device.district == district:
                _add(device, at, 3 * _HOUR_S, Cause.POWER_CUT)


def _add(device: Device, at: float, lasts: float, cause: Cause) -> None:
    device.disturbances.append(Disturbance(Span(at, min(at + lasts, MONTH_S)), cause))


def _find_gaps(chance: random.Random, device: Device) -> None:
    """Every gap of half the time after which a device is called silent, or more; in order."""
    kind, worth = device.kind, device.kind.silent_after_s / 2
    deaf = [each.span for each in device.disturbances if each.cause is not Cause.STUCK]
    deaf += _runs_of_losses(chance, kind, worth)
    unheard = [_widened(chance, kind, each) for each in joined(deaf)]
    stuck = [each.span for each in device.disturbances if each.cause is Cause.STUCK]
    no_heartbeat = [_widened(chance, kind, each) for each in joined(stuck)]
    between = [span for each in stuck for span in _between_messages(chance, each)]
    device.heartbeat_gaps = _long(joined([*unheard, *no_heartbeat]), worth)
    device.gaps = _long(joined([*unheard, *between]), worth)


def _long(spans: Iterable[Span], worth: float) -> list[Gap]:
    return [Gap(max(0.0, each.start), min(MONTH_S, each.end)) for each in spans if each.length >= worth]


def _between_messages(chance: random.Random, stuck: Span) -> Iterator[Span]:
    """Its connection is made anew every few minutes, which is what holds its heartbeats up; each time it says that it is online."""
    at = stuck.start
    while at < stuck.end:
        until = min(stuck.end, at + chance.uniform(60, 360))
        yield Span(at, until - 1e-3)
        at = until


def _widened(chance: random.Random, kind: Kind, span: Span) -> Span:
    """From the last heartbeat that came before it to the first that came after; either may have been lost by itself."""
    before = chance.random() * kind.interval_s + _lost(chance, kind) * kind.interval_s
    after = chance.random() * kind.interval_s + _lost(chance, kind) * kind.interval_s
    return Span(span.start - before, span.end + after)


def _lost(chance: random.Random, kind: Kind) -> int:
    """How many heartbeats in a row are lost by themselves."""
    return int(math.log(1.0 - chance.random()) / math.log(kind.loss)) if kind.loss else 0


def _runs_of_losses(chance: random.Random, kind: Kind, worth: float) -> Iterator[Span]:
    """Runs of single losses that are long enough to matter: of at least so many, at as many places as are to be expected."""
    long_enough = math.ceil(worth / kind.interval_s)
    beats = MONTH_S / kind.interval_s
    for at in _moments(chance, _poisson(chance, beats * kind.loss**long_enough * (1 - kind.loss))):
        yield Span(at, at + (long_enough - 1 + _lost(chance, kind)) * kind.interval_s)
