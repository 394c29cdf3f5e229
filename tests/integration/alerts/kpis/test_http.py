"""`GET /api/v1/kpis`: who is told what, and questions that make no sense."""

import csv
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.alerts.domain.kpis import Month
from tests.blackbox.api import PROBLEM
from tests.integration.alerts.kpis.past import Happened, alarm
from tests.integration.alerts.running import Installation, add_hub, run_alerts
from tests.support.servers import Broker, Database

KPIS = "/api/v1/kpis"
RAISED = Happened("raised")


@pytest.fixture
async def installation(database: Database, broker: Broker, tmp_path: Path) -> AsyncIterator[Installation]:
    """Of November: one call of Glasgow that Clyde answered soon, one of Fife that Forth answered late, and a test."""
    async with run_alerts(database, broker, tmp_path) as running:
        for hub in ("clyde-arc", "forth-arc"):
            await add_hub(running.database, hub)
        noon = datetime(2025, 11, 10, 12, tzinfo=UTC)
        closed = Happened("closed", 3600)
        await alarm(running.database, noon, RAISED, Happened("acknowledged", 20, hub_id="clyde-arc"), closed)
        late = Happened("acknowledged", 200, hub_id="forth-arc")
        await alarm(running.database, noon, RAISED, late, closed, council_id="fife")
        await alarm(running.database, noon, Happened("test_received", priority=5))
        yield running


async def test_a_month_is_told_by_council_hub_and_priority(installation: Installation) -> None:
    answer = await installation.api.get(KPIS, month="2025-11")
    assert answer.status == 200, answer
    report = answer.body
    assert (report["month"], report["complete"]) == ("2025-11", True)
    assert (report["begins"], report["ends"]) == ("2025-11-01T00:00:00Z", "2025-12-01T00:00:00Z")
    assert report["total"]["calls"] == 2
    assert report["total"]["within"] == [
        {"within_s": 60, "target": 0.975, "answered": 1, "share": 0.5, "met": False},
        {"within_s": 180, "target": 0.99, "answered": 1, "share": 0.5, "met": False},
    ]
    assert report["total"]["percentiles_s"] == {"p50": 20.0, "p90": 200.0, "p95": 200.0, "p99": 200.0, "max": 200.0}
    assert {each["council_id"]: each["within"][0]["met"] for each in report["councils"]} == {
        "fife": False,
        "glasgow-city": True,
    }
    assert {each["hub_id"]: each["calls"] for each in report["hubs"]} == {"clyde-arc": 1, "forth-arc": 1}
    assert {each["priority"]: each["calls"] for each in report["priorities"]} == {1: 2}
    assert report["excluded"] == {"tests": 1, "repeats": 0, "priority_3": 0, "priority_4": 0, "priority_5": 0}


async def test_each_role_is_told_what_is_its_business(installation: Installation) -> None:
    for caller, councils in (
        (await installation.token("viewer"), {"fife", "glasgow-city"}),
        (await installation.token("hub", hub_id="clyde-arc"), {"glasgow-city"}),
        (await installation.token("engineer", councils=["fife"]), {"fife"}),
        (await installation.token("engineer"), {"fife", "glasgow-city"}),
    ):
        report = (await caller.get(KPIS, month="2025-11")).body
        assert {each["council_id"] for each in report["councils"]} == councils
    assert (await installation.api.by(None).get(KPIS)).status == 401


async def test_the_present_month_is_told_while_it_runs(installation: Installation) -> None:
    now = datetime.now(UTC)
    began_at = max(now - timedelta(seconds=10), Month.of(now).begins)  # in the first seconds of a month, too
    await alarm(installation.database, began_at, RAISED)
    report = (await installation.api.get(KPIS)).body
    assert (report["month"], report["complete"], report["total"]["calls"]) == (str(Month.of(now)), False, 0)
    assert report["total"]["waiting"] == 1


async def test_a_month_is_a_table_for_a_spreadsheet(installation: Installation) -> None:
    answer = await installation.api.get(KPIS, month="2025-11", format="csv")
    assert (answer.status, answer.content_type) == (200, "text/csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="telecare-kpis-2025-11.csv"'
    rows = list(csv.DictReader(answer.body.splitlines()))
    assert [(row["group"], row["key"], row["calls"]) for row in rows[:7]] == [
        ("all", "", "2"),
        ("council", "fife", "1"),
        ("council", "glasgow-city", "1"),
        ("hub", "clyde-arc", "1"),
        ("hub", "forth-arc", "1"),
        ("priority", "1", "2"),
        ("excluded", "tests", "1"),
    ]


@pytest.mark.parametrize(
    ("query", "field"),
    [({"month": "2026"}, "month"), ({"month": "2099-01"}, "month"), ({"month": "x" * 99}, "month"), ({"format": "xls"}, "format")],
    ids=str,
)  # fmt: skip
async def test_a_question_that_makes_no_sense_is_answered_by_naming_the_field(
    installation: Installation, query: dict[str, str | int], field: str
) -> None:
    answer = await installation.api.get(KPIS, **query)
    assert (answer.status, answer.content_type) == (422, PROBLEM)
    assert [each["field"] for each in answer.body["errors"]] == [field]
