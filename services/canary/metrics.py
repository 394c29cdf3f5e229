"""What the canary tells Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from contracts.metrics import CANARY_ROUND_TRIP
from services.canary.domain.rounds import Outcome

_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60)


class Metrics:
    """By shard. A shard's series exist from the start, so that one that never came round is seen."""

    def __init__(self, registry: CollectorRegistry, shards: list[str]) -> None:
        self.round_trip_seconds = Histogram(
            *CANARY_ROUND_TRIP,
            buckets=_BUCKETS,
            registry=registry,
        )
        self.presses = Counter(
            "telecare_canary_presses",
            "Presses of canaries: delivered within 15 s, late, lost (not within 60 s), unsent (no broker to give it to).",
            ["shard", "outcome"],
            registry=registry,
        )
        self.last_success = Gauge(
            "telecare_canary_last_success_timestamp_seconds",
            "When a canary's press last came round within 15 s, in seconds since 1970; the process's start before the first.",
            ["shard"],
            registry=registry,
        )
        outcomes: tuple[Outcome, ...] = ("delivered", "late", "lost", "unsent")
        for shard in shards:
            self.round_trip_seconds.labels(shard)
            self.last_success.labels(shard).set_to_current_time()
            for outcome in outcomes:
                self.presses.labels(shard, outcome)
