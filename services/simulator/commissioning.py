"""What an engineer does to a box that is being commissioned: the box has to show that it works."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from contracts.vocabulary import Network
from services.simulator.box import Box
from services.simulator.occurrence import Occurrence


@dataclass(frozen=True, slots=True, kw_only=True)
class Commissioning:
    """Pull the mains plug and put it back, try each path, set off each trigger in test mode; then leave the box as it was.

    `pause_s` lies between one step and the next: more than an interval of heartbeats, so that each shows in one.
    """

    triggers: Sequence[Occurrence]
    paths: Sequence[Network] = ()
    pause_s: float = 20.0

    async def run(self, boxes: Sequence[Box], _rng: random.Random) -> None:
        """See `Misbehaviour.run`."""
        async with asyncio.TaskGroup() as group:
            for box in boxes:
                group.create_task(self.try_out(box))

    async def try_out(self, box: Box) -> None:
        """All of it at one box."""
        box.lose_mains()
        await asyncio.sleep(self.pause_s)
        box.restore_mains()
        usual = box.device.network
        for network in self.paths:
            box.device.move(network=network)
            await asyncio.sleep(self.pause_s)
        box.device.move(network=usual)
        for trigger in self.triggers:
            box.raise_alarm(replace(trigger, test=True))
            await asyncio.sleep(self.pause_s)
