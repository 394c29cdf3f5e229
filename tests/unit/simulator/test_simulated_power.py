from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.simulator.power import Power
from services.simulator.timing import Timing
from tests.unit.simulator.simulated_home import HOUR, NOW


def make() -> Power:
    return Power(Timing(), NOW)


def test_a_battery_lasts_a_day_and_is_half_full_at_noon() -> None:
    power = make()
    power.lose_mains(NOW)
    assert power.level_pct(NOW + 12 * HOUR) == 50
    assert power.level_pct(NOW + 30 * HOUR) == 0
    assert not power.is_flat(NOW + 23 * HOUR)
    assert power.is_flat(NOW + 24 * HOUR)


def test_it_says_when_it_has_the_next_thing_to_report_and_each_only_once() -> None:
    power = make()
    power.lose_mains(NOW)
    assert power.next_at == NOW + timedelta(minutes=5)
    assert power.take_reports(power.next_at) == ["mains_lost"]
    assert power.next_at == NOW + timedelta(hours=19.2)
    assert power.take_reports(power.next_at) == ["battery_low"]
    assert power.next_at == NOW + 24 * HOUR
    assert power.take_reports(power.next_at) == []
    assert power.restore_mains(power.next_at)
    assert not power.restore_mains(NOW + 25 * HOUR)


def test_a_battery_charges_in_half_the_time_and_never_above_full() -> None:
    power = make()
    power.lose_mains(NOW)
    power.restore_mains(NOW + 12 * HOUR)
    assert power.level_pct(NOW + 15 * HOUR) == 75
    assert power.level_pct(NOW + 99 * HOUR) == 100
    assert power.next_at is None


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1e6)), max_size=20))
def test_a_level_stays_between_empty_and_full_whatever_the_mains_do(history: list[tuple[bool, float]]) -> None:
    power, now = make(), NOW
    for mains, after_s in history:
        now += timedelta(seconds=after_s)
        (power.restore_mains if mains else power.lose_mains)(now)
        assert 0 <= power.level_pct(now) <= 100
