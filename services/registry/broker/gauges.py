"""How many credentials the broker was told of, and how many it was not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow
from services.registry.broker.store import QUERIES

EVERY_S: Final = 10.0
_KINDS: Final = ("device", "claim", "enrolment", "hub")
_STATES: Final = ("told", "due", "awaited", "missing")


@dataclass(slots=True)
class CredentialGauge:
    """`telecare_broker_credentials`, counted in the background. For a loop."""

    pool: Pool
    metrics: CollectorRegistry
    _gauge: Gauge = field(init=False)

    def __post_init__(self) -> None:
        self._gauge = Gauge(
            "telecare_broker_credentials",
            "Users of the broker: told it as they are, due to be told, awaited (the unit has not fetched its new password), "
            "missing (the broker lost it: telecare broker export).",
            ["kind", "state"],
            registry=self.metrics,
        )

    async def run_once(self) -> int:
        async with borrow(self.pool) as connection:
            rows = await connection.fetch(QUERIES["standings"])
        counts = {(row["kind"], row["state"]): row["count"] for row in rows}
        for kind in _KINDS:
            for state in _STATES:
                self._gauge.labels(kind, state).set(counts.get((kind, state), 0))
        return 0
