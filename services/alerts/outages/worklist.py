"""Who was exposed, as a table for a spreadsheet (RFC 4180): to be worked through, on paper too."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final
from uuid import UUID

from services.alerts.http.asker import Scope
from services.alerts.kpis.table import harmless
from services.alerts.outages.bodies import MemberView
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
_AT_ONCE: Final = 2_000
_BYTE_ORDER_MARK: Final = "\ufeff"  # by which spreadsheets know UTF-8


async def worklist(pool: Pool, outage_id: UUID, scope: Scope) -> AsyncIterator[bytes]:
    """The file, a piece at a time: half a million rows are in no memory at once, and hold no connection while they are sent."""
    yield (_BYTE_ORDER_MARK + _csv([COLUMNS])).encode()
    after: str | None = None
    while True:
        async with borrow(pool) as connection:
            rows = await connection.fetch(
                QUERIES["list_members"], outage_id, scope.hub, scope.councils, after, False, _AT_ONCE
            )
        if rows:
            yield _csv(_cells(MemberView.of(row)) for row in rows).encode()
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1]["device_id"]


def _cells(member: MemberView) -> list[Any]:
    told = member.model_dump(mode="json")
    return [harmless(told[column]) for column in COLUMNS]


def _csv(rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
