"""As many heartbeats a second as the country's first million homes send, for a minute, with alarms among them."""

import asyncio
import secrets
import time
from bisect import bisect_left
from dataclasses import dataclass
from statistics import linear_regression
from typing import Any, Final

from tests.bench.alarms import Delays, Pressing
from tests.bench.house import House
from tests.bench.meter import Cost, Meter, used
from tests.bench.programs import Program

_LOOK_EVERY_S: Final = 1.0
_PATIENCE_S: Final = 30.0
_BEFORE_IT_ENDS_S: Final = 2.0  # the last alarms, too, are under load


@dataclass(frozen=True)
class Backlog:
    """Sent and not yet stored, each second."""

    heartbeats: list[int]
    per_s: float  # sent

    @property
    def growth_per_s(self) -> float:
        """The slope of the line through it."""
        return linear_regression(range(len(self.heartbeats)), self.heartbeats).slope

    @property
    def is_flat(self) -> bool:
        """It grows by less than a hundredth of what is sent, and never reached two seconds' worth."""
        return self.growth_per_s < self.per_s / 100 and max(self.heartbeats) < 2 * self.per_s


@dataclass(frozen=True)
class Paced:
    """How the minute went."""

    sent: int
    sent_in_s: float
    stored: int
    backlog: Backlog
    costs: dict[str, Cost]
    alarms: Delays

    @property
    def per_s(self) -> float:
        return self.sent / self.sent_in_s


async def paced(house: House) -> Paced:
    """Measure it. The service is being served."""
    plan, boot = house.plan, secrets.token_hex(6)
    total = plan.paced_per_s * plan.paced_s
    settled_before = await house.settled()
    alarms = round((plan.paced_s - _BEFORE_IT_ENDS_S) * plan.alarms_per_s)
    async with house.publisher(boot, total, plan.paced_per_s) as publisher:
        meter = Meter(house.parts())
        pressing = asyncio.create_task(Pressing(house).run(alarms, per_s=plan.alarms_per_s, warm_up=0))
        told, looks = await _watch(house, publisher)
        await house.until_settled(settled_before + total, _PATIENCE_S)
        costs = meter.costs(total)
        delays = await pressing
    backlog = [_sent_by(at, told) - (settled - settled_before) for at, settled in looks]
    return Paced(
        sent=int(told[-1]["sent"]),
        sent_in_s=told[-1]["at"] - told[-1]["first_at"],
        stored=await house.stored(boot),
        backlog=Backlog(backlog, plan.paced_per_s),
        costs={**costs, "publisher": used(told[0], told[-1], total)},
        alarms=delays,
    )


async def _watch(house: House, publisher: Program) -> tuple[list[dict[str, Any]], list[tuple[float, int]]]:
    """All that the publisher told, and how many were settled, and when, while it sent."""
    telling = asyncio.create_task(publisher.all_it_says())
    looks: list[tuple[float, int]] = []
    while not telling.done():
        asked_at = time.monotonic()
        settled = await house.settled()
        looks.append(((asked_at + time.monotonic()) / 2, settled))
        await asyncio.wait({telling}, timeout=_LOOK_EVERY_S)
    return telling.result(), looks[1:]  # the first was before anything was sent


def _at(line: dict[str, Any]) -> float:
    at: float = line["at"]
    return at


def _sent_by(at: float, told: list[dict[str, Any]]) -> int:
    """How many were sent by then, on the line between two tellings."""
    position = bisect_left(told, at, key=_at)
    if position in {0, len(told)}:
        return int(told[min(position, len(told) - 1)]["sent"])
    before, after = told[position - 1], told[position]
    share = (at - before["at"]) / (after["at"] - before["at"])
    return int(before["sent"] + share * (after["sent"] - before["sent"]))
