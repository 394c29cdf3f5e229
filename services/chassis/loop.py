"""The one shape of every background worker: `run_once` does all the work and returns how much it did; the loop repeats it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from services.chassis.postgres import is_transient

_log = structlog.get_logger(__name__)

RETRY_FIRST_S = 0.1
RETRY_MAX_S = 5.0


@dataclass(slots=True)
class Loop:
    """Calls `run_once` again at once while it returns more than nought, else after `every_s` or when poked.

    No error ends the loop: what passes by itself (a database away) is logged once and retried, and so, loudly each time, is a
    bug; `failing_since` (monotonic seconds) lets readiness tell.
    """

    name: str
    run_once: Callable[[], Awaitable[int]]
    every_s: float
    failing_since: float | None = None
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def poke(self) -> None:
        """Something may be there to do now."""
        self._wake.set()

    async def run(self) -> None:
        retry_s = RETRY_FIRST_S
        while True:
            self._wake.clear()
            try:
                worked = await self.run_once()
            except Exception as error:  # noqa: BLE001 - the loop outlives every error, and says each
                self._failed(error)
                await asyncio.sleep(retry_s)
                retry_s = min(retry_s * 2, RETRY_MAX_S)
                continue
            self._recovered()
            retry_s = RETRY_FIRST_S
            if worked:
                await asyncio.sleep(0)  # a long backlog starves nobody else on the event loop
                continue
            try:
                async with asyncio.timeout(self.every_s):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def _failed(self, error: Exception) -> None:
        first = self.failing_since is None
        self.failing_since = self.failing_since or time.monotonic()
        if not is_transient(error):
            _log.exception("loop_failed", loop=self.name)
        elif first:
            _log.warning("loop_waiting", loop=self.name, reason=f"{type(error).__name__}: {error}")

    def _recovered(self) -> None:
        if self.failing_since is not None:
            _log.info("loop_recovered", loop=self.name, after_s=round(time.monotonic() - self.failing_since, 1))
            self.failing_since = None
