"""How long a box waits for what."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The waits of a box. Those for repeats are the contract's; tests and demos shorten what would take hours."""

    heartbeat_interval_s: float = 60.0
    repeat_first_s: float = 10.0
    repeat_max_s: float = 600.0
    repeat_jitter: float = 0.2
    battery_life_s: float = 24 * 3600.0
    recharge_s: float = 12 * 3600.0
    mains_report_delay_s: float = 300.0  # a flicker of the mains is nobody's alarm
    battery_low_pct: float = 20.0
