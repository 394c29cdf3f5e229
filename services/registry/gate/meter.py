"""How much may pass: whoever sends more waits. Nothing is dropped."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True)
class Meter:
    """So many units a second, and so many at once after a rest."""

    per_s: float
    burst: float
    _left: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._left, self._at = self.burst, asyncio.get_running_loop().time()

    async def take(self, units: float) -> None:
        """Return when they may pass; who came first passes first."""
        now = asyncio.get_running_loop().time()
        self._left = min(self.burst, self._left + (now - self._at) * self.per_s) - units
        self._at = now
        if self._left < 0:
            await asyncio.sleep(-self._left / self.per_s)
