"""What a check found: how bad it is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["good", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report. `advice` says what to do; a `good` one has none."""

    area: str
    level: Level
    what: str
    advice: str | None = None


def good(area: str, what: str) -> Finding:
    return Finding(area, "good", what)


def note(area: str, what: str, advice: str) -> Finding:
    """Works, but not as a real installation should."""
    return Finding(area, "note", what, advice)


def wrong(area: str, what: str, advice: str) -> Finding:
    """An alarm may be lost or late because of it."""
    return Finding(area, "wrong", what, advice)
