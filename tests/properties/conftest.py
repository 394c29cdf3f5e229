"""How Hypothesis runs here: no time limits, since other processes share the machine and the first example builds tables."""

from hypothesis import HealthCheck, settings

settings.register_profile("telecare", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("telecare")
