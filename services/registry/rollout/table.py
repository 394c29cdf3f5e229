"""The rollout as tables for a spreadsheet (RFC 4180)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from fastapi import Response

from services.registry.domain.lifecycle import STAGES
from services.registry.domain.rollout import Rollout
from services.registry.domain.rollout_council import FIGURES, CouncilRollout
from services.registry.domain.rollout_history import Row
from services.registry.domain.rollout_weeks import WEEK, begins

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_HISTORY_COLUMNS: Final = (
    *("week", "complete", "council_id", "stage", "devices", "entered", "left", "live_first", "replaced"),
)

# What a council's row holds as it is told by the API.
_COUNCIL_COLUMNS: Final = (
    *("telecare_users", "analogue_units", "target", "target_date", "live", "unheard", "silent", "devices"),
    *("digital_ready", "digital_ready_share", "live_share", "live_milestone", "target_needed_per_week"),
    *("analogue_left", "analogue_needed_per_week", "overridden"),
)


def councils_table(rollout: Rollout) -> str:
    """A row for each council; what nobody knows is empty."""
    rows = [_council(each, rollout.as_of) for each in rollout.councils]
    return written(list(rows[0]), rows)


def history_table(rows: Sequence[Row], now: datetime) -> str:
    """A row for each week, council and stage, the newest first."""
    return written(_HISTORY_COLUMNS, [_history(row, now) for row in rows])


def written(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """The table, in which no text is a formula, whoever wrote it."""
    text = io.StringIO()
    table = csv.DictWriter(text, fieldnames=columns, lineterminator="\r\n")
    table.writeheader()
    table.writerows({column: _harmless(row[column]) for column in columns} for row in rows)
    return text.getvalue()


def as_download(table: str, name: str, day: date) -> Response:
    """A table as a file of that day."""
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="telecare-{name}-{day.isoformat()}.csv"',
    }
    return Response(table, media_type="text/csv; charset=utf-8; header=present", headers=headers)


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _council(council: CouncilRollout, as_of: datetime) -> dict[str, Any]:
    row: dict[str, Any] = {"as_of": as_of.isoformat(), "council_id": council.council_id, "council": council.name}
    row |= {name: getattr(council, name) for name in _COUNCIL_COLUMNS}
    row |= {f"stage_{stage}": council.stages[stage] for stage in STAGES}
    row |= {"faults_unprotected": council.open_faults.unprotected, "faults_degraded": council.open_faults.degraded}
    for name in FIGURES:
        sourced = council.sources.get(name)
        row |= {f"{name}_source": sourced and sourced.source, f"{name}_as_of": sourced and sourced.as_of}
    return row


def _history(row: Row, now: datetime) -> dict[str, Any]:
    flow = row.flow
    return {
        "week": row.week,
        "complete": begins(row.week + WEEK) <= now,
        "council_id": row.council_id,
        "stage": row.stage,
        "devices": row.devices,
        "entered": flow.entered,
        "left": flow.left,
        "live_first": flow.first,
        "replaced": flow.replaced,
    }
