"""LISTEN, which dies silently: a hint that makes work prompt, beside the polling that makes it certain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from services.chassis.postgres.errors import is_transient
from services.chassis.postgres.pool import connect

_log = structlog.get_logger(__name__)

_CHECK_EVERY_S = 5.0
_RETRY_S = 1.0


async def listen(database_url: str, callbacks: Mapping[str, Callable[[str], None]]) -> None:
    """Call `callbacks[channel](payload)` for each notification, for ever; reconnects by itself, checked every 5 s."""
    while True:
        try:
            connection = await connect(database_url, name="listen")
            try:
                for channel, callback in callbacks.items():
                    await connection.add_listener(channel, _adapt(callback))
                for callback in callbacks.values():
                    callback("")  # whatever was told while nobody listened
                while True:
                    await asyncio.sleep(_CHECK_EVERY_S)
                    await connection.fetchval("select 1", timeout=_CHECK_EVERY_S)
            finally:
                connection.terminate()
        except Exception as error:
            if not is_transient(error):
                raise
            _log.debug("listen_lost", reason=type(error).__name__)
            await asyncio.sleep(_RETRY_S)


def _adapt(callback: Callable[[str], None]) -> Callable[..., None]:
    def told(_connection: Any, _pid: int, _channel: str, payload: object) -> None:
        callback(str(payload))

    return told
