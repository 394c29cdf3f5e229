"""Gauges in which several services have a say, and gauges of what a query finds, which may be there no more at the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from weakref import WeakKeyDictionary, WeakValueDictionary

from prometheus_client import CollectorRegistry, Gauge


class _Sayings:
    """Of one gauge, which keeps them."""

    def __init__(self) -> None:
        self.values: list[Callable[[], float]] = []

    def greatest(self) -> float:
        return max(each() for each in self.values)


_KNOWN: WeakKeyDictionary[CollectorRegistry, WeakValueDictionary[str, _Sayings]] = WeakKeyDictionary()
"""Held by their registries alone, which go with their process, or test."""


def greatest_of(registry: CollectorRegistry, name: str, documentation: str, value: Callable[[], float]) -> None:
    """Add a say. `value` is asked at each scrape, and only looks at memory."""
    known = _KNOWN.setdefault(registry, WeakValueDictionary())
    sayings = known.get(name)
    if sayings is None:
        sayings = known[name] = _Sayings()
        Gauge(name, documentation, registry=registry).set_function(sayings.greatest)
    sayings.values.append(value)


class GaugeOfRows:
    """A gauge with labels that is told as a whole, each time anew: of what is gone (a shard that was retired) no more is told."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._there: set[tuple[str, ...]] = set()

    def tell(self, values: Mapping[tuple[str, ...], float]) -> None:
        """By the labels' values, in the gauge's order. Each that stays is there throughout: a scrape in between misses none."""
        for gone in self._there - values.keys():
            self._gauge.remove(*gone)
        for labels, value in values.items():
            self._gauge.labels(*labels).set(value)
        self._there = set(values)
