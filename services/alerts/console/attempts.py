"""How often somebody may try to sign in: a token can't be guessed, but whoever tries must not keep the database busy."""

from __future__ import annotations

import math
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

FAILURES_MAX: Final = 10
WITHIN_S: Final = 60.0
_ADDRESSES_MAX: Final = 4096


@dataclass(slots=True)
class Attempts:
    """Failures by address, of the last minute. Successes cost nothing: a whole shift may come in from one address."""

    _failed: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict, init=False)

    def wait_s(self, address: str) -> int:
        """How many seconds until this address may try again; 0: now."""
        failed = self._failed.get(address)
        if failed is None or len(failed) < FAILURES_MAX:
            return 0
        return max(0, math.ceil(failed[0] + WITHIN_S - time.monotonic()))

    def failed(self, address: str) -> None:
        """One more; the oldest of those beyond the limit is forgotten."""
        failures = self._failed.setdefault(address, deque(maxlen=FAILURES_MAX))
        failures.append(time.monotonic())
        self._failed.move_to_end(address)
        while len(self._failed) > _ADDRESSES_MAX:
            self._failed.popitem(last=False)
