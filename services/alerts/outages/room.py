"""The room, put together: what takes changes, what decides, what counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from contracts import condition
from contracts.ids import HubId
from services.alerts.metrics import Metrics
from services.alerts.outages import decay, detector, fleet, gauges, intake, relocation, retention
from services.alerts.outages.decay import Decay
from services.alerts.outages.detector import Detector
from services.alerts.outages.fleet import FleetCount
from services.alerts.outages.gauges import OutageGauges
from services.alerts.outages.intake import ConditionIntake
from services.alerts.outages.relocation import Relocation
from services.alerts.outages.retention import OutageRetention
from services.chassis.clock import Clock
from services.chassis.loop import Loop
from services.chassis.postgres import Pool


@dataclass(frozen=True, slots=True)
class OutageRoom:
    """Tests call each `run_once` themselves."""

    intake: ConditionIntake
    fleet: FleetCount
    detector: Detector
    decay: Decay
    gauges: OutageGauges
    relocation: Relocation
    retention: OutageRetention
    taking: Loop  # runs the intake

    @classmethod
    def of(
        cls,
        pool: Pool,
        reading: Pool,
        clock: Clock,
        metrics: Metrics,
        fallback: HubId | None,
        notes_kept: timedelta,
        look: Callable[[], None],
    ) -> Self:
        """`look`: news is due to be sent."""
        count = FleetCount(reading, clock)
        taking = ConditionIntake(pool, clock)
        return cls(
            intake=taking,
            fleet=count,
            detector=Detector(pool, clock, count, fallback, look),
            decay=Decay(pool, clock, count),
            gauges=OutageGauges(reading, metrics),
            relocation=Relocation(pool, clock),
            retention=OutageRetention(pool, clock, notes_kept),
            taking=Loop("conditions", taking.run_once, intake.EVERY_S),
        )

    def loops(self) -> tuple[Loop, ...]:
        return (
            self.taking,
            Loop("outage-detector", self.detector.run_once, detector.EVERY_S),
            Loop("fleet-count", self.fleet.run_once, fleet.EVERY_S),
            Loop("decay", self.decay.run_once, decay.EVERY_S),
            Loop("outage-gauges", self.gauges.run_once, gauges.EVERY_S),
            Loop("outage-relocation", self.relocation.run_once, relocation.EVERY_S),
            Loop("outage-retention", self.retention.run_once, retention.EVERY_S),
        )

    def poke(self, stream: str) -> None:
        """There may be changes of conditions: `stream` of the event log was appended to, "" if something may have been missed."""
        if stream in {condition.STREAM, ""}:
            self.taking.poke()
