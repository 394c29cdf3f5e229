"""The people of a hub: they notice an alarm, take it after a while, deal with it, close it."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from contracts.vocabulary import Outcome
from services.chassis.mqtt import Backoff
from services.simulator.logbook import Notified

Answer: TypeAlias = Literal["done", "settled_already", "refused", "unavailable"]
"""`settled_already`: another has taken it, or it is closed. `unavailable`: ask again."""


class HubActions(Protocol):
    """How a hub tells us what it does; never raises but for a bug."""

    async def acknowledge(self, alarm_id: str, operator: str) -> Answer:
        """Take the alarm."""

    async def close(self, alarm_id: str, operator: str, outcome: Outcome) -> Answer:
        """The alarm is dealt with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubConfig:
    """Operators who react within these seconds (drawn evenly), and close after `handling_s`; None leaves alarms acknowledged."""

    hub_id: str = "demo-arc"
    operators: Sequence[str] = ("Isla", "Rory", "Catriona")
    reaction_s: tuple[float, float] = (0.5, 3.0)
    handling_s: float | None = 10.0
    outcomes: Sequence[Outcome] = ("attended", "advice_given", "accidental", "no_response")
    seed: int | None = None


class Desk:
    """Give it every notification. An alarm in hand is not taken twice; one that opens again is."""

    def __init__(self, config: HubConfig, actions: HubActions) -> None:
        self.acknowledged: list[str] = []  # alarm ids, once for each time we took one
        self.closed: list[str] = []
        self.refused: list[str] = []  # alarm ids whose action was answered by a refusal: look there first
        self._config = config
        self._actions = actions
        self._rng = random.Random(config.seed)  # noqa: S311 - how long a person takes
        self._reacting: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._left_until: dict[str, float] = {}  # by device: until then (monotonic seconds) somebody else sees to it

    def leave(self, device_id: str, for_s: float) -> None:
        """Somebody else is to see to this device's next alarms; we do if they have not by then."""
        self._left_until[device_id] = time.monotonic() + for_s

    def take(self, notified: Notified) -> None:
        """See to it, if it needs somebody and nobody is about to see to it."""
        alarm_id = notified.alarm_id
        if alarm_id is None or not notified.wants_operator or alarm_id in self._reacting:
            return
        handling = self._tasks.pop(alarm_id, None)
        if handling is not None:  # dealt with, but pressed again: start over
            handling.cancel()
        self._reacting.add(alarm_id)
        left_s = self._left_until.get(str(notified.data.get("device_id")), 0.0) - time.monotonic()
        self._tasks[alarm_id] = asyncio.create_task(self._see_to(alarm_id, max(left_s, 0.0)))

    async def close(self) -> None:
        """Everybody goes home."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _see_to(self, alarm_id: str, left_s: float) -> None:
        operator = self._rng.choice(self._config.operators)
        await asyncio.sleep(left_s + self._rng.uniform(*self._config.reaction_s))
        answer = await self._insist(lambda: self._actions.acknowledge(alarm_id, operator))
        self._reacting.discard(alarm_id)
        self._note(answer, alarm_id, self.acknowledged)
        if answer != "done" or self._config.handling_s is None:
            return
        await asyncio.sleep(self._config.handling_s)
        outcome = self._rng.choice(self._config.outcomes)
        answer = await self._insist(lambda: self._actions.close(alarm_id, operator, outcome))
        self._note(answer, alarm_id, self.closed)
        del self._tasks[alarm_id]

    def _note(self, answer: Answer, alarm_id: str, done: list[str]) -> None:
        if answer == "done":
            done.append(alarm_id)
        elif answer == "refused":
            self.refused.append(alarm_id)

    async def _insist(self, act: Callable[[], Awaitable[Answer]]) -> Answer:
        backoff = Backoff(0.2, 2.0)
        while True:
            answer = await act()
            if answer != "unavailable":
                return answer
            await asyncio.sleep(backoff.next_s())
