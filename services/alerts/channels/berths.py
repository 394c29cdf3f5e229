"""So many at once by one way out, and no more.

All e-mail goes to one server, and all texts to one provider. When that hangs, it may hold these berths, and none of the places
where the dispatcher sends to everybody else: so a hub's webhook never waits for a mail server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

WAIT_S: Final = 1.0


class Crowded(OSError):
    """No berth became free in time."""

    def __init__(self) -> None:
        super().__init__("too many are being sent already")


class Berths:
    """At most `most` at once; others wait for a second, and are then turned away."""

    def __init__(self, most: int, *, wait_s: float = WAIT_S) -> None:
        self._free = asyncio.Semaphore(most)
        self._wait_s = wait_s

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Have a berth. Raises Crowded."""
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise Crowded from None
        try:
            yield
        finally:
            self._free.release()
