from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.simulator.power import Power
from tests.unit.simulator.simulated_home import HOUR, NOW


def make() -> Power:
    return Power(life_s=24 * 3600, recharge_s=12 * 3600, now=NOW)


def test_a_battery_lasts_a_day_and_is_half_full_at_noon() -> None:
    power = make()
    power.lose_mains(NOW)
    assert power.level_pct(NOW + 12 * HOUR) == 50
    assert power.reaches(20) == NOW + timedelta(hours=19.2)
    assert power.reaches(0) == NOW + 24 * HOUR
    assert power.level_pct(NOW + 30 * HOUR) == 0


def test_a_battery_charges_in_half_the_time_and_never_above_full() -> None:
    power = make()
    power.lose_mains(NOW)
    power.restore_mains(NOW + 12 * HOUR)
    assert power.level_pct(NOW + 15 * HOUR) == 75
    assert power.level_pct(NOW + 99 * HOUR) == 100
    assert power.reaches(0) is None


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1e6)), max_size=20))
def test_a_level_stays_between_empty_and_full_whatever_the_mains_do(history: list[tuple[bool, float]]) -> None:
    power, now = make(), NOW
    for mains, after_s in history:
        now += timedelta(seconds=after_s)
        (power.restore_mains if mains else power.lose_mains)(now)
        assert 0 <= power.level_pct(now) <= 100
