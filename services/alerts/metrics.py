"""What Prometheus is told. No label holds an id; each takes a handful of values.

What counts rows says nothing before it has looked: alerts that starts while the database is away does not tell that nobody waits.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from contracts.ids import CANARY
from contracts.vocabulary import Priority
from services.alerts.domain.blindness import Ear
from services.chassis.clock import Clock
from services.chassis.metrics import GaugeOfAges, GaugeOfRows, GaugeOnceKnown

_DELIVERY_BUCKETS_S = (0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
_ACKNOWLEDGE_BUCKETS_S = (5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1800, 3600)  # TSA judges 60 and 180 s

PRIORITIES = tuple(str(int(priority)) for priority in Priority)
WAITING = ("open", "acknowledged")


class Metrics:
    """The metrics of one process's alerts service."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self.delivery_seconds = Histogram(
            "telecare_alarm_delivery_seconds",
            "From an event's receipt to a hub having its notification",
            ["channel"],
            buckets=_DELIVERY_BUCKETS_S,
            registry=registry,
        )
        self.acknowledge_seconds = Histogram(
            "telecare_alarm_acknowledge_seconds",
            "From an alarm's first event's receipt, or its opening again, to an operator having taken it",
            ["priority"],
            buckets=_ACKNOWLEDGE_BUCKETS_S,
            registry=registry,
        )
        self.deliveries = Counter(
            "telecare_deliveries", "Attempts to deliver, by outcome", ["channel", "outcome"], registry=registry
        )
        self.open = Gauge(
            "telecare_alarms_open", "Alarms that are not closed", ["priority", "state"], registry=registry
        )
        self.oldest_unacknowledged = GaugeOfAges(
            Gauge(
                "telecare_oldest_unacknowledged_alarm_seconds",
                "For how long the oldest alarm has waited for an operator",
                ["priority"],
                registry=registry,
            ),
            clock.now,
        )
        self.life_alarm_waits = GaugeOfAges(
            Gauge(
                "telecare_life_alarm_waits_seconds",
                "For how long the oldest alarm of priority 1 of a council (none: nobody knows which) has waited for an operator",
                ["council"],
                registry=registry,
            ),
            clock.now,
        )
        self.unroutable = GaugeOnceKnown(
            "telecare_alarms_unroutable",
            "Alarms that are not closed and whose council has no hub with a verified channel",
            registry,
        )
        self.channel_failing = GaugeOfRows(
            Gauge(
                "telecare_channel_failing",
                "Verified channels of a hub of which three probes in a row have failed",
                ["hub"],
                registry=registry,
            )
        )
        self._responder_way_failing = GaugeOfRows(
            Gauge(
                "telecare_responder_way_failing",
                "1 while the mail server, or Notify, does not answer as it should, and a responder relies on it",
                ["channel"],
                registry=registry,
            )
        )
        self.hub_undelivered = GaugeOfAges(
            Gauge(
                "telecare_hub_undelivered_seconds",
                "For how long the oldest alarm of priority 1 or 2 has been tried at a hub and not been taken there",
                ["hub"],
                registry=registry,
            ),
            clock.now,
        )
        self.session_away = GaugeOfAges(
            Gauge(
                "telecare_session_away_seconds",
                "For how long nobody has had the MQTT session by which hubs' actions, or units' claims, are heard",
                ["shard"],
                registry=registry,
            ),
            clock.now,
        )
        self.audit_overdue = GaugeOfAges(
            Gauge(
                "telecare_audit_overdue_seconds",
                "For how long the work that has waited longest has been due",
                ["what"],
                registry=registry,
            ),
            clock.now,
        )
        self.audit_age_s = Gauge(
            "telecare_audit_age_seconds",
            "For how long this process has not looked whether anything waits longer than it ever should: it does each 5 s",
            registry=registry,
        )
        self.audit_violations = GaugeOnceKnown(
            "telecare_audit_violations",
            "Kinds of work of which some waits longer than it ever should",
            registry,
        )
        self._silences_active = GaugeOfRows(
            Gauge(
                "telecare_silences_active",
                "Silences that hold back alarms of a council now",
                ["council"],
                registry=registry,
            )
        )
        self._hearing_lag_s = GaugeOfRows(
            Gauge(
                "telecare_hearing_lag_seconds",
                "For how long nothing that devices sent has been stored for certain: blind above 5",
                ["shard"],
                registry=registry,
            )
        )
        self._shard_info = GaugeOfRows(
            Gauge(
                "telecare_shard_info",
                "1 for each shard of ingest that there is, whether or not anybody ever worked it",
                ["lane", "shard"],
                registry=registry,
            )
        )
        self.outages_open = GaugeOnceKnown(
            "telecare_outages_open", "Outages of many devices at once that are not over", registry
        )
        self.outage_members = Gauge(
            "telecare_outage_members",
            "Devices that are affected as members of an outage",
            ["condition"],
            registry=registry,
        )
        for channel in ("webhook", "mqtt", "email", "sms"):
            self.delivery_seconds.labels(channel)
        for priority in PRIORITIES:
            self.acknowledge_seconds.labels(priority)
        for channel in ("webhook", "mqtt", "email", "sms", "receipt"):
            for outcome in ("delivered", "awaiting", "transient", "permanent"):
                self.deliveries.labels(channel, outcome)

    def attempted(self, channel: str, outcome: str, *, hub_id: str | None) -> None:
        """Somebody was sent something. The canary has figures of its own: in these it would be the only quiet night's."""
        if hub_id != CANARY:
            self.deliveries.labels(channel, outcome).inc()

    def arrived(self, channel: str, received_at: datetime | None, at: datetime, *, hub_id: str | None) -> float | None:
        """Received → delivered, in seconds, which it measures; None for news that no event caused."""
        if received_at is None:
            return None
        waited_s = max((at - received_at).total_seconds(), 0)
        if hub_id != CANARY:
            self.delivery_seconds.labels(channel).observe(waited_s)
        return waited_s

    def responder_ways(self, failing: Mapping[str, bool]) -> None:
        """Whether each fails that responders rely on; of one that none relies on, that it does not."""
        self._responder_way_failing.tell({(channel,): float(fails) for channel, fails in failing.items()})

    def silences(self, active: Mapping[str, int]) -> None:
        """How many there are, by council."""
        self._silences_active.tell({(council_id,): count for council_id, count in active.items()})

    def hears(self, ears: Sequence[Ear], now: datetime) -> None:
        """How far behind each shard of ingest is. One that was retired can't be: it would be told as deaf for ever."""
        self._hearing_lag_s.tell({(ear.shard,): max((now - ear.heard_until).total_seconds(), 0) for ear in ears})

    def shards(self, lane_of: Mapping[str, str]) -> None:
        """Which there are, by name."""
        self._shard_info.tell({(lane, shard): 1 for shard, lane in lane_of.items()})
