"""Which devices can no longer be heard: the sweep that finds out, and what is told of it."""

from services.ingest.liveness.loops import Liveness, liveness

__all__ = ["Liveness", "liveness"]
