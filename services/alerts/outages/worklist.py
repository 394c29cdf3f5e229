"""Who was exposed, as a table for a spreadsheet (RFC 4180): to be worked through, on paper too."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from services.alerts.http.asker import Scope
from services.alerts.kpis.table import harmless
from services.alerts.outages.sql import QUERIES
from services.chassis.postgres import Pool
from services.chassis.postgres.borrow import borrow

COLUMNS: Final = (
    "device_id",
    "council_id",
    "postcode_district",
    "installation_ref",
    "since",
    "left_at",
    "contacted_by",
    "contacted_at",
)
_AT_ONCE: Final = 1_000  # a few milliseconds' work, in which nobody else's alarm is worked on
_BYTE_ORDER_MARK: Final = "\ufeff"  # by which spreadsheets know UTF-8


async def worklist(pool: Pool, outage_id: UUID, scope: Scope) -> AsyncIterator[bytes]:
    """The file, a piece at a time: half a million rows are in no memory at once, and hold no connection while they are sent.

    Each piece goes on after the last device of the one before, so that the last costs no more than the first.
    """
    yield (_BYTE_ORDER_MARK + _csv([COLUMNS])).encode()
    after = ""
    while True:
        async with borrow(pool) as connection, connection.transaction():
            await connection.execute(QUERIES["by_index"])
            rows = await connection.fetch(
                QUERIES["list_members"], outage_id, scope.hub, scope.councils, after, False, _AT_ONCE
            )
        if rows:
            yield _csv([_cell(row[column]) for column in COLUMNS] for row in rows).encode()
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1]["device_id"]


def _cell(value: str | datetime | None) -> str | None:
    return _utc(value) if isinstance(value, datetime) else harmless(value)


def _utc(at: datetime) -> str:
    """As the HTTP API writes it."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"


def _csv(rows: Iterable[Iterable[str | None]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
