"""The simulator's own time: this host's, but steady. A fleet is driven by waits, which a stepped clock would upset."""

import time
from datetime import UTC, datetime, timedelta


class SteadyClock:
    """Never goes back, never jumps: the wall clock at the start, plus what has passed since."""

    def __init__(self) -> None:
        self._started_at = datetime.now(UTC)
        self._monotonic_s = time.monotonic()

    def now(self) -> datetime:
        """The present instant, in UTC."""
        return self._started_at + timedelta(seconds=time.monotonic() - self._monotonic_s)
