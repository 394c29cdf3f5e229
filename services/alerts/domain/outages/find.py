"""Are they one outage, and of what? A few devices make none, nor does chance; the trait that explains them best gives the name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from math import log
from typing import Final, Literal, TypeAlias

from contracts.condition import Condition
from services.alerts.domain.outages.census import ATTRIBUTES, Attribute, Census, Trait
from services.alerts.domain.outages.chance import log_likelihood_ratio, log_upper_tail

WINDOW: Final = timedelta(minutes=15)
"""Whoever is affected within it is affected together: models report, and are called silent, at intervals of their own."""
DEVICES_MIN: Final = 5
SHARE_MIN: Final[Mapping[Condition, float]] = {"silent": 0.30, "mains_lost": 0.20}
"""Of all watched devices with the trait. Some have no mains to lose, or a radio that a power cut leaves alone."""
LOG_P_MAX: Final = log(1e-6)
SUSPECTED_DEVICES_MIN: Final = 3
SUSPECTED_LOG_P_MAX: Final = log(1e-3)
"""An outage may be beginning. It costs but some minutes if it is not; who is told one by one cannot be untold."""
CONTRAST_MIN: Final = 3.0
"""ln 20: by how much, over the number of candidates, the best must explain better than that all are affected alike."""
RATE_FLOOR_PER_HOUR: Final = 1 / (60 * 24)
"""Nothing is taken to fail less often than once in 60 days, however quiet its week was."""
USUAL_OVER: Final = timedelta(days=7)

_BY_PLACE: Final[tuple[Attribute, ...]] = (
    "postcode_district",
    "council_id",
    "cell_id",
    "sim_operator",
    "network",
    "firmware",
    "model",
)
NAMED_FIRST: Final[Mapping[Condition, tuple[Attribute, ...]]] = {"silent": ATTRIBUTES, "mains_lost": _BY_PLACE}
"""Of traits that the same devices have: networks fail by operator and cell, mains fails by place."""

Verdict: TypeAlias = Literal["chance", "suspected", "outage"]


@dataclass(frozen=True, slots=True)
class Usual:
    """How often a device becomes affected by itself, by the hour: of each trait, and never less than of the fleet."""

    fleet_per_hour: float = RATE_FLOOR_PER_HOUR
    by_trait: Mapping[Trait, float] = field(default_factory=dict)

    def per_hour(self, trait: Trait) -> float:
        return max(self.by_trait.get(trait, 0.0), self.fleet_per_hour)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A trait that explains `cases` of its `devices`. `log_p`: of chance, over all candidates."""

    trait: Trait
    cases: int
    devices: int
    log_p: float
    log_ratio: float


def usual(singles: Census, population: Census, over: timedelta) -> Usual:
    """From those that became affected by themselves in the time `over`."""
    hours = over / timedelta(hours=1)

    def rate(cases: int, devices: int) -> float:
        return max(cases / (max(devices, cases, 1) * hours), RATE_FLOOR_PER_HOUR)

    rates = {trait: rate(cases, population.of(trait)) for trait, cases in singles.by_trait.items()}
    return Usual(rate(singles.devices, population.devices), rates)


def find(condition: Condition, cases: Census, population: Census, rates: Usual) -> Finding | None:
    """The outage that explains most of these cases, if they are not chance.

    Of the traits that are improbable it is the one with the greatest likelihood ratio. Does none stand out from the rest, for
    everything is affected alike, it is the one with most cases. Ties are broken by `NAMED_FIRST`, then by the value.
    """
    found = [each for each in _judged(cases, population, rates) if _verdict(condition, each) == "outage"]
    if not found:
        return None
    stands_out = max(each.log_ratio for each in found) >= contrast_min(population)
    order = NAMED_FIRST[condition]

    def rank(each: Finding) -> tuple[float, int, int, str]:
        ratio = -each.log_ratio if stands_out else 0.0
        return ratio, -each.cases, order.index(each.trait.attribute), each.trait.value

    return min(found, key=rank)


def suspected(condition: Condition, cases: Census, population: Census, rates: Usual) -> frozenset[Trait]:
    """Traits of which more are affected than is likely, and not yet what makes an outage: it may be only beginning.

    A network that is lost at one instant is noticed device by device, over as long as they take to report.
    """
    judged = _judged(cases, population, rates)
    return frozenset(each.trait for each in judged if _verdict(condition, each) == "suspected")


def explained_by(trait: Trait, cases: Census, population: Census) -> float:
    """How well a trait explains these cases, as a log likelihood ratio."""
    devices = max(population.of(trait), cases.of(trait))
    return log_likelihood_ratio(
        cases.of(trait), devices, cases.devices, max(population.devices, cases.devices, devices)
    )


def has_share(condition: Condition, cases: int, devices: int) -> bool:
    """Whether so many of a trait's devices are affected that it is to blame for one more."""
    return cases >= SHARE_MIN[condition] * max(devices, 1)


def contrast_min(population: Census) -> float:
    """How much better one explanation must be than another to be preferred."""
    return log(max(len(population.by_trait), 1)) + CONTRAST_MIN


def _judged(cases: Census, population: Census, rates: Usual) -> Iterator[Finding]:
    """All traits that are worth a look. Every trait of the fleet counts as looked at (Bonferroni), for each could have been one."""
    candidates = log(max(len(population.by_trait), 1))
    hours = WINDOW / timedelta(hours=1)
    for trait, count in cases.by_trait.items():
        if count < SUSPECTED_DEVICES_MIN:
            continue
        devices = max(population.of(trait), count)
        log_p = log_upper_tail(count, devices * rates.per_hour(trait) * hours) + candidates
        yield Finding(
            trait=trait,
            cases=count,
            devices=devices,
            log_p=min(log_p, 0.0),
            log_ratio=explained_by(trait, cases, population),
        )


def _verdict(condition: Condition, each: Finding) -> Verdict:
    if each.log_p >= SUSPECTED_LOG_P_MAX:
        return "chance"
    enough = each.cases >= DEVICES_MIN and each.log_p < LOG_P_MAX
    return "outage" if enough and has_share(condition, each.cases, each.devices) else "suspected"
