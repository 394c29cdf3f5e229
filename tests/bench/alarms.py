"""Alarms among the heartbeats: from an independent client's publish to the webhook's request, by one clock in this process.

Each comes from another device, at random as people press, and is acknowledged and closed by an operator once it is heard of.
"""

import asyncio
import json
import random
import secrets
import statistics
import time
from contextlib import suppress
from dataclasses import dataclass
from socket import IPPROTO_TCP, TCP_NODELAY
from typing import Any, Final

from contracts.ids import CouncilId, DeviceId
from contracts.topics import device_topic
from tests.bench.devices import council_of, device_id
from tests.bench.house import House
from tests.blackbox.box import Peer, now
from tests.blackbox.hub import Delivery
from tests.support.servers import until

_STRIDE: Final = 99_991  # a prime
_OPERATOR_LOOKS_EVERY_S: Final = 0.25
_OPERATOR_TAKES_S: Final = (0.2, 1.5)  # to acknowledge, and then to close
_PATIENCE_S: Final = 15.0


@dataclass(frozen=True)
class Delays:
    """Publish → webhook of every alarm that was told, in milliseconds; `lost` were not."""

    ms: list[float]
    lost: int
    escalated: int

    def percentile(self, percent: int) -> float:
        return statistics.quantiles(self.ms, n=100, method="inclusive")[percent - 1]

    @property
    def p50_ms(self) -> float:
        return self.percentile(50)

    @property
    def p99_ms(self) -> float:
        return self.percentile(99)


def _send_at_once(_client: object, _data: object, sock: Any) -> None:
    """All devices share one connection here: one's PUBACK of a receipt must not hold up another's alarm (Nagle's algorithm)."""
    sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)


class Pressing:
    """People who press. `run` returns when all are answered."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._peer = Peer(house.broker, f"bench-alarms-{secrets.token_hex(4)}", "telecare/v1/devices/+/+/receipt")
        self._peer.client.on_socket_open = _send_at_once
        self._published_at: dict[str, float] = {}
        self._next = secrets.randbelow(house.plan.devices)
        self._seen = len(house.receiver.deliveries)
        self._closing: list[asyncio.Task[None]] = []

    async def run(self, count: int, *, per_s: float, warm_up: int) -> Delays:
        """So many alarms, at random and `per_s` on average.

        Some before them are not measured: connections are made then, and statements prepared.
        """
        await self._peer.connect()
        operator = asyncio.create_task(self._operate())
        try:
            await self._press_many(warm_up, per_s)
            await self._answered()
            first = len(self._house.receiver.deliveries)
            self._published_at.clear()
            await self._press_many(count, per_s)
            await self._answered()
            return self._delays(self._house.receiver.deliveries[first:])
        finally:
            operator.cancel()
            self._peer.close()

    async def _press_many(self, count: int, per_s: float) -> None:
        due = time.monotonic()
        for _ in range(count):
            due += random.expovariate(per_s)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self._press()

    def _press(self) -> None:
        self._next = (self._next + _STRIDE) % self._house.plan.devices
        device, council = device_id(self._next), council_of(self._next)
        alarm = {
            "boot_id": secrets.token_hex(8),
            "seq": 7,
            "sent_at": now(),
            "kind": "personal_trigger",
            "location": "bathroom",
        }
        topic, payload = device_topic(CouncilId(council), DeviceId(device), "alarm"), json.dumps(alarm)
        self._published_at[device] = time.monotonic()
        self._peer.client.publish(topic, payload, 1)

    async def _answered(self) -> None:
        """Until every alarm is told and closed, or that has taken too long."""
        with suppress(AssertionError):
            await until(lambda: len(self._closing) >= len(self._published_at), _PATIENCE_S)
        await asyncio.gather(*self._closing)
        self._closing.clear()

    async def _operate(self) -> None:
        while True:
            deliveries = self._house.receiver.deliveries
            for delivery in deliveries[self._seen :]:
                if delivery.notification["type"] == "alarm.raised":
                    self._closing.append(asyncio.create_task(self._close(delivery.data["alarm_id"])))
            self._seen = len(deliveries)
            await asyncio.sleep(_OPERATOR_LOOKS_EVERY_S)

    async def _close(self, alarm_id: str) -> None:
        alarm, operator = f"/api/v1/alarms/{alarm_id}", {"operator": "night-shift"}
        for act, body in (("acknowledge", operator), ("close", {**operator, "outcome": "attended"})):
            await asyncio.sleep(random.uniform(*_OPERATOR_TAKES_S))
            answer = await self._house.installation.alarms_api.post(f"{alarm}/{act}", body)
            assert answer.status == 200, answer

    def _delays(self, deliveries: list[Delivery]) -> Delays:
        told_at: dict[str, float] = {}
        escalated = 0
        for each in deliveries:
            escalated += each.notification["type"] == "alarm.escalated"
            if each.notification["type"] == "alarm.raised":
                told_at.setdefault(each.data["device_id"], each.at)
        ms = [(told_at[device] - at) * 1000 for device, at in self._published_at.items() if device in told_at]
        return Delays(ms, len(self._published_at) - len(ms), escalated)
