"""What each model promises, as the register has it at this moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.chassis.postgres import Connection
from services.ingest.domain.counting import heard_within
from services.ingest.domain.health import Limits
from services.ingest.domain.liveness import Thresholds
from services.ingest.liveness.sql import QUERIES


@dataclass(frozen=True, slots=True)
class Promises:
    """By the number of the model, as `ingest.model` has it: these begin at 1, and few are missing."""

    thresholds: Mapping[int, Thresholds]
    names: Mapping[int, str]
    battery_hours: Mapping[int, int | None]
    signal_dbm_min: Mapping[int, int | None]

    @property
    def shortest_interval(self) -> timedelta:
        return min((each.interval for each in self.thresholds.values()), default=timedelta(minutes=1))

    @property
    def shortest_silence(self) -> timedelta:
        return min((each.silent_after for each in self.thresholds.values()), default=timedelta(minutes=1))

    def silent_after(self, model_id: int) -> timedelta:
        return self.thresholds[model_id].silent_after

    def limits(self, model_id: int | None) -> Limits:
        """None of a model that came this moment, or of none."""
        if model_id is None:
            return Limits(None, None)
        return Limits(self.signal_dbm_min.get(model_id), self.battery_hours.get(model_id))

    def signals(self) -> list[float | None]:
        """For SQL: the weakest signal that each model can do with."""
        least = (self.signal_dbm_min.get(number) for number in range(1, max(self.thresholds, default=0) + 1))
        return [None if each is None else float(each) for each in least]

    def due_before(self, now: datetime) -> list[datetime | None]:
        """For SQL: the instant since which whoever is due was not heard. What is not there is due never, and unknown to us yet."""
        return [now - each.silent_after if each else None for each in self._in_order()]

    def heard_since(self, now: datetime) -> list[datetime | None]:
        """For SQL: the instant since which whoever is as often heard as it should be was heard."""
        return [now - heard_within(each) if each else None for each in self._in_order()]

    def late_before(self, now: datetime) -> list[datetime | None]:
        """For SQL, likewise: whoever is late was not heard since."""
        return [now - each.late_after if each else None for each in self._in_order()]

    def stable_after(self) -> list[timedelta | None]:
        """For SQL."""
        return [each.stable_after if each else None for each in self._in_order()]

    def _in_order(self) -> list[Thresholds | None]:
        return [self.thresholds.get(number) for number in range(1, max(self.thresholds, default=0) + 1)]


async def read_promises(connection: Connection) -> Promises:
    rows = await connection.fetch(QUERIES["promises"])
    return Promises(
        thresholds={
            row["model_id"]: Thresholds(
                timedelta(seconds=row["heartbeat_interval_s"]),
                row["late_after_missed"],
                timedelta(seconds=row["silent_after_s"]),
            )
            for row in rows
        },
        names={row["model_id"]: row["name"] for row in rows},
        battery_hours={row["model_id"]: row["battery_hours"] for row in rows},
        signal_dbm_min={row["model_id"]: row["signal_dbm_min"] for row in rows},
    )
