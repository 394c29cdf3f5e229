"""Mains and battery of one box: how much is left at any instant, and when it will be gone."""

from datetime import datetime, timedelta
from typing import Final

FULL_PCT: Final = 100.0


class Power:
    """Drains and charges evenly. `life_s` is full to empty without mains, `recharge_s` empty to full with it."""

    def __init__(self, *, life_s: float, recharge_s: float, now: datetime) -> None:
        self.mains = True
        self._life_s = life_s
        self._recharge_s = recharge_s
        self._level_pct = FULL_PCT  # as it was at `_since`
        self._since = now

    def level_pct(self, now: datetime) -> float:
        """0 … 100."""
        elapsed_s = max(0.0, (now - self._since).total_seconds())
        change_pct = FULL_PCT * elapsed_s / (self._recharge_s if self.mains else -self._life_s)
        return min(FULL_PCT, max(0.0, self._level_pct + change_pct))

    def lose_mains(self, now: datetime) -> None:
        """Run on the battery from now on."""
        self._settle(now)
        self.mains = False

    def restore_mains(self, now: datetime) -> None:
        """Charge from now on."""
        self._settle(now)
        self.mains = True

    def reaches(self, level_pct: float) -> datetime | None:
        """When the draining battery is down to this (it may have been already); None while there is mains."""
        if self.mains:
            return None
        return self._since + timedelta(seconds=self._life_s * max(0.0, self._level_pct - level_pct) / FULL_PCT)

    def _settle(self, now: datetime) -> None:
        self._level_pct, self._since = self.level_pct(now), max(now, self._since)
