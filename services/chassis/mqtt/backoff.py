"""How long to wait before trying again."""

import random
from collections.abc import Callable


class Backoff:
    """Exponential back-off with full jitter.

    The n-th wait is drawn evenly from 0 … min(max_s, first_s · 2^n), so that a thousand clients that lost the same
    broker in the same instant do not come back in the same instant (AWS Architecture Blog, "Exponential Backoff And
    Jitter").
    """

    def __init__(
        self, first_s: float = 0.2, max_s: float = 10.0, *, uniform: Callable[[float, float], float] = random.uniform
    ) -> None:
        if not 0 < first_s <= max_s:
            raise ValueError("a back-off needs 0 < first_s <= max_s")
        self.first_s = first_s
        self.max_s = max_s
        self._uniform = uniform
        self._ceiling_s = first_s

    def next_s(self) -> float:
        """Seconds to wait before the next try."""
        ceiling_s = self._ceiling_s
        self._ceiling_s = min(self.max_s, ceiling_s * 2)
        return self._uniform(0.0, ceiling_s)

    def reset(self) -> None:
        """What was tried has worked: start from first_s again."""
        self._ceiling_s = self.first_s
