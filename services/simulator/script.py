"""The demo's story: who presses, who falls, whose battery runs low, and what goes wrong on the way; the same for the same seed."""

import asyncio
import heapq
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from services.simulator.fleet import Fleet
from services.simulator.malformed import GARBLINGS
from services.simulator.occurrence import Occurrence

_PRESS: Final = Occurrence(kind="personal_trigger", peripheral_id="pendant-1", location="home")
_FALL: Final = Occurrence(kind="fall", peripheral_id="wrist-1", location="hallway")
_PULL_CORD: Final = Occurrence(kind="fixed_trigger", peripheral_id="cord-1", location="bathroom")
_SMOKE: Final = Occurrence(kind="smoke", peripheral_id="smoke-1", location="kitchen")
_BED: Final = Occurrence(kind="bed", peripheral_id="bed-1", location="bedroom", text="not back in bed after 30 min")
_DOOR: Final = Occurrence(kind="wandering", peripheral_id="door-1", location="front_door")
_BATTERY_LOW: Final = Occurrence(kind="personal_trigger", status="battery_low", peripheral_id="pendant-1")
_MAINS_LOST: Final = Occurrence(kind="power_supply")


@dataclass(frozen=True, slots=True, order=True)
class Beat:
    """At this many seconds into the story, this happens at this box (its place in the fleet)."""

    at_s: float
    box: int
    occurrence: Occurrence = _PRESS


_Turn: TypeAlias = Callable[[random.Random], "list[tuple[float, Occurrence]]"]
"""What happens at one box, as seconds from its first beat."""


def _once(occurrence: Occurrence) -> _Turn:
    return lambda _: [(0.0, occurrence)]


def _then(first: Occurrence, second: Occurrence, after_s: tuple[float, float]) -> _Turn:
    return lambda rng: [(0.0, first), (rng.uniform(*after_s), second)]


def _malformed(rng: random.Random) -> list[tuple[float, Occurrence]]:
    return [(0.0, replace(_PRESS, garbling=rng.choice(GARBLINGS)))]


# How often each comes, in parts of their sum.
_TURNS: Final[Sequence[tuple[int, _Turn]]] = (
    (26, _once(_PRESS)),
    (14, _once(_FALL)),
    (8, _once(_PULL_CORD)),
    (4, _once(_SMOKE)),
    (6, _once(_BED)),
    (5, _once(_DOOR)),
    (9, _then(_PRESS, _PRESS, (2.0, 6.0))),
    (6, _then(_PRESS, replace(_PRESS, status="cancelled"), (3.0, 7.0))),
    (8, _then(_BATTERY_LOW, replace(_BATTERY_LOW, status="restored"), (8.0, 25.0))),
    (3, _then(_MAINS_LOST, replace(_MAINS_LOST, status="restored"), (8.0, 25.0))),
    (7, _once(replace(_PRESS, test=True))),
    (4, _malformed),
    (4, _once(replace(_FALL, sent_twice=True))),
)


def story(*, boxes: int, seed: int, pause_s: tuple[float, float] = (0.7, 1.6)) -> Iterator[Beat]:
    """Beats without end, in order of time; `pause_s` lies between one turn and the next."""
    rng = random.Random(seed)  # noqa: S311 - a story
    weights = [weight for weight, _ in _TURNS]
    ahead: list[tuple[float, int, Beat]] = []  # the number keeps beats of one instant in order
    next_at_s, number = 0.5, 0
    while True:
        box = rng.randrange(boxes)
        ((_, turn),) = rng.choices(_TURNS, weights)
        for after_s, occurrence in turn(rng):
            number += 1
            heapq.heappush(ahead, (next_at_s + after_s, number, Beat(next_at_s + after_s, box, occurrence)))
        next_at_s += rng.uniform(*pause_s)
        while ahead and ahead[0][0] <= next_at_s:
            yield heapq.heappop(ahead)[2]


async def play(beats: Iterator[Beat], fleet: Fleet, *, for_s: float | None = None) -> None:
    """Let them happen at their time. Nothing happens after `for_s`, so that what has happened can be seen to the end."""
    boxes = list(fleet.boxes.values())
    began_at = time.monotonic()
    for beat in beats:
        if for_s is not None and beat.at_s > for_s:
            return
        await asyncio.sleep(max(0.0, began_at + beat.at_s - time.monotonic()))
        boxes[beat.box].raise_alarm(beat.occurrence)
