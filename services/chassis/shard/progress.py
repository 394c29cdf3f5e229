"""Whether work moves: a session that is up under a worker that is stuck must not keep its shard."""

import time
from collections.abc import Callable


class Progress:
    """What a worker has taken from its session and not stored yet, and since when nothing of that moved."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._moved_at = monotonic()
        self.unstored = 0

    def taken(self, count: int) -> None:
        """So many messages came out of the session."""
        if self.unstored == 0:
            self._moved_at = self._monotonic()
        self.unstored += count

    def stored(self, count: int) -> None:
        """So many of them are committed."""
        self.unstored -= count
        self._moved_at = self._monotonic()

    @property
    def stalled_s(self) -> float:
        """For how long there has been something to store and nothing was; nought when there is nothing."""
        return self._monotonic() - self._moved_at if self.unstored else 0.0
