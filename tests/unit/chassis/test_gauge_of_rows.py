"""A gauge of rows tells of nothing that the last query did not find, nor before it looked; one of ages goes on by itself."""

from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry, Gauge

from services.alerts.metrics import Metrics as AlertsMetrics
from services.chassis.clock import DatabaseClock
from services.chassis.metrics import GaugeOfAges, GaugeOfRows, GaugeOnceKnown
from services.ingest.metrics import LivenessMetrics


def test_what_is_gone_is_told_of_no_more_and_what_stays_is_told_anew() -> None:
    registry = CollectorRegistry()
    gauge = GaugeOfRows(Gauge("shares", "Shares.", ["lane", "shard"], registry=registry))
    gauge.tell({("alarm", "a"): 1.0, ("heartbeat", "b"): 2.0})
    gauge.tell({("heartbeat", "b"): 3.0, ("heartbeat", "c"): 4.0})
    (family,) = registry.collect()
    assert {each.labels["shard"]: each.value for each in family.samples} == {"b": 3.0, "c": 4.0}


def test_ingest_tells_of_no_shard_and_no_council_that_is_gone() -> None:
    metrics = LivenessMetrics(registry := CollectorRegistry())
    for shards, councils in (("ab", ("fife", "moray")), ("b", ("fife",))):
        metrics.hears(dict.fromkeys(shards, 1.0))
        metrics.silent(dict.fromkeys(councils, 3))
        metrics.late(dict.fromkeys(councils, 4))
    told = {family.name: [list(each.labels.values()) for each in family.samples] for family in registry.collect()}
    assert told["telecare_hearing_ratio"] == [["b"]]
    assert told["telecare_devices_silent"] == told["telecare_devices_late"] == [["fife"]]


def test_before_the_first_look_nothing_is_told_rather_than_that_all_is_well() -> None:
    registry = CollectorRegistry()
    gauge = GaugeOnceKnown("late", "Late.", registry)
    assert list(registry.collect()) == []
    for found in (0.0, 2.0):
        gauge.set(found)
        (family,) = registry.collect()
        assert [each.value for each in family.samples] == [found]


def test_alerts_that_has_not_looked_tells_neither_that_nobody_waits_nor_that_everybody_can_be_told() -> None:
    AlertsMetrics(registry := CollectorRegistry(), DatabaseClock())
    told = {sample.name for family in registry.collect() for sample in family.samples}
    assert not told & {
        "telecare_alarms_open",
        "telecare_alarms_unroutable",
        "telecare_oldest_unacknowledged_alarm_seconds",
        "telecare_life_alarm_waits_seconds",
        "telecare_audit_violations",
        "telecare_outages_open",
        "telecare_outage_members",
    }
    assert "telecare_deliveries_total" in told


def test_an_age_grows_while_nobody_looks_anew_is_nought_when_nothing_lasts_and_never_less() -> None:
    noon = now = datetime(2026, 11, 29, 12, tzinfo=UTC)
    registry = CollectorRegistry()
    gauge = GaugeOfAges(Gauge("waits", "For how long.", ["council"], registry=registry), lambda: now)

    def told() -> dict[str, float]:
        (family,) = registry.collect()
        return {each.labels["council"]: each.value for each in family.samples}

    gauge.tell({("fife",): noon, ("moray",): None, ("highland",): noon + timedelta(seconds=9)})
    assert told() == {"fife": 0, "moray": 0, "highland": 0}
    now += timedelta(seconds=20)
    assert told() == {"fife": 20, "moray": 0, "highland": 11}
    gauge.tell({("fife",): None, ("moray",): noon})
    assert told() == {"fife": 0, "moray": 20}
    gauge.tell({("fife",): noon})
    assert told() == {"fife": 20}
