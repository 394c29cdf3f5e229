"""What Prometheus is told of ingest (contract, "Prometheus"). Counters move once a batch, never once a message."""

from collections.abc import Callable, Mapping
from math import nan
from typing import Literal, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from contracts.condition import Turn
from contracts.metrics import MONITORING_BLIND
from services.chassis.metrics import GaugeOfRows, greatest_of
from services.ingest.domain.health import AILMENTS

LaneName: TypeAlias = Literal["alarm", "heartbeat", "status"]

# From an idle commit on a fast disk to the end of a statement's time-out.
_DURATION_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Tally:
    """The messages of one lane: received = stored + duplicate + quarantined + in flight."""

    def __init__(self, messages: Counter, durations: Histogram, lane: LaneName) -> None:
        self._received = messages.labels(lane, "received")
        self._stored = messages.labels(lane, "stored")
        self._duplicate = messages.labels(lane, "duplicate")
        self._quarantined = messages.labels(lane, "quarantined")
        self._duration = durations.labels(lane)
        self._owed = 0

    def received(self, count: int) -> None:
        """Out of the session. What was given back before is not counted again when it comes again."""
        repaid = min(count, self._owed)
        self._owed -= repaid
        self._received.inc(count - repaid)

    def given_back(self, count: int) -> None:
        """Received, and neither stored nor acknowledged: the broker has them, and delivers them again."""
        self._owed += count

    def settled(self, *, stored: int, duplicate: int = 0, quarantined: int = 0, took_s: float) -> None:
        """Committed."""
        self._stored.inc(stored)
        self._duplicate.inc(duplicate)
        self._quarantined.inc(quarantined)
        self._duration.observe(took_s)


class LivenessMetrics:
    """What is known of silence."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._silent = GaugeOfRows(
            Gauge("telecare_devices_silent", "Devices that are called silent.", ("council",), registry=registry)
        )
        self._pass = Histogram(
            "telecare_liveness_pass_seconds",
            "One look at who fell silent and who is heard again.",
            buckets=_DURATION_BUCKETS_S,
            registry=registry,
        )
        self._verdicts = Counter(
            "telecare_liveness_verdicts",
            "Verdicts on devices, by condition and whether it began or ended.",
            ("condition", "turn"),
            registry=registry,
        )
        self._late = GaugeOfRows(
            Gauge(
                "telecare_devices_late",
                "Devices that are not heard as often as their model promises, and not called silent yet.",
                ("council",),
                registry=registry,
            )
        )
        self._hearing = GaugeOfRows(
            Gauge(
                "telecare_hearing_ratio",
                "Watched devices that were heard within 1.5 of their intervals, of all that could be; NaN while none could.",
                ("shard",),
                registry=registry,
            )
        )
        self._named = Gauge(
            "telecare_hearing_named",
            "Cells, districts, firmwares and networks that fewer devices are heard of than should be, or were a few minutes ago.",
            ("attribute",),
            registry=registry,
        )
        self._missed = Counter(
            "telecare_heartbeats_missed",
            "Heartbeats that never came, by the gaps in the numbers of those that did, as found by this process.",
            registry=registry,
        )
        for condition in ("silent", *AILMENTS):
            self.judged(condition, {"began": 0, "ended": 0})

    def silent(self, by_council: Mapping[str, int]) -> None:
        """Set the number of silent devices of every council."""
        self._silent.tell({(council_id,): count for council_id, count in by_council.items()})

    def late(self, by_council: Mapping[str, int]) -> None:
        """Set the number of late devices of every council."""
        self._late.tell({(council_id,): count for council_id, count in by_council.items()})

    def hears(self, by_shard: Mapping[str, float | None]) -> None:
        """Set which part of its devices every shard hears; None: nobody can say."""
        self._hearing.tell({(shard,): nan if ratio is None else ratio for shard, ratio in by_shard.items()})

    def named(self, by_attribute: Mapping[str, int]) -> None:
        """Set how many values of every attribute are counted by themselves. No label is a value: there are too many."""
        for attribute, count in by_attribute.items():
            self._named.labels(attribute).set(count)

    def missed(self, count: int) -> None:
        """So many more heartbeats are known never to have come."""
        self._missed.inc(count)

    def passed(self, took_s: float) -> None:
        """A pass was carried through."""
        self._pass.observe(took_s)

    def judged(self, condition: str, turns: Mapping[Turn, int]) -> None:
        """Verdicts were stored."""
        for turn, count in turns.items():
            self._verdicts.labels(condition, turn).inc(count)


class Metrics:
    """All metrics of the service, on the process's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        messages = Counter(
            "telecare_messages",
            "Messages from devices, by what became of them: received = stored + duplicate + quarantined + in flight.",
            ("lane", "outcome"),
            registry=registry,
        )
        durations = Histogram(
            "telecare_store_duration_seconds",
            "From taking a batch out of the session to its commit.",
            ("lane",),
            buckets=_DURATION_BUCKETS_S,
            registry=registry,
        )
        self.alarms = Tally(messages, durations, "alarm")
        self.heartbeats = Tally(messages, durations, "heartbeat")
        self.statuses = Tally(messages, durations, "status")
        self.session_gaps = Counter(
            "telecare_session_gaps", "Times during which the broker may have lost messages.", registry=registry
        )
        self.liveness = LivenessMetrics(registry)
        self._registry = registry

    def blind_when(self, blind: Callable[[], bool]) -> None:
        """Ask `blind` at each scrape; it only looks at memory."""
        greatest_of(self._registry, *MONITORING_BLIND, lambda: float(blind()))
