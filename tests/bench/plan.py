"""How much is measured."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Plan:
    """`devices` are on the register before anything starts."""

    devices: int
    swept_devices: int
    lag_rates: tuple[int, ...]  # devices a second that fall due, of those that are swept; three fifths of them at most
    lag_s: int
    lag_beats_per_s: int
    flat_out_heartbeats: int  # of the reference, and of the service, in each round
    flat_out_rounds: int
    paced_per_s: int
    paced_s: int
    idle_alarms: int
    warm_up_alarms: int
    # Scotland's 142,000 users make some 4 million calls a year (domain.md): 0.13 a second, and 0.9 from a million.
    idle_alarms_per_s: float
    alarms_per_s: float  # among the heartbeats


FULL: Final = Plan(
    devices=1_000_000,
    swept_devices=2_000_000,
    lag_rates=(
        2_500,
        5_000,
        10_000,
    ),  # a quarter of them within 200, 100, 50 s: of 10,000 heartbeats a second, and more
    lag_s=30,
    lag_beats_per_s=2_000,
    flat_out_heartbeats=500_000,
    flat_out_rounds=3,
    paced_per_s=10_000,
    paced_s=60,
    idle_alarms=400,
    warm_up_alarms=20,
    idle_alarms_per_s=3,
    alarms_per_s=5,
)
QUICK: Final = Plan(
    devices=20_000,
    swept_devices=20_000,
    lag_rates=(500, 1_000),
    lag_s=5,
    lag_beats_per_s=1_000,
    flat_out_heartbeats=20_000,
    flat_out_rounds=1,
    paced_per_s=1_000,
    paced_s=3,
    idle_alarms=20,
    warm_up_alarms=5,
    idle_alarms_per_s=20,
    alarms_per_s=20,
)
