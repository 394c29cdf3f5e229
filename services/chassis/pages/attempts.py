"""How often somebody may try to sign in. A token is 256 random bits and can't be guessed; whoever tries is told to wait.

One who has a token is never kept out: an attacker behind the same proxy must not keep a shift from its work.
"""

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
    """Failures by address, of the last minute."""

    _failed: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict, init=False)

    def failed(self, address: str) -> int:
        """One more. How many seconds to wait before the next; 0: none, yet."""
        now = time.monotonic()
        failures = self._failed.setdefault(address, deque(maxlen=FAILURES_MAX))
        self._failed.move_to_end(address)
        while len(self._failed) > _ADDRESSES_MAX:
            self._failed.popitem(last=False)
        wait_s = failures[0] + WITHIN_S - now if len(failures) == FAILURES_MAX else 0.0
        failures.append(now)
        return max(0, math.ceil(wait_s))
