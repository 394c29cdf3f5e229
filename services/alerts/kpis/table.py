"""A month as a table for a spreadsheet (RFC 4180): a row for the whole, each council, hub and priority, and what is no call."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from services.alerts.domain.kpis import Figures, Group, Report

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")

_Row = dict[str, Any]


def as_csv(report: Report) -> str:
    """The report; a column that says nothing of a row is empty there."""
    rows = [{"month": str(report.month), "as_of": report.as_of.isoformat(), **row} for row in _rows(report)]
    text = io.StringIO()
    table = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\r\n")
    table.writeheader()
    table.writerows({column: harmless(value) for column, value in row.items()} for row in rows)
    return text.getvalue()


def harmless(value: Any) -> Any:
    """A text that no spreadsheet takes for a formula, whoever wrote it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _rows(report: Report) -> Iterator[_Row]:
    yield _row("all", Group("", report.total))
    for name, groups in (("council", report.councils), ("hub", report.hubs), ("priority", report.priorities)):
        yield from (_row(name, group) for group in groups)
    for what, count in asdict(report.excluded).items():
        yield {"group": "excluded", "key": what, "calls": count}


def _row(name: str, group: Group) -> _Row:
    return {"group": name, "key": group.key, **_columns(group.figures)}


def _columns(figures: Figures) -> _Row:
    within: _Row = {}
    for each in figures.within:
        prefix = f"within_{each.within_s}_s"
        within |= {
            prefix: each.answered,
            f"{prefix}_share": each.share,
            f"{prefix}_target": each.target,
            f"{prefix}_met": each.met,
        }
    return {
        "calls": figures.calls,
        "answered": figures.answered,
        "not_answered": figures.not_answered,
        "waiting": figures.waiting,
        **within,
        **{f"{name}_s": seconds for name, seconds in figures.percentiles_s.items()},
    }
