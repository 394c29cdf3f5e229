"""Storing again until it succeeds: a batch that was taken is stored or, its session gone, given back, and never dropped."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from services.chassis.mqtt import Backoff
from services.chassis.postgres import is_transient
from services.chassis.postgres.errors import is_data_error

_log = structlog.get_logger(__name__)

_T = TypeVar("_T")
_NOTICEABLE_S = 2.0


class Patience:
    """One lane's dealings with a database that may be away. It says so once, and again when that is over."""

    def __init__(self, lane: str) -> None:
        self._lane = lane
        self._failing_since: float | None = None  # monotonic

    @property
    def trouble(self) -> str | None:
        """In a sentence, since when nothing of the lane could be stored; None when all is well."""
        if self._failing_since is None or time.monotonic() - self._failing_since < _NOTICEABLE_S:
            return None
        return f"Lane {self._lane} has not been able to store for {time.monotonic() - self._failing_since:.0f} s."

    async def store(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        """What `attempt` returns, once it does. Only a data error is the caller's: waiting mends no row."""
        try:
            return await self._until_stored(attempt)
        finally:
            self._failing_since = None  # stored, or given back (cancelled): no trouble of ours any more

    async def _until_stored(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        backoff = Backoff(first_s=0.05, max_s=2.0)
        while True:
            try:
                result = await attempt()
            except Exception as error:
                if is_data_error(error):
                    raise
                self._failed(error)
                await asyncio.sleep(backoff.next_s())
            else:
                self._say_recovered()
                return result

    def _failed(self, error: Exception) -> None:
        first = self._failing_since is None
        if first:
            self._failing_since = time.monotonic()
        if not is_transient(error):  # a bug, or rights that are missing: loud each time, and no message is lost by it
            _log.error("store_failed", lane=self._lane, error=type(error).__name__, exc_info=error)
        elif first:
            _log.warning("store_waits_for_database", lane=self._lane, reason=type(error).__name__)

    def _say_recovered(self) -> None:
        if self._failing_since is not None:
            _log.info("store_recovered", lane=self._lane, after_s=round(time.monotonic() - self._failing_since, 1))
