"""Received = stored + duplicate + quarantined + in flight, also when a session ends with messages in it."""

from prometheus_client import CollectorRegistry

from services.ingest.metrics import Metrics


def counted(registry: CollectorRegistry, outcome: str) -> float:
    return registry.get_sample_value("telecare_messages_total", {"lane": "heartbeat", "outcome": outcome}) or 0.0


def test_what_is_given_back_is_counted_once_though_it_comes_twice() -> None:
    registry = CollectorRegistry()
    tally = Metrics(registry).heartbeats
    tally.received(10)
    tally.given_back(10)
    tally.received(4)
    tally.settled(stored=3, duplicate=1, took_s=0.01)
    tally.received(8)
    tally.settled(stored=6, duplicate=1, quarantined=1, took_s=0.01)
    assert counted(registry, "received") == 12
    assert sum(counted(registry, outcome) for outcome in ("stored", "duplicate", "quarantined")) == 12
