"""Which pages of liveness are looked at in this pass, so that all of them are within a minute, and no pass does it all. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

ROUND: Final = timedelta(seconds=60)
AT_LEAST: Final = 8
"""In one pass: small tables are looked at in one go."""


@dataclass(slots=True)
class Rounds:
    """Slices are those of `domain.slices`. What is remembered is never stored: whoever begins looks at all of them, in turn."""

    passes: int  # in a round
    _looked_at: dict[int, datetime] = field(default_factory=dict)

    def due(self, slices: int, now: datetime) -> list[int]:
        """Those to look at in this pass, of a table of so many; whoever has waited longest first. A clock put back is no wait."""
        waiting = [number for number in range(slices) if not self._is_fresh(number, now)]
        waiting.sort(key=lambda number: (number in self._looked_at, self._looked_at.get(number)))
        return waiting[: max(AT_LEAST, -(-slices // self.passes) + 1)]

    def looked(self, number: int, now: datetime) -> None:
        self._looked_at[number] = now

    def _is_fresh(self, number: int, now: datetime) -> bool:
        looked_at = self._looked_at.get(number)
        return looked_at is not None and now - ROUND < looked_at <= now
