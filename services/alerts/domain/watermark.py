"""Since when a watermark stands still, by a clock that nobody can set. Pure.

The database's clock may be put forward, as when a standby takes over whose clock was ahead: then every watermark looks old at once,
until it is moved next. But it does move. So whoever watches one goes by how long it has stood still before his eyes; the database's
clock only says how old it was when he first saw it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """One as it was looked at: by the database's clock, and by ours (monotonic) when that was."""

    until: datetime
    heard_s: float


@dataclass(slots=True)
class Watermarks:
    """All of them, looked at again and again."""

    _seen: Mapping[str, Seen] = field(default_factory=dict)

    def look(self, until: Mapping[str, datetime], at: datetime, now_s: float) -> dict[str, float]:
        """Those that there are, at `at` by the database's clock and `now_s` by ours; for how many seconds each stands still."""
        self._seen = {name: _seen(self._seen.get(name), each, at, now_s) for name, each in until.items()}
        return {name: now_s - each.heard_s for name, each in self._seen.items()}


def _seen(before: Seen | None, until: datetime, at: datetime, now_s: float) -> Seen:
    by_their_clock = now_s - max((at - until).total_seconds(), 0.0)
    if before is None or until < before.until:  # put back with the clock, it says nothing of how far it moved
        return Seen(until, by_their_clock)
    if until == before.until:
        return before
    # Is it moved by the clock from before a step once more, it moves by as much as time did; by more, and it goes by the new one.
    by_its_move = before.heard_s + (until - before.until).total_seconds()
    return Seen(until, max(by_their_clock, before.heard_s if by_its_move > now_s else by_its_move))
