"""The boxes, as a process of their own: `homes.py` starts it, and asks it by lines of JSON on its standard input.

When thousands of lines break in one instant, their boxes have a second's work to do. In the soak's own process that would hold up
the proxies through which the service reaches its broker and its database, and count as the service's delay.
"""

import asyncio
import json
import logging
import random
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any, Final

import uvloop

from services.simulator.box import Box
from services.simulator.flaws import FlawMix, Flaws
from services.simulator.fleet import Fleet, FleetConfig
from services.simulator.occurrence import Occurrence
from services.simulator.population import Population
from services.simulator.script import play, story
from services.simulator.timing import Timing
from services.simulator.traces import AlarmTrace, FleetEvent
from tests.soak.judge import Press
from tests.soak.plan import Plan

SHARED_CONNECTIONS: Final = 4
_LOOK_EVERY_S: Final = 0.1
_PRESS: Final = Occurrence(kind="personal_trigger", peripheral_id="pendant-1")
_FLAWS: Final = FlawMix(duplicate=0.02, lost_receipts=0.05, clock_skew=0.1, malformed=0.01)
_SKEWS: Final = (
    timedelta(hours=-9),
    timedelta(hours=30),
    timedelta(days=-56 * 365),
    timedelta(days=73 * 365),
)


class Boxes:
    """What the soak may ask of them. All instants are `time.monotonic()`, which the processes of a machine share."""

    def __init__(self, fleet: Fleet, plan: Plan) -> None:
        self._fleet = fleet
        self._plan = plan
        self._traces: list[AlarmTrace] = []  # of all alarms: the fleet itself forgets those that are settled
        self._skewed: dict[Box, Flaws] = {}
        self._cut_off: list[Box] = []
        self._online: list[tuple[float, int]] = []
        self._late_s: list[float] = []
        fleet.watch(self._note)

    async def online(self) -> None:
        """Return once each has its connection."""
        await self._fleet.until(lambda: self._fleet.totals().connected >= self._plan.boxes)

    async def live(self, for_s: float) -> None:
        """People call, for so long."""
        pause_s = (0.5 * self._plan.press_every_s, 1.5 * self._plan.press_every_s)
        calls = story(boxes=len(self._fleet.boxes), seed=self._plan.seed, pause_s=pause_s)
        await play(calls, self._fleet, for_s=for_s)

    async def skew_clocks(self, seed: int) -> int:
        """Every second box believes it is another day, and one of them calls at once; how many they are."""
        rng = random.Random(seed)
        boxes = [box for box in self._fleet.boxes.values() if rng.random() < 0.5]
        self._skewed = {box: box.device.flaws for box in boxes}
        for box, flaws in self._skewed.items():
            box.device.flaws = replace(flaws, clock_skew=rng.choice(_SKEWS))
        rng.choice(boxes).raise_alarm(_PRESS)
        return len(boxes)

    async def set_clocks(self) -> None:
        """As they were before `skew_clocks`."""
        for box, flaws in self._skewed.items():
            box.device.flaws = flaws
        self._skewed.clear()

    async def cut_lines(self, seed: int) -> int:
        """Every third box loses its network without a word, and somebody calls through one of them; how many they are."""
        rng = random.Random(seed)
        self._cut_off = [box for box in self._fleet.boxes.values() if rng.random() < 1 / 3]
        for box in self._cut_off:
            box.lose_network()
        rng.choice(self._cut_off).raise_alarm(_PRESS)
        return len(self._cut_off)

    async def mend_lines(self, seed: int) -> None:
        """They return after `cut_lines` as boxes do: each in its own time."""
        rng = random.Random(seed)
        for box in self._cut_off:
            box.regain_network(after_s=rng.uniform(0, self._plan.reconnect_max_s))
        self._cut_off.clear()

    async def unstored(self) -> int:
        """Alarms for which there is no receipt yet."""
        return sum(trace.stored_at is None for trace in self._traces)

    async def presses(self) -> list[dict[str, Any]]:
        """All of them."""
        return [
            asdict(
                Press(
                    device_id=each.device_id,
                    payload_sha256=each.payload_sha256,
                    needs_person=each.occurrence.needs_person,
                    born_at=each.born_at,
                    sent_at=each.sent_at,
                    stored_at=each.stored_at,
                )
            )
            for each in self._traces
        ]

    async def figures(self) -> dict[str, Any]:
        """See `homes.Figures`."""
        totals = self._fleet.totals()
        return {
            "heartbeats": totals.heartbeats,
            "repeats": totals.repeats,
            "online": self._online,
            "late_s": sorted(self._late_s),
        }

    async def look(self) -> None:
        """Without an end: how many are online, and how late this process is with what it has to do."""
        while True:
            due_at = time.monotonic() + _LOOK_EVERY_S
            await asyncio.sleep(_LOOK_EVERY_S)
            now, connected = time.monotonic(), self._fleet.totals().connected
            self._late_s.append(now - due_at)
            if not self._online or self._online[-1][1] != connected:
                self._online.append((now, connected))

    def _note(self, event: FleetEvent) -> None:
        if event.name == "born" and event.trace is not None:
            self._traces.append(event.trace)


def _fleet(url: str, plan: Plan) -> Fleet:
    return Fleet(
        FleetConfig(
            mqtt_url=url,
            devices=Population(plan.boxes),
            timing=Timing(heartbeat_interval_s=plan.heartbeat_interval_s, repeat_max_s=plan.repeat_max_s),
            flaws=_FLAWS,
            multiplex=SHARED_CONNECTIONS if plan.boxes > plan.boxes_with_lines else None,
            own_connections_max=plan.boxes_with_lines,
            connect_over_s=plan.connect_over_s,
            reconnect_max_s=plan.reconnect_max_s,
        )
    )


async def _answer(boxes: Boxes, line: bytes) -> None:
    """One question."""
    asked = json.loads(line)
    questions: Mapping[str, Callable[..., Awaitable[Any]]] = {
        "online": boxes.online,
        "live": boxes.live,
        "skew_clocks": boxes.skew_clocks,
        "set_clocks": boxes.set_clocks,
        "cut_lines": boxes.cut_lines,
        "mend_lines": boxes.mend_lines,
        "unstored": boxes.unstored,
        "presses": boxes.presses,
        "figures": boxes.figures,
    }
    answer = await questions[asked["do"]](**asked["how"])
    print(json.dumps({"number": asked["number"], "answer": answer}), flush=True)


async def _answer_all(boxes: Boxes) -> None:
    """Until the soak closes our standard input, however it ends. What is still being answered then is of no use."""
    lines = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    try:
        async with asyncio.TaskGroup() as group:
            answering: list[asyncio.Task[None]] = []
            while line := await lines.readline():
                answering = [each for each in answering if not each.done()]
                answering.append(group.create_task(_answer(boxes, line)))
            for each in answering:
                each.cancel()
    finally:
        transport.close()


async def _serve(url: str, plan: Plan) -> None:
    """A fault of ours ends it all: its traceback is on standard error."""
    fleet = _fleet(url, plan)
    boxes = Boxes(fleet, plan)
    tasks = [asyncio.create_task(each) for each in (fleet.run(), boxes.look(), _answer_all(boxes))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.result()
    finally:
        fleet.stop()
        for each in tasks[1:]:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    logging.getLogger("mqtt").setLevel(logging.CRITICAL)  # a broker that is killed resets connections: no news here
    order = json.loads(sys.argv[1])
    uvloop.run(_serve(order["url"], Plan(**order["plan"])))
