"""Which presses are on their way round, which came back and how soon, and which never did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

Outcome: TypeAlias = Literal["delivered", "late", "lost", "unsent"]

LATE_AFTER_S: Final = 15.0
"""What came round later than this is no success: after so long without a hub an alarm goes to the next one (record 9)."""
LOST_AFTER_S: Final = 60.0


class Trip(NamedTuple):
    """A press that came round."""

    shard: str
    seconds: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class _Press:
    shard: str
    at_s: float


class Rounds:
    """Times are seconds of a clock that never goes back; a press is known by its number."""

    def __init__(self) -> None:
        self._under_way: dict[int, _Press] = {}

    def pressed(self, shard: str, seq: int, at_s: float) -> None:
        """It was given to the broker."""
        self._under_way[seq] = _Press(shard, at_s)

    def heard(self, seq: int, at_s: float) -> Trip | None:
        """The hub was told of it. None: told before, or given up, or never pressed by us."""
        press = self._under_way.pop(seq, None)
        if press is None:
            return None
        seconds = at_s - press.at_s
        return Trip(press.shard, seconds, "delivered" if seconds <= LATE_AFTER_S else "late")

    def lost(self, at_s: float) -> list[str]:
        """The shards of those that are given up now."""
        given_up = {seq: press for seq, press in self._under_way.items() if at_s - press.at_s > LOST_AFTER_S}
        for seq in given_up:
            del self._under_way[seq]
        return [press.shard for press in given_up.values()]
