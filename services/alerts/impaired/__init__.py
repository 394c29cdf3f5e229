"""Nobody hears the devices, or fewer are heard than should be: told to hubs, from memory where the database is what is away."""

from services.alerts.impaired.degraded import DEGRADED_EVERY_S, DegradedHearing
from services.alerts.impaired.memory import Memory
from services.alerts.impaired.watch import EVERY_S, Watch

__all__ = ["DEGRADED_EVERY_S", "EVERY_S", "DegradedHearing", "Memory", "Watch"]
