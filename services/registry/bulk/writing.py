"""Devices, and what is wrong with a file, as CSV that a spreadsheet opens rightly, and that can be imported again."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

from services.registry.bulk.store import BulkStore
from services.registry.devices.values import Filter
from services.registry.domain.sheet import COLUMNS, Fault, defused

# Few at a time: written between two turns of the event loop, which alarms share.
_PAGE: Final = 500
# By this alone Excel knows UTF-8.
_BYTE_ORDER_MARK: Final = "\ufeff"

_cells = attrgetter(*COLUMNS)


async def export(store: BulkStore, filter_: Filter) -> AsyncIterator[bytes]:
    """The devices in the order of their ids, a page at a time, however many there are."""
    yield _BYTE_ORDER_MARK.encode() + _csv([COLUMNS])
    after = ""
    while True:
        page = await store.export_page(after, _PAGE, filter_)
        if page:
            yield _csv(_cells(device) for device in page)
            after = page[-1].device_id
        if len(page) < _PAGE:
            return


def errors(faults: Iterable[Fault]) -> bytes:
    """What is wrong with a file, a line each."""
    rows = ((fault.line, fault.cell, fault.column, fault.message) for fault in faults)
    return _BYTE_ORDER_MARK.encode() + _csv([("line", "cell", "column", "message")]) + _csv(rows)


def _csv(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([[_cell(value) for value in row] for row in rows])
    return text.getvalue().encode()


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            return defused(value)
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case list():
            return defused("; ".join(value))
    return str(value)
