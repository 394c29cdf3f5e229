"""A firmware, or model, whose devices fall silent one by one: no outage, for nothing happened at once, but somebody must know."""

from collections.abc import Collection, Iterator
from math import log
from typing import Final

from services.alerts.domain.outages.census import Attribute, Census, Trait
from services.alerts.domain.outages.chance import log_upper_tail
from services.alerts.domain.outages.find import DEVICES_MIN, LOG_P_MAX

DECAYING: Final[tuple[Attribute, ...]] = ("firmware", "model")
TIMES_OTHERS: Final = 5
"""So many times as often as the others fall silent: that is no bad luck."""


GOES_ON_TIMES_OTHERS: Final = 2
"""And it goes on until it is no more than so many times as often, or fewer than `GOES_ON_DEVICES_MIN` in the week: by the bound at
which it began, one device more or less in seven days would begin and end it each minute."""
GOES_ON_DEVICES_MIN: Final = 3


def decaying(singles: Census, population: Census, known: Collection[Trait] = ()) -> Iterator[Trait]:
    """Firmware and models whose devices fell silent by themselves too often of late, against all the others.

    The same Poisson test as of an outage, against `TIMES_OTHERS` the rate of the others, over all that are looked at. Those that
    people were told of already (`known`) end by a bound of their own.
    """
    looked_at = {trait for trait in population.by_trait if trait.attribute in DECAYING}
    for trait in looked_at | set(known):
        cases, devices = singles.of(trait), max(population.of(trait), singles.of(trait))
        others = population.devices - devices
        of_others = (singles.devices - cases + 1) / max(others, 1)  # and one more: none in a week is not never
        if trait in known:
            if cases >= GOES_ON_DEVICES_MIN and cases > GOES_ON_TIMES_OTHERS * of_others * devices:
                yield trait
            continue
        if cases < DEVICES_MIN or others <= 0:
            continue
        log_p = log_upper_tail(cases, TIMES_OTHERS * of_others * devices) + log(len(looked_at))
        if log_p < LOG_P_MAX:
            yield trait
