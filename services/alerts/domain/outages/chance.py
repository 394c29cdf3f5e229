"""Is it chance? Two numbers, as natural logarithms, for they are too small, and too large, for anything else."""

from math import inf, lgamma, log, log1p
from typing import Final

_TERMS_MAX: Final = 10_000
_NEGLIGIBLE: Final = 1e-12


def log_upper_tail(count: int, mean: float) -> float:
    """The logarithm of P(X ≥ count) of a Poisson variable X: nought (certain) up to its mean, where nobody would be surprised.

    Above its mean the terms fall at least as fast as a geometric series, and the first says nearly all.
    """
    if count <= mean or count <= 0:
        return 0.0
    if mean <= 0:
        return -inf
    term = total = 1.0
    for further in range(1, _TERMS_MAX):
        term *= mean / (count + further)
        total += term
        if term < total * _NEGLIGIBLE:
            break
    return min(count * log(mean) - mean - lgamma(count + 1) + log(total), 0.0)


def log_likelihood_ratio(cases: int, devices: int, all_cases: int, all_devices: int) -> float:
    """How much better it explains who is affected that those inside are so at a rate of their own, and those outside at theirs.

    Of `devices` inside `cases` are affected; of `all_devices`, `all_cases`. Nought when the rate inside is not the higher one.
    Source: M. Kulldorff, A spatial scan statistic, Communications in Statistics 26 (1997), 1481-1496, the Bernoulli model.
    """
    cases_outside, outside = all_cases - cases, all_devices - devices
    if devices <= 0 or outside <= 0 or cases * outside <= cases_outside * devices:
        return 0.0
    apart = _log_likelihood(cases, devices) + _log_likelihood(cases_outside, outside)
    return max(apart - _log_likelihood(all_cases, all_devices), 0.0)


def _log_likelihood(cases: int, devices: int) -> float:
    """Of so many cases at the rate that makes them likeliest."""
    rate = cases / devices
    if rate <= 0 or rate >= 1:
        return 0.0
    return cases * log(rate) + (devices - cases) * log1p(-rate)
