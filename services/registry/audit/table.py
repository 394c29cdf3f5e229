"""The audit log as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from services.registry.audit.store import AuditRow

_COLUMNS: Final = tuple(field.name for field in fields(AuditRow))
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def lines(rows: Sequence[AuditRow]) -> str:
    """A line each."""
    return _written([_cell(getattr(row, name)) for name in _COLUMNS] for row in rows)


def _cell(value: Any) -> Any:
    """No spreadsheet takes it for a formula, whoever wrote it."""
    if isinstance(value, datetime):
        return value.isoformat()
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
    return f"'{text}" if isinstance(text, str) and text.startswith(_FORMULA) else text


def _written(table: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(table)
    return text.getvalue()


HEAD: Final = _written([_COLUMNS])
