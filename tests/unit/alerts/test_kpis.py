"""Months by the clocks of Scotland, targets in whole calls, and a table that no spreadsheet runs."""

import csv
from datetime import UTC, datetime, timedelta

import pytest

from services.alerts.domain.kpis import TARGETS, Excluded, Figures, Group, Month, Report
from services.alerts.kpis.table import as_csv

NOTHING = Excluded(tests=0, repeats=0, priority_3=0, priority_4=0, priority_5=0)


def figures(calls: int, first: int, last: int, waiting: int = 0) -> Figures:
    return Figures.of(
        within=(first, last),
        answered=calls,
        not_answered=0,
        waiting=waiting,
        percentiles_s=[12.3456, 50, 60, 170, 181] if calls else None,
    )


def report(total: Figures, now: datetime = datetime(2026, 12, 1, 9, tzinfo=UTC), **groups: tuple[Group, ...]) -> Report:
    nobody: dict[str, tuple[Group, ...]] = {"councils": (), "hubs": (), "priorities": ()}
    return Report(month=Month(2026, 11), as_of=now, total=total, excluded=NOTHING, **(nobody | groups))


@pytest.mark.parametrize(
    ("month", "begins", "hours"),
    [
        ("2026-01", "2026-01-01T00:00:00+00:00", 31 * 24),
        ("2026-03", "2026-03-01T00:00:00+00:00", 31 * 24 - 1),  # the clocks go forward
        ("2026-07", "2026-06-30T23:00:00+00:00", 31 * 24),
        ("2026-10", "2026-09-30T23:00:00+00:00", 31 * 24 + 1),  # and back
        ("2024-02", "2024-02-01T00:00:00+00:00", 29 * 24),
    ],
)
def test_a_month_lasts_from_midnight_to_midnight_by_the_clocks_of_scotland(month: str, begins: str, hours: int) -> None:
    parsed = Month.parse(month)
    assert parsed is not None
    assert (parsed.begins.isoformat(), parsed.ends - parsed.begins) == (begins, timedelta(hours=hours))
    assert str(parsed) == month


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-1", "2026-13", "2026-00", "1999-12", "2026-11-01", "２０２６-11", "x"]
)
def test_what_is_no_month_is_refused(text: str) -> None:
    assert Month.parse(text) is None


def test_months_follow_each_other_over_the_turn_of_the_year() -> None:
    december = Month(2026, 12)
    assert (december.next, december.next.previous) == (Month(2027, 1), december)
    assert (Month(2026, 11).next, december.previous) == (december, Month(2026, 11))


def test_midnight_on_new_years_day_is_the_new_year_and_an_hour_before_midnight_utc_in_summer_is_the_next_month() -> (
    None
):
    assert Month.of(datetime(2027, 1, 1, tzinfo=UTC)) == Month(2027, 1)
    assert Month.of(datetime(2026, 6, 30, 23, tzinfo=UTC)) == Month(2026, 7)


@pytest.mark.parametrize(
    ("answered", "calls", "met"), [(39, 40, True), (974, 1000, False), (975, 1000, True), (0, 1, False), (0, 0, None)]
)
def test_the_target_is_met_to_the_call(answered: int, calls: int, met: bool | None) -> None:
    assert TARGETS[0].met(answered, calls) is met


def test_a_month_is_complete_when_it_is_over_and_nothing_of_it_waits() -> None:
    assert report(figures(1, 1, 1)).complete
    assert not report(figures(1, 1, 1, waiting=1)).complete
    assert not report(figures(1, 1, 1), now=datetime(2026, 11, 30, 23, 59, tzinfo=UTC)).complete


def test_the_table_has_a_row_for_everything_and_says_what_is_no_call() -> None:
    rows = list(
        csv.DictReader(
            as_csv(
                report(figures(4, 3, 4), councils=(Group("fife", figures(4, 3, 4)), Group("", figures(0, 0, 0))))
            ).splitlines()
        )
    )
    assert [(row["group"], row["key"]) for row in rows[:3]] == [("all", ""), ("council", "fife"), ("council", "")]
    assert rows[0]["within_60_s_share"] == "0.75"
    assert (rows[0]["within_60_s_met"], rows[0]["within_180_s_met"]) == ("False", "True")
    assert (rows[0]["p50_s"], rows[0]["max_s"]) == ("12.346", "181")
    assert rows[2]["within_60_s_share"] == ""
    assert [row["key"] for row in rows[3:]] == ["tests", "repeats", "priority_3", "priority_4", "priority_5"]


@pytest.mark.parametrize("key", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_no_cell_of_the_table_is_a_formula(key: str) -> None:
    text = as_csv(report(figures(1, 1, 1), hubs=(Group(key, figures(1, 1, 1)),)))
    rows = list(csv.reader(text.splitlines(keepends=True)))
    assert f"'{key}" in rows[2]
