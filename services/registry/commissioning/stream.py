"""The checklist as it fills: told when it has changed, and every 5 s that we are still here."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from services.chassis.clock import Clock
from services.chassis.postgres import is_transient
from services.registry.commissioning.view import ChecklistView

TICK_S: Final = 5.0
"""Something comes this often. Whoever hears nothing for two of them knows that the line is dead."""
LASTS_S: Final = 15 * 60.0
"""Then the client connects again, by itself, and is asked again who it is."""
_LOOK_EVERY_S: Final = 1.0
_LOOK_SELDOM_S: Final = 5.0


@dataclass(slots=True)
class Stream:
    """Shared by all who follow on this process."""

    clock: Clock
    _followers: set[asyncio.Event] = field(default_factory=set, init=False)

    def poke(self, _payload: str = "") -> None:
        """A device began or ended its commissioning."""
        for follower in self._followers:
            follower.set()

    async def follow(
        self, look: Callable[[], Awaitable[ChecklistView | None]], may_stay: Callable[[], Awaitable[bool]] | None = None
    ) -> AsyncIterator[str]:
        """The text of the stream. It ends when there is nothing to look at any more, or the follower may not stay."""
        told = asyncio.Event()
        self._followers.add(told)
        ends_at = time.monotonic() + LASTS_S
        spoke_at = asked_at = time.monotonic()
        gist = ""
        try:
            yield "retry: 1000\n\n"
            while time.monotonic() < ends_at:
                told.clear()
                stays = True
                try:
                    view = await look()
                    if may_stay is not None and time.monotonic() - asked_at >= TICK_S:
                        asked_at, stays = time.monotonic(), await may_stay()
                except Exception as error:
                    if not is_transient(error):
                        raise
                    return  # and the client comes again
                if not stays:
                    yield "event: signed_out\ndata: {}\n\n"
                if view is None or not stays:
                    return
                if view.gist != gist:
                    gist, spoke_at = view.gist, time.monotonic()
                    yield f"event: checklist\ndata: {view.model_dump_json()}\n\n"
                elif time.monotonic() - spoke_at >= TICK_S:
                    spoke_at = time.monotonic()
                    yield f"event: tick\ndata: {json.dumps({'now': self.clock.now().isoformat()})}\n\n"
                await _either(told, _LOOK_EVERY_S if view.stage == "commissioning" else _LOOK_SELDOM_S)
        finally:
            self._followers.discard(told)


async def _either(told: asyncio.Event, wait_s: float) -> None:
    try:
        async with asyncio.timeout(wait_s):
            await told.wait()
    except TimeoutError:
        pass
