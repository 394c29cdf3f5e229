"""The registry's gauges. They are counted in the background, so that a scrape costs the database nothing."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.registry.domain.rollout import PROGRAMME_TARGET, Rollout
from services.registry.rollout.store import RolloutStore


class RolloutMetrics(Collector):
    """`telecare_devices`, `telecare_rollout_target`, `telecare_rollout_live`, as last counted; before that, the target alone."""

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
        yield from (_devices(), _target(), _live())

    def collect(self) -> Iterator[Metric]:
        """One snapshot: a council's stages never change while they are scraped."""
        target = _target()
        target.add_metric([], PROGRAMME_TARGET)
        yield target
        if self._rollout is None:
            return
        live = _live()
        live.add_metric([], self._rollout.live)
        yield live
        devices = _devices()
        for council in self._rollout.councils:
            for stage, count in council.stages.items():
                devices.add_metric([council.council_id, stage], count)
        yield devices


def _devices() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "telecare_devices",
        "Registered devices, by the council they are in and the stage they have reached.",
        labels=["council", "stage"],
    )


def _target() -> GaugeMetricFamily:
    return GaugeMetricFamily("telecare_rollout_target", "Live devices that the programme promised, in all councils.")


def _live() -> GaugeMetricFamily:
    return GaugeMetricFamily("telecare_rollout_live", "Devices that are live now, in all councils.")
