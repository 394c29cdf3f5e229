"""What is too much to count for every look at the rollout: live and silent devices, analogue units replaced."""

from services.registry.rollout.beside.beside import EVERY_S, Beside

__all__ = ["EVERY_S", "Beside"]
