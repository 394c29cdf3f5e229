"""How many boxes a fault cut off, and how long it took until they were back. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.soak.judge import AFTERMATH_S, Incident

BACK_SHARE: Final = 0.99
"""Of all boxes: the last one waits for its back-off, and for nothing of ours."""


@dataclass(frozen=True)
class Storm:
    """`back_s`: from the fault's end until 99 % of all boxes had a connection again; None: they had not by the end of the run."""

    cut_off: int
    back_s: float | None


def storms(incidents: Sequence[Incident], online: Sequence[tuple[float, int]], boxes: int) -> list[Storm]:
    """Of each, in their order. Of `boxes`, so many were online from each of those instants on."""
    next_at = [each.began_at for each in incidents[1:]] + [math.inf]
    return [_storm(each, at, online, boxes) for each, at in zip(incidents, next_at, strict=True)]


def _storm(incident: Incident, next_at: float, online: Sequence[tuple[float, int]], boxes: int) -> Storm:
    # Some lines break only when a box has waited for an answer; but what the next fault breaks is that one's.
    until = min(incident.ended_at + AFTERMATH_S, next_at)
    was = next((count for at, count in reversed(online) if at <= incident.began_at), 0)
    during = [each for each in online if incident.began_at < each[0] <= until]
    lowest_at, lowest = min(during, key=lambda each: each[1], default=(incident.began_at, was))
    back_at = next((at for at, count in online if at >= lowest_at and count >= BACK_SHARE * boxes), None)
    if lowest >= BACK_SHARE * boxes:
        back_at = incident.ended_at
    return Storm(max(0, was - lowest), None if back_at is None else max(0.0, back_at - incident.ended_at))
