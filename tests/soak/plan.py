"""How long, how many, how hard; and which fault comes when. Pure: the same plan for the same seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Plan:
    """`boxes_with_lines` have connections of their own and may call; the others, if there are any, share some, and only live."""

    for_s: float = 1800.0
    boxes: int = 5000
    boxes_with_lines: int = 5000
    heartbeat_interval_s: float = 60.0
    seed: int = 1
    press_every_s: float = 1.5
    fault_every_s: float = 20.0
    fault_lasts_s: tuple[float, float] = (3.0, 10.0)
    each_once: bool = False
    """Every fault of the table, in its order, and then the end: `for_s` follows from that."""
    repeat_max_s: float = 120.0
    """Of the boxes' waits between repeats. The contract's ten minutes would only make the end wait for a box."""
    connect_over_s: float = 60.0
    """An interval of heartbeats: boxes that began in one instant would for ever report in one."""
    reconnect_max_s: float = 15.0
    drain_max_s: float = 180.0
    look_every_s: float = 5.0


FULL: Final = Plan()
QUICK: Final = Plan(
    boxes=500,
    boxes_with_lines=150,
    heartbeat_interval_s=10.0,
    seed=7,
    press_every_s=0.5,
    fault_every_s=4.5,
    fault_lasts_s=(2.0, 3.0),
    each_once=True,
    repeat_max_s=15.0,
    connect_over_s=1.0,
    reconnect_max_s=4.0,
    drain_max_s=75.0,
    look_every_s=1.0,
)


@dataclass(frozen=True)
class Strike:
    """At so many seconds a fault of this name begins, to last so long."""

    at_s: float
    fault: str
    lasts_s: float


def strikes(plan: Plan, faults: Sequence[str]) -> list[Strike]:
    """When which fault comes: each once in this order, or, until the time is up, whichever the seed says."""
    rng = random.Random(plan.seed)
    count = len(faults) if plan.each_once else int((plan.for_s - plan.fault_lasts_s[1]) / plan.fault_every_s)
    names = faults if plan.each_once else _in_rounds(rng, faults, count)
    return [
        Strike((number + 1) * plan.fault_every_s, name, rng.uniform(*plan.fault_lasts_s))
        for number, name in enumerate(names)
    ]


def _in_rounds(rng: random.Random, faults: Sequence[str], count: int) -> list[str]:
    """Each comes once in a round, in an order of its own: a fault that chance never chose was not soaked in."""
    drawn: list[str] = []
    while len(drawn) < count:
        drawn += rng.sample(faults, len(faults))
    return drawn[:count]
