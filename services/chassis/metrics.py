"""Gauges in which several services have a say; of what a query finds, or has not looked for yet; and of ages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
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


class GaugeOnceKnown:
    """A figure without labels that is told from the first look on. Before it, a 0 would say that all is well."""

    def __init__(self, name: str, documentation: str, registry: CollectorRegistry) -> None:
        self._gauge = Gauge(name, documentation, registry=None)
        self._registry: CollectorRegistry | None = registry

    def set(self, value: float) -> None:
        self._gauge.set(value)
        if self._registry is not None:
            self._registry.register(self._gauge)
            self._registry = None


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


class GaugeOfAges:
    """For how long something has lasted, told as a whole by when it began, and worked out at the scrape.

    So it grows by itself: whoever can't look any more, since the database is away, must not go on telling the age of then.
    """

    def __init__(self, gauge: Gauge, now: Callable[[], datetime]) -> None:
        self._gauge = gauge
        self._now = now
        self._since: Mapping[tuple[str, ...], datetime | None] = {}

    def tell(self, since: Mapping[tuple[str, ...], datetime | None]) -> None:
        """By the labels' values, in the gauge's order; None: nothing lasts, 0 s. What is left out is told of no more."""
        for gone in self._since.keys() - since.keys():
            self._gauge.remove(*gone)
        before, self._since = self._since, since
        for labels in since.keys() - before.keys():
            self._gauge.labels(*labels).set_function(partial(self._age_s, labels))

    def _age_s(self, labels: tuple[str, ...]) -> float:
        since = self._since.get(labels)
        return 0.0 if since is None else max((self._now() - since).total_seconds(), 0.0)
