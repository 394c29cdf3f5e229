"""From the history of devices to a few rows a week: our own rollup, counted in the background, and made again when asked."""

from services.registry.rollout.counting.counting import EVERY_S, Counting, begin_again

__all__ = ["EVERY_S", "Counting", "begin_again"]
