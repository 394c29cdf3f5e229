"""A measure fills again by itself, each has their own, and it remembers only so many."""

import pytest
from prometheus_client import CollectorRegistry

from services.chassis.http import Problem, rates
from services.chassis.http.rates import Measure, Rates, network_of


class Time:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_measure_holds_a_burst_and_then_gives_as_much_as_flows_in() -> None:
    time = Time()
    measure = Measure(2.0, 4.0, time)
    assert [measure.take("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert measure.take("b") == 0  # another's is another
    time.now_s += 0.5
    assert (measure.take("a"), measure.take("a")) == (0, 0.5)
    time.now_s += 3600
    assert [measure.take("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]


def test_asking_again_and_again_does_not_put_off_the_next() -> None:
    time = Time()
    measure = Measure(1.0, 1.0, time)
    measure.take("a")
    for _ in range(9):
        time.now_s += 0.1
        assert measure.take("a") > 0
    time.now_s += 0.1
    assert measure.take("a") == pytest.approx(0)


def test_however_many_come_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "_KEYS_MAX", 100)
    measure = Measure(1.0, 1.0, Time())
    for number in range(10_000):
        measure.take(number)
    assert len(measure) == 100


def test_whoever_is_refused_is_counted_by_the_measure_that_was_used_up() -> None:
    metrics = CollectorRegistry()
    measures = Rates(1.0, Time(), metrics)

    def limited(rule: str) -> float | None:
        return metrics.get_sample_value("telecare_http_requests_limited_total", {"rule": rule})

    assert [limited(rule) for rule in ("read", "do", "stranger")] == [0, 0, 0], "there before anybody is"
    for _ in range(10):
        measures.stranger("192.0.2.7")
    for _ in range(3):
        with pytest.raises(Problem) as refused:
            measures.stranger("192.0.2.7")
        assert refused.value.status_code == 429
    assert [limited(rule) for rule in ("read", "do", "stranger")] == [0, 0, 3]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
    ],
)
def test_a_customers_whole_network_is_one_address(address: str, network: str) -> None:
    assert network_of(address) == network
