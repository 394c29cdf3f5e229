"""Whether the ways by which responders are written to lead out.

Where hubs take webhooks nobody else asks after e-mail and texts, and an expired password would be found at 180 s of a life alarm.
Each process asks for itself and keeps nothing: what it found is a gauge, and Prometheus calls somebody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from services.alerts.domain.delivery import DeliveryKind
from services.alerts.metrics import Metrics
from services.alerts.probes.health import PROBE_EVERY
from services.alerts.probes.prober import Transport, asked
from services.alerts.probes.store import QUERIES
from services.chassis.clock import Clock
from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow

_log = structlog.get_logger(__name__)

_AGAIN: Final = timedelta(minutes=1)  # one that fails: it may have been a moment


@dataclass(slots=True)
class ResponderWays:
    """Asks each transport that a verified responder relies on every five minutes, and writes to nobody."""

    pool: Pool
    clock: Clock
    transports: Mapping[DeliveryKind, Transport]
    metrics: Metrics
    _asked: dict[DeliveryKind, tuple[bool, datetime]] = field(
        default_factory=dict, init=False
    )  # it fails; when to ask again

    async def run_once(self) -> int:
        """Ask those that are due. Returns how many were."""
        async with borrow(self.pool) as connection:
            used = {row["kind"] for row in await connection.fetch(QUERIES["ways_of_responders"])}
        self._asked = {kind: found for kind, found in self._asked.items() if kind in used}
        due = [kind for kind in self.transports if kind in used and self._is_due(kind)]
        for kind in due:
            await self._ask(kind)
        self.metrics.responder_ways({kind: kind in self._asked and self._asked[kind][0] for kind in self.transports})
        return len(due)

    def _is_due(self, kind: DeliveryKind) -> bool:
        return kind not in self._asked or self.clock.now() >= self._asked[kind][1]

    async def _ask(self, kind: DeliveryKind) -> None:
        fault = await asked(kind, self.transports[kind])
        self._asked[kind] = fault is not None, self.clock.now() + (PROBE_EVERY if fault is None else _AGAIN)
        if fault is not None:
            _log.warning("responder_way_failing", channel=kind, reason=fault)
