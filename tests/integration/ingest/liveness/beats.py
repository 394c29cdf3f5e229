"""Heartbeats as the lane stores them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from contracts.ids import BootId, CouncilId, DeviceId
from services.chassis.clock import Clock
from services.ingest.domain.decode import HeartbeatRow
from services.ingest.heartbeat_batch import Part
from services.ingest.heartbeat_store import HeartbeatStore


class Beats:
    """Each device counts its own, from a boot that is named after it."""

    def __init__(self, store: HeartbeatStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._seq: defaultdict[str, int] = defaultdict(int)

    def skip(self, device_id: str, count: int = 1) -> None:
        """So many are lost on the way."""
        self._seq[device_id] += count

    def close(self) -> None:
        """Its connection; the next heartbeat opens another."""
        self._store.close()

    async def send(self, device_ids: Iterable[str], **readings: Any) -> None:
        """One of each, in one transaction; `behind_s` is by how much their clocks are behind."""
        await self._store.store(Part(rows=[self._row(each, readings) for each in device_ids]), self._clock.now())

    def _row(self, device_id: str, readings: dict[str, Any]) -> HeartbeatRow:
        self._seq[device_id] += 1
        sent_at = self._clock.now() - timedelta(seconds=readings.get("behind_s", 0))
        return HeartbeatRow(
            device_id=DeviceId(device_id),
            council_id=CouncilId(readings.get("council_id", "glasgow-city")),
            boot_id=BootId(readings.get("boot_id", f"boot-{device_id}")),
            seq=readings.get("seq", self._seq[device_id]),
            at=sent_at,
            sent_at=sent_at,
            received_at=self._clock.now(),
            battery_pct=readings.get("battery_pct"),
            mains=readings.get("mains"),
            signal_dbm=readings.get("signal_dbm"),
            network=readings.get("network"),
            sim_operator=readings.get("sim_operator"),
            cell_id=readings.get("cell_id"),
            firmware=readings.get("firmware"),
            temperature_c=None,
            marks=None,
        )
