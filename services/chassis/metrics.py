"""A gauge in which several services have a say, each in a process of its own or all in one: it is the greatest of what they say."""

from __future__ import annotations

from collections.abc import Callable
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
