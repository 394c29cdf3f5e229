"""Rows of which one has failed: each by itself, put off when it fails again, and seen to in another way in the end."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from datetime import datetime

import structlog

from services.chassis.event_log.append import QUERIES
from services.chassis.event_log.row import AfterCommit, Handle, LogRow
from services.chassis.postgres import Connection, is_transient

_log = structlog.get_logger(__name__)

FAILURES_MAX = 5


async def handle_each(
    connection: Connection,
    stream: str,
    rows: Sequence[LogRow],
    handle: Handle,
    handle_poison: Handle,
    now: datetime,
) -> list[AfterCommit | None]:
    """Handle the rows in order, up to the first that has to be put off: what comes after it in its key waits for it."""
    after: list[AfterCommit | None] = []
    for row in rows:
        error = None
        if row.attempts < FAILURES_MAX:
            error = await _attempt(handle, connection, row, now, after)
            if error is None:
                continue
            _log.error("event_log_row_failed", stream=stream, event_log_id=row.event_log_id, **_where(error))
        if row.attempts + 1 >= FAILURES_MAX:
            error = await _attempt(handle_poison, connection, row, now, after)
            if error is None:
                continue
            _log.critical("event_log_poison_failed", stream=stream, event_log_id=row.event_log_id, **_where(error))
        await connection.execute(QUERIES["put_off"], row.event_log_id, type(error).__name__, now)
        break
    return after


async def _attempt(
    handle: Handle, connection: Connection, row: LogRow, now: datetime, after: list[AfterCommit | None]
) -> Exception | None:
    """Handle the row and delete it, or undo that and return what went wrong. Raises what passes by itself."""
    try:
        async with connection.transaction():
            act = await handle(connection, row, now)
            await connection.execute(QUERIES["delete_row"], row.event_log_id)
    except Exception as error:
        if is_transient(error):
            raise
        return error
    after.append(act)
    return None


def _where(error: Exception) -> dict[str, str]:
    """What went wrong and where, without the message: it may quote what a device sent."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return {"error": type(error).__name__, "at": f"{frame.filename}:{frame.lineno}"}
