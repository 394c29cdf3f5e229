"""How devices are, by what their heartbeats say: the part of the sweep that judges that, and what is told of it."""

from services.ingest.liveness.health.look import HealthLook, View

__all__ = ["HealthLook", "View"]
