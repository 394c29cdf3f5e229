"""Nobody hears the devices: told to every hub, from memory where the database is what is away."""

from services.alerts.impaired.memory import Memory
from services.alerts.impaired.watch import EVERY_S, Watch

__all__ = ["EVERY_S", "Memory", "Watch"]
