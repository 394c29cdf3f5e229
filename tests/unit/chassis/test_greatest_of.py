"""One gauge, whoever has a say in it."""

from prometheus_client import CollectorRegistry

from services.chassis.metrics import greatest_of


def test_it_is_the_greatest_of_what_any_service_of_the_process_says() -> None:
    registry, other = CollectorRegistry(), CollectorRegistry()
    said = {"ingest": 0.0, "alerts": 0.0}
    greatest_of(registry, "telecare_test", "What this measures.", lambda: said["ingest"])
    greatest_of(registry, "telecare_test", "What this measures.", lambda: said["alerts"])
    greatest_of(other, "telecare_test", "What this measures.", lambda: said["alerts"])
    assert registry.get_sample_value("telecare_test") == 0
    said["ingest"] = 1.0
    assert registry.get_sample_value("telecare_test") == 1
    assert other.get_sample_value("telecare_test") == 0
