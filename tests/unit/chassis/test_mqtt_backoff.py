import pytest

from services.chassis.mqtt import Backoff


def upper(_low: float, high: float) -> float:
    return high


def test_waits_double_up_to_the_longest_and_start_again_after_success() -> None:
    backoff = Backoff(0.2, 1.0, uniform=upper)
    assert [backoff.next_s() for _ in range(5)] == [0.2, 0.4, 0.8, 1.0, 1.0]
    backoff.reset()
    assert backoff.next_s() == 0.2


def test_each_wait_is_drawn_from_nothing_to_its_ceiling() -> None:
    drawn: list[tuple[float, float]] = []

    def record(low: float, high: float) -> float:
        drawn.append((low, high))
        return (low + high) / 2

    backoff = Backoff(1.0, 10.0, uniform=record)
    assert [backoff.next_s(), backoff.next_s()] == [0.5, 1.0]
    assert drawn == [(0.0, 1.0), (0.0, 2.0)]


@pytest.mark.parametrize(("first_s", "max_s"), [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0)])
def test_a_back_off_that_could_not_back_off_is_refused(first_s: float, max_s: float) -> None:
    with pytest.raises(ValueError, match="first_s"):
        Backoff(first_s, max_s)
