"""What befalls a fleet from outside. Each is a coroutine over the fleet's boxes; any of them go together."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.simulator.box import Box


class Misbehaviour(Protocol):
    """Run as a task beside the boxes, and cancelled with them."""

    async def run(self, boxes: Sequence[Box], rng: random.Random, /) -> None:
        """Do it, and return when it is over; what it changed stays as it then is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCut:
    """The mains fail in a postcode district: first batteries, then (after the `Timing`'s battery life) silence."""

    district: str
    after_s: float = 0.0
    for_s: float | None = None  # None is for good

    async def run(self, boxes: Sequence[Box], _rng: random.Random) -> None:
        """See `Misbehaviour.run`."""
        there = [box for box in boxes if box.device.identity.postcode_district == self.district]
        await asyncio.sleep(self.after_s)
        _each(there, Box.lose_mains)
        if self.for_s is not None:
            await asyncio.sleep(self.for_s)
            _each(there, Box.restore_mains)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorOutage:
    """The SIMs of one operator lose their network, and come back, each at its moment within `return_spread_s`."""

    sim_operator: str
    after_s: float = 0.0
    for_s: float | None = None
    return_spread_s: float = 5.0

    async def run(self, boxes: Sequence[Box], rng: random.Random) -> None:
        """See `Misbehaviour.run`."""
        affected = [box for box in boxes if _is_mobile(box) and box.device.identity.sim_operator == self.sim_operator]
        await asyncio.sleep(self.after_s)
        _each(affected, Box.lose_network)
        if self.for_s is not None:
            await asyncio.sleep(self.for_s)
            _each(affected, lambda box: box.regain_network(after_s=rng.uniform(0, self.return_spread_s)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Flapping:
    """A share of the boxes lose their network again and again."""

    share: float
    up_s: float = 8.0
    down_s: float = 3.0

    async def run(self, boxes: Sequence[Box], rng: random.Random) -> None:
        """See `Misbehaviour.run`. It does not end by itself."""
        flapping = [box for box in boxes if rng.random() < self.share]
        async with asyncio.TaskGroup() as group:
            for box in flapping:
                group.create_task(self._flap(box, rng))

    async def _flap(self, box: Box, rng: random.Random) -> None:
        while True:
            await asyncio.sleep(self.up_s * rng.uniform(0.5, 1.5))
            box.lose_network()
            await asyncio.sleep(self.down_s * rng.uniform(0.5, 1.5))
            box.regain_network()


def _is_mobile(box: Box) -> bool:
    return box.device.identity.network != "ethernet"


def _each(boxes: Sequence[Box], act: Callable[[Box], None]) -> None:
    for box in boxes:
        act(box)
