"""How much may pass: whoever sends more waits. Nothing is dropped."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)


@dataclass(slots=True)
class Meter:
    """So many units a second, and so many at once after a rest.

    What passes is deducted when it passes, not when it is asked for: so there is no debt, and who gives up while they wait
    has taken nothing from anybody.
    """

    per_s: float
    burst: float
    _left: float = field(init=False)
    _at: float = field(init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._left, self._at = self.burst, _now()

    async def take(self, units: float) -> None:
        """Return when they may pass; who came first passes first. More than a burst is a burst: it would never be there."""
        units = min(units, self.burst)
        async with self._turn:
            lacking = units - self._rested()
            if lacking > 0:
                await asyncio.sleep(lacking / self.per_s)
            self._left = self._rested() - units

    @property
    def is_full(self) -> bool:
        """Nobody waits, and a new one would know no more."""
        return not self._turn.locked() and self._rested() >= self.burst

    def _rested(self) -> float:
        now = _now()
        self._left = min(self.burst, self._left + (now - self._at) * self.per_s)
        self._at = now
        return self._left


@dataclass(slots=True)
class Lanes:
    """A measure for alarms and another for all else: however much of that there is, it delays no alarm."""

    alarms: Meter
    others: Meter

    @property
    def is_full(self) -> bool:
        return self.alarms.is_full and self.others.is_full


@dataclass(slots=True)
class Kept(Generic[_Key]):
    """Somebody's lanes, the same when they come again. Of `most` at a time; those that are full again go first."""

    make: Callable[[], Lanes]
    most: int
    _lanes: OrderedDict[_Key, Lanes] = field(default_factory=OrderedDict)

    def of(self, key: _Key) -> Lanes:
        """Theirs, as they left them."""
        if key not in self._lanes:
            if len(self._lanes) >= self.most:
                self._forget()
            self._lanes[key] = self.make()
        self._lanes.move_to_end(key)
        return self._lanes[key]

    def _forget(self) -> None:
        """Whatever is full is as good as new; failing that, whoever came longest ago."""
        for key in [key for key, lanes in self._lanes.items() if lanes.is_full]:
            del self._lanes[key]
        if len(self._lanes) >= self.most:
            self._lanes.popitem(last=False)


def _now() -> float:
    return asyncio.get_running_loop().time()
