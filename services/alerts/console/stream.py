"""Tells open pages that it is worth reading again: of every transition (the feed's), of who looks at what, of the time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from services.alerts.http.asker import Scope
from services.alerts.http.feed import Feed
from services.chassis.clock import Clock
from services.chassis.pages.times import iso
from services.chassis.postgres import is_transient

CHANNELS: Final = ("console_presence", "silence", "outage", "impaired")
"""Whatever NOTIFY, beside a transition, makes a page worth reading again."""
TICK_S: Final = 5.0
"""Something comes this often. A page that hears nothing for two of them knows that its line is dead."""
_CHECK_S: Final = 15.0
_WAITING_MAX: Final = 256


@dataclass(slots=True)
class Stream:
    """Shared by all pages that are open on this process."""

    feed: Feed
    clock: Clock
    _followers: set[asyncio.Queue[str]] = field(default_factory=set, init=False)

    def poke(self, _payload: str = "") -> None:
        """Somebody came to look at an alarm or turned away, a silence began or ended, there is news of an outage, of blindness."""
        for follower in self._followers:
            if not follower.full():  # it has plenty to read again for already
                follower.put_nowait("event: changed\ndata: {}\n\n")

    async def follow(
        self, scope: Scope, cursor: str | None, signed_in: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[str]:
        """The text of the stream, from a page's cursor on; it ends with the session."""
        told: asyncio.Queue[str] = asyncio.Queue(_WAITING_MAX)
        pump = asyncio.create_task(self._pump(scope, cursor, told))
        self._followers.add(told)
        checked_at = time.monotonic()
        try:
            yield self._tick()
            while not (pump.done() and told.empty()):
                yield await self._next(told)
                if time.monotonic() - checked_at > _CHECK_S:
                    checked_at = time.monotonic()
                    if not await signed_in():
                        yield "event: signed_out\ndata: {}\n\n"
                        return
            _raise_unless_passing(pump.exception())
        finally:
            self._followers.discard(told)
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def _pump(self, scope: Scope, cursor: str | None, told: asyncio.Queue[str]) -> None:
        async for text in self.feed.follow(scope, cursor):
            await told.put(text)

    async def _next(self, told: asyncio.Queue[str]) -> str:
        try:
            async with asyncio.timeout(TICK_S):
                return await told.get()
        except TimeoutError:
            return self._tick()

    def _tick(self) -> str:
        return f"event: tick\ndata: {json.dumps({'now': iso(self.clock.now())})}\n\n"


def _raise_unless_passing(error: BaseException | None) -> None:
    """A database that is away ends a stream, and the page comes again; anything else is a bug, and is said."""
    if error is not None and not is_transient(error):
        raise error
