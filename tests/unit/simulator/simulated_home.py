"""A device in a test's hands: time is what the test says it is."""

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.device import ReceiptState
from services.simulator.device import Device
from services.simulator.flaws import Flaws
from services.simulator.memory import KeptAlarm
from services.simulator.messages import Outgoing
from services.simulator.population import Population
from services.simulator.timing import Timing

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Home:
    """A device, the time, and all that it has published."""

    def __init__(self, *, seed: int = 1, timing: Timing | None = None, flaws: Flaws | None = None) -> None:
        self.now = NOW
        self.published: list[Outgoing] = []
        self.device = Device(Population(1)[0], now=NOW, rng=random.Random(seed), timing=timing, flaws=flaws)

    def connect(self) -> list[Outgoing]:
        self.device.connected()
        return self.step()

    def step(self, after_s: float = 0.0) -> list[Outgoing]:
        """Let that much time pass at once, and say what it publishes then."""
        self.now += timedelta(seconds=after_s)
        messages = self.device.step(self.now)
        self.published += messages
        return messages

    def live(self, for_s: float) -> list[Outgoing]:
        """Wake the device whenever it wants to be woken, for so long."""
        until, messages = self.now + timedelta(seconds=for_s), self.step()
        while (wake_at := self.device.wake_at) is not None and wake_at <= until:
            self.now = max(self.now, wake_at)
            messages += self.step()
        self.now = until
        return messages

    def receipt(self, alarm: KeptAlarm, state: ReceiptState = "stored", **changes: Any) -> None:
        """A receipt for this alarm arrives."""
        fields = {"boot_id": alarm.boot_id, "seq": alarm.seq, "state": state, "alarm_id": None, "at": NOW.isoformat()}
        self.device.receive("receipt", json.dumps(fields | changes).encode(), self.now)

    def command(self, name: str, *, command_id: str = "c1", expires_in_s: float = 60, **args: Any) -> object:
        expires_at = (self.now + timedelta(seconds=expires_in_s)).isoformat()
        body = {"command_id": command_id, "name": name, "args": args, "expires_at": expires_at}
        return self.device.receive("command", json.dumps(body).encode(), self.now)


def lanes(messages: list[Outgoing]) -> list[str]:
    return [message.lane for message in messages]


def only(messages: list[Outgoing], lane: str) -> list[Outgoing]:
    return [message for message in messages if message.lane == lane]


def read(message: Outgoing) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(message.payload)
    return body
