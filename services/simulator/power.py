"""Mains and battery of one box: how much is left, when it will be gone, and what of it is to be reported."""

from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from services.simulator.timing import Timing

Report: TypeAlias = Literal["mains_lost", "battery_low"]

_FULL_PCT: Final = 100.0


class Power:
    """Drains and charges evenly; made with mains and a full battery."""

    def __init__(self, timing: Timing, now: datetime) -> None:
        self._timing = timing
        self._level_pct = _FULL_PCT  # as it was at `_since`
        self._since = now
        self._lost_at: datetime | None = None
        self._reported: set[Report] = set()

    @property
    def mains(self) -> bool:
        """Whether there is any."""
        return self._lost_at is None

    def level_pct(self, now: datetime) -> float:
        """0 … 100."""
        elapsed_s = max(0.0, (now - self._since).total_seconds())
        change_pct = _FULL_PCT * elapsed_s / (self._timing.recharge_s if self.mains else -self._timing.battery_life_s)
        return min(_FULL_PCT, max(0.0, self._level_pct + change_pct))

    def lose_mains(self, now: datetime) -> None:
        """Run on the battery from now on."""
        if self.mains:
            self._settle(now)
            self._lost_at = now

    def restore_mains(self, now: datetime) -> bool:
        """Charge from now on. Whether the loss had been reported, so that its end must be."""
        self._settle(now)
        self._lost_at = None
        was_reported = bool(self._reported)
        self._reported.clear()
        return was_reported

    def take_reports(self, now: datetime) -> list[Report]:
        """What is to be reported by now, each once between two restores."""
        due = [report for report, at in self._report_times() if at <= now]
        self._reported.update(due)
        return due

    def is_flat(self, now: datetime) -> bool:
        """Whether nothing is left."""
        return not self.mains and self._reaches(0.0) <= now

    @property
    def next_at(self) -> datetime | None:
        """When time alone brings the next report, or the end. None while there is mains."""
        if self.mains:
            return None
        return min([at for _, at in self._report_times()] + [self._reaches(0.0)])

    def _report_times(self) -> list[tuple[Report, datetime]]:
        if self._lost_at is None:
            return []
        times: list[tuple[Report, datetime]] = [
            ("mains_lost", self._lost_at + timedelta(seconds=self._timing.mains_report_delay_s)),
            ("battery_low", self._reaches(self._timing.battery_low_pct)),
        ]
        return [(report, at) for report, at in times if report not in self._reported]

    def _reaches(self, level_pct: float) -> datetime:
        """When the draining battery is down to this; it may have been already."""
        left_s = self._timing.battery_life_s * max(0.0, self._level_pct - level_pct) / _FULL_PCT
        return self._since + timedelta(seconds=left_s)

    def _settle(self, now: datetime) -> None:
        self._level_pct, self._since = self.level_pct(now), max(now, self._since)
