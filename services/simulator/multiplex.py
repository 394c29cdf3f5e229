"""Heartbeats of very many boxes over a few connections: what a host can be that must also run what it measures.

Such boxes have no sessions, wills or receipts; each sends its heartbeat at its own moment of the interval. The codec is mqtt5's,
as in the chassis: paho would cost ten times the CPU, on the machine that is being measured.
"""

import asyncio
import secrets
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from contracts.topics import device_topic
from services.chassis.mqtt import Backoff, MqttError, MqttUrl
from services.simulator.device import FIRMWARE
from services.simulator.population import DeviceIdentity
from services.simulator.trunk import Trunk

_TICK_S: Final = 0.02
_BATCH_MAX: Final = 500  # publishes between two breaths of the event loop


@dataclass(slots=True)
class MultiplexTotals:
    """`heartbeats` were PUBACKed. `late_s` is how far the sending is behind the boxes' own schedule."""

    heartbeats: int = 0
    late_s: float = 0.0


class Multiplex:
    """Run `run()` as a task; it ends by cancellation. `interval_s` of None sends flat out, as fast as PUBACKs come."""

    def __init__(
        self,
        url: MqttUrl,
        devices: Sequence[DeviceIdentity],
        *,
        connections: int,
        interval_s: float | None,
        in_flight_max: int = 2_000,
    ) -> None:
        if not 1 <= connections <= len(devices):
            raise ValueError("as many connections as 1 … the number of devices")
        self.totals = MultiplexTotals()
        self.trouble: str | None = None
        self.online = 0  # boxes whose connection stands
        self._url = url
        self._devices = devices
        self._interval_s = interval_s
        self._expiry_s = None if interval_s is None else max(1, round(2 * interval_s))
        self._in_flight_max = in_flight_max
        self._connections = connections
        self._boot = secrets.token_hex(6)
        self._seqs = array("Q", bytes(8 * len(devices)))

    async def run(self) -> None:
        """Reconnects by itself. What could not be sent meanwhile is skipped: a box does not send old heartbeats."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._connections):
                mine = range(number, len(self._devices), self._connections)
                group.create_task(self._keep_up(number, mine))

    async def _keep_up(self, number: int, mine: range) -> None:
        backoff = Backoff(1.0, 15.0)
        while True:
            trunk = Trunk(f"telecare-simulator-{self._boot}-{number}", self._in_flight_max, self._count)
            try:
                await trunk.open(self._url)
                backoff.reset()
                await self._beat(trunk, mine)
            except (MqttError, OSError) as error:
                self.trouble = str(error)
            finally:
                await trunk.close()
            await asyncio.sleep(backoff.next_s())

    async def _beat(self, trunk: Trunk, mine: range) -> None:
        """Box by box, round after round, each at its place in the interval. Raises Disconnected."""
        self.trouble = None
        self.online += len(mine)
        started_at, sent = time.monotonic(), 0
        try:
            while True:
                due = self._due(time.monotonic() - started_at, len(mine)) - sent
                batch = min(due, _BATCH_MAX)
                sent_at = datetime.now(UTC).isoformat(timespec="milliseconds")
                for turn in range(sent, sent + batch):
                    if not trunk.has_room:
                        await trunk.room()
                    self._send(trunk, mine[turn % len(mine)], sent_at)
                await trunk.room()
                sent += batch
                self.totals.late_s = (due - batch) * (self._interval_s or 0.0) / len(mine)
                await asyncio.sleep(0 if due > batch else _TICK_S)
        finally:
            self.online -= len(mine)

    def _count(self, acknowledged: int) -> None:
        self.totals.heartbeats += acknowledged

    def _due(self, elapsed_s: float, boxes: int) -> int:
        """How many heartbeats should have been sent by then."""
        if self._interval_s is None:
            return 1 << 62
        return int(elapsed_s * boxes / self._interval_s)

    def _send(self, trunk: Trunk, index: int, sent_at: str) -> None:
        device = self._devices[index]
        seq = self._seqs[index]
        self._seqs[index] = seq + 1
        # Written out: a JSON encoder would be the dearest thing in this loop, and nothing here needs escaping.
        payload = (
            f'{{"boot_id":"{self._boot}-{index:x}","seq":{seq},"sent_at":"{sent_at}","battery_pct":100,"mains":true,'
            f'"network":"{device.network}","signal_dbm":{-65 - index % 40},"sim_operator":"{device.sim_operator}",'
            f'"firmware":"{FIRMWARE}","temperature_c":{19 + index % 5}.5}}'
        )
        trunk.publish(device_topic(device.council_id, device.device_id, "heartbeat"), payload.encode(), self._expiry_s)
