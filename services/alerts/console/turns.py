"""Pages are made one after the other, and in no more than half of the time: however many people look, alarms go first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

WAIT_S: Final = 5.0
PAUSE_S_MAX: Final = 0.5
"""After a page that took long: it waited for the database, and not for the processor."""


@dataclass(slots=True)
class Turns:
    """*Measured*: a page of a storm, with 200 alarms, is 25 ms of the processor; twenty operators would take all of it."""

    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """One's turn; the next one's comes after as long again. TimeoutError after 5 s: ask again."""
        async with asyncio.timeout(WAIT_S):
            await self._turn.acquire()
        began_at = time.monotonic()
        try:
            yield
        finally:
            pause_s = min(time.monotonic() - began_at, PAUSE_S_MAX)
            asyncio.get_running_loop().call_later(pause_s, self._turn.release)
