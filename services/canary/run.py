"""Presses, listens, and counts, until it is told to stop."""

from __future__ import annotations

import itertools
import queue
import secrets
import threading
import time
from typing import NamedTuple

import structlog
from prometheus_client import CollectorRegistry

from services.canary.domain.rounds import Rounds
from services.canary.identity import CanaryIdentity
from services.canary.line import Hub, Pendant
from services.canary.metered import Metered
from services.canary.metrics import Metrics

_log = structlog.get_logger(__name__)

_LOOK_S = 1.0


class _Heard(NamedTuple):
    boot_id: str
    seq: int
    at_s: float


def run(identity: CanaryIdentity, metered: Metered, *, every_s: float, stop: threading.Event) -> None:
    """Press each pendant every `every_s` seconds, and serve `/metrics`. Raises OSError when the port is taken."""
    registry = CollectorRegistry()
    metrics = Metrics(registry, [device.shard for device in identity.devices])
    with metered.serving(registry) as url:
        _log.info("canary_started", url=url, shards=len(identity.devices))
        _go_round(identity, metrics, every_s, stop)


def _go_round(identity: CanaryIdentity, metrics: Metrics, every_s: float, stop: threading.Event) -> None:
    heard: queue.SimpleQueue[_Heard] = queue.SimpleQueue()
    boot_id = secrets.token_hex(8)
    hub = Hub(identity.hub_mqtt_url, lambda boot, seq: heard.put(_Heard(boot, seq, time.monotonic())))
    pendants = [Pendant(device) for device in identity.devices]
    lines = [hub, *pendants]
    for line in lines:
        line.open()
    try:
        rounds, numbers = Rounds(), itertools.count(1)
        # One after the other, evenly: the first a second from now, when the lines stand.
        due_at = [time.monotonic() + _LOOK_S + each * every_s / len(pendants) for each in range(len(pendants))]
        while not stop.is_set():
            now_s = time.monotonic()
            for place, pendant in enumerate(pendants):
                if now_s >= due_at[place]:
                    due_at[place] = max(
                        due_at[place] + every_s, now_s
                    )  # after a pause of ours once, and not for each missed
                    _press(pendant, boot_id, next(numbers), rounds, metrics)
            for shard in rounds.lost(now_s):
                metrics.presses.labels(shard, "lost").inc()
                _log.error("canary_lost", shard=shard)
            _listen(heard, boot_id, min(_LOOK_S, max(0.0, min(due_at) - time.monotonic())), rounds, metrics)
    finally:
        for line in lines:
            line.close()


def _press(pendant: Pendant, boot_id: str, seq: int, rounds: Rounds, metrics: Metrics) -> None:
    shard = pendant.device.shard
    rounds.pressed(shard, seq, time.monotonic())  # first: it may be round before this thread goes on
    if not pendant.press(boot_id, seq):
        rounds.heard(seq, time.monotonic())
        metrics.presses.labels(shard, "unsent").inc()
        _log.error("canary_unsent", shard=shard)


def _listen(heard: queue.SimpleQueue[_Heard], boot_id: str, for_s: float, rounds: Rounds, metrics: Metrics) -> None:
    try:
        told = heard.get(timeout=for_s) if for_s > 0 else heard.get_nowait()
    except queue.Empty:
        return
    trip = rounds.heard(told.seq, told.at_s) if told.boot_id == boot_id else None
    if trip is None:
        return  # told again, or pressed by the canary that ran before
    metrics.round_trip_seconds.labels(trip.shard).observe(trip.seconds)
    metrics.presses.labels(trip.shard, trip.outcome).inc()
    if trip.outcome == "delivered":
        metrics.last_success.labels(trip.shard).set_to_current_time()
    _log.info("canary_round", shard=trip.shard, after_ms=round(trip.seconds * 1000, 1), outcome=trip.outcome)
