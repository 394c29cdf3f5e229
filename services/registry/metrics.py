"""The registry's gauges. They are counted in the background, so that a scrape costs the database nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from contracts.rota import LONDON
from services.registry.domain.forecast import Expected
from services.registry.domain.rollout import Rollout
from services.registry.rollout.store import RolloutStore

_GAUGES: dict[str, str] = {
    "telecare_rollout_target": "Live devices that the programme aims at, in all councils.",
    "telecare_rollout_live": "Devices that are live now in all councils: gone live, heard since, not suspended or withdrawn.",
    "telecare_rollout_unheard": "Devices that went live and have not been heard since: not live yet.",
    "telecare_rollout_target_date_timestamp_seconds": "The end of the day by which the programme wants its target; absent: none.",
    "telecare_rollout_rate_per_week": "Mean net increment of live devices of the last weeks; absent: too few weeks.",
    "telecare_rollout_needed_per_week": "To have the target by the programme's day, else by the switch-off; +Inf: that is past.",
    "telecare_rollout_not_counted_yet": "Lines of devices' history that the figures do not hold yet (10001: or more).",
    "telecare_rollout_unexplained": "Devices of which the register and its history disagree: a figure is wrong.",
}
_BY_BOUND: dict[str, str] = {
    "telecare_rollout_forecast_timestamp_seconds": "The day on which the target will be reached; absent: nobody can say.",
    "telecare_rollout_foreseen_live": "What the forecast of four weeks ago said of telecare_rollout_live now.",
}


class RolloutMetrics(Collector):
    """`telecare_devices` and `telecare_rollout_…`, as last counted; before that, nothing: a target may be any."""

    def __init__(self, metrics: CollectorRegistry, store: RolloutStore) -> None:
        self._store = store
        self._rollout: Rollout | None = None
        metrics.register(self)

    async def refresh(self) -> int:
        """Count again. For a loop: there is nothing to go on with."""
        self._rollout = await self._store.read()
        return 0

    def describe(self) -> Iterator[Metric]:
        """The names, so that registering twice fails at once."""
        yield from (GaugeMetricFamily(name, help_) for name, help_ in (_GAUGES | _BY_BOUND).items())
        yield _devices()

    def collect(self) -> Iterator[Metric]:
        """One snapshot: a council's stages never change while they are scraped."""
        if self._rollout is None:
            return
        for name, value in _figures(self._rollout).items():
            if value is not None:
                yield GaugeMetricFamily(name, _GAUGES[name], value=value)
        for name, bounds in _bounds(self._rollout).items():
            if not bounds:
                continue
            family = GaugeMetricFamily(name, _BY_BOUND[name], labels=["bound"])
            for bound, value in bounds.items():
                family.add_metric([bound], value)
            yield family
        devices = _devices()
        for council in self._rollout.councils:
            for stage, count in council.stages.items():
                devices.add_metric([council.council_id, stage], count)
        yield devices


def _figures(rollout: Rollout) -> dict[str, float | None]:
    outlook = rollout.outlook
    return {
        "telecare_rollout_target": rollout.target,
        "telecare_rollout_live": rollout.live,
        "telecare_rollout_unheard": rollout.unheard,
        "telecare_rollout_target_date_timestamp_seconds": None
        if rollout.target_date is None
        else _end_of(rollout.target_date),
        "telecare_rollout_rate_per_week": None if outlook.rate is None else outlook.rate.per_week,
        "telecare_rollout_needed_per_week": math.inf
        if outlook.target_needed_per_week is None
        else outlook.target_needed_per_week,
        "telecare_rollout_not_counted_yet": rollout.not_counted_yet,
        "telecare_rollout_unexplained": rollout.unexplained,
    }


def _bounds(rollout: Rollout) -> dict[str, Mapping[str, float]]:
    expected, foreseen = rollout.outlook.forecast, rollout.outlook.foreseen
    days: dict[str, date | None] = {}
    if isinstance(expected, Expected):
        days = {"earliest": expected.earliest, "likely": expected.likely, "latest": expected.latest}
    return {
        "telecare_rollout_forecast_timestamp_seconds": {
            bound: _end_of(day) for bound, day in days.items() if day is not None
        },
        "telecare_rollout_foreseen_live": {}
        if foreseen is None
        else {"low": foreseen.low, "likely": foreseen.likely, "high": foreseen.high},
    }


def _end_of(day: date) -> float:
    """Its last second by Scotland's clocks."""
    return datetime.combine(day, time(23, 59, 59), tzinfo=LONDON).timestamp()


def _devices() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "telecare_devices",
        "Registered devices, by the council they are in and the stage they have reached.",
        labels=["council", "stage"],
    )
