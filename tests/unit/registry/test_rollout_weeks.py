"""What a line of a device's history does to the counts of its week."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.domain.lifecycle import STAGES
from services.registry.domain.rollout_weeks import WEEK, Cell, Flow, Line, Standing, begins, follow, total, week_of

MONDAY = date(2026, 11, 23)
AT = datetime(2026, 11, 25, 12, tzinfo=UTC)


def instants(first: str, last: str) -> st.SearchStrategy[datetime]:
    return st.datetimes(datetime.fromisoformat(first), datetime.fromisoformat(last), timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("at", "week"),
    [
        (datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC), date(2026, 11, 16)),
        (datetime(2026, 11, 23, 0, 0, tzinfo=UTC), date(2026, 11, 23)),
        # In summer Monday begins at eleven by UTC.
        (datetime(2026, 7, 5, 22, 59, tzinfo=UTC), date(2026, 6, 29)),
        (datetime(2026, 7, 5, 23, 0, tzinfo=UTC), date(2026, 7, 6)),
        # The clocks go forward on 29 March 2026 and back on 25 October: an hour less, or more, of the same week.
        (datetime(2026, 3, 29, 22, 59, tzinfo=UTC), date(2026, 3, 23)),
        (datetime(2026, 3, 29, 23, 0, tzinfo=UTC), date(2026, 3, 30)),
        (datetime(2026, 10, 25, 23, 59, tzinfo=UTC), date(2026, 10, 19)),
        (datetime(2026, 10, 26, 0, 0, tzinfo=UTC), date(2026, 10, 26)),
        (datetime(2027, 1, 1, tzinfo=UTC), date(2026, 12, 28)),
    ],
)
def test_weeks_go_by_the_clocks_of_scotland(at: datetime, week: date) -> None:
    assert week_of(at) == week
    assert begins(week) <= at < begins(week + WEEK)


def test_a_week_in_which_the_clocks_change_has_an_hour_more_or_less() -> None:
    assert begins(date(2026, 3, 30)) - begins(date(2026, 3, 23)) == timedelta(hours=167)
    assert begins(date(2026, 10, 26)) - begins(date(2026, 10, 19)) == timedelta(hours=169)


@given(instants("2000-01-01", "2100-01-01"))
def test_each_instant_is_in_one_week(at: datetime) -> None:
    week = week_of(at)
    assert week.weekday() == 0
    assert begins(week) <= at < begins(week + WEEK)


def told(*lines: Line) -> tuple[Standing, dict[Cell, Flow]]:
    """A device of Fife, by its lines."""
    standing, flows = None, []
    for line in lines:
        standing, flow = follow(standing, line, "fife")
        flows.append(flow)
    assert standing is not None
    return standing, total(flows)


def at(stage: str, council: str = "fife") -> Cell:
    return Cell(MONDAY, council, stage)  # type: ignore[arg-type]  # a stage, by its name


def test_a_device_that_has_gone_live_counts_as_live_once_it_was_heard() -> None:
    standing, flows = told(Line(AT), Line(AT, stage="live"))
    assert standing.counted == "unheard"
    assert at("live") not in flows
    standing, flows = told(Line(AT), Line(AT, stage="live"), Line(AT, heard=True))
    assert standing.counted == "live"
    assert flows[at("live")] == Flow(entered=1, first=1)
    assert flows[at("unheard")] == Flow(entered=1, left=1)


def test_a_device_that_was_suspended_comes_back_and_is_no_new_home() -> None:
    live = (Line(AT), Line(AT, stage="live"), Line(AT, heard=True))
    _, flows = told(*live, Line(AT, stage="suspended"), Line(AT, stage="live"))
    assert flows[at("live")] == Flow(entered=2, left=1, first=1)
    assert flows[at("suspended")] == Flow(entered=1, left=1)


def test_a_replacement_is_no_new_home() -> None:
    live = (Line(AT), Line(AT, stage="live"), Line(AT, heard=True))
    _, old = told(*live, Line(AT, stage="withdrawn", replaced=True))
    _, new = told(*live)
    together = total([old, new])[at("live")]
    assert (together.entered - together.left, together.first - together.replaced) == (1, 1)


def test_what_replaces_a_device_that_was_never_live_is_a_new_home() -> None:
    _, old = told(Line(AT), Line(AT, stage="installed"), Line(AT, stage="withdrawn", replaced=True))
    assert all(flow.replaced == 0 for flow in old.values())


def test_one_that_was_suspended_when_it_was_replaced_had_been_a_home() -> None:
    live = (Line(AT), Line(AT, stage="live"), Line(AT, heard=True))
    _, old = told(*live, Line(AT, stage="suspended"), Line(AT, stage="withdrawn", replaced=True))
    assert old[at("suspended")] == Flow(entered=1, left=1, replaced=1)


def test_a_device_that_moves_leaves_one_council_and_enters_another_in_its_stage() -> None:
    live = (Line(AT), Line(AT, stage="live"), Line(AT, heard=True))
    standing, flows = told(*live, Line(AT, council_id="moray"))
    assert standing == Standing("moray", "live", heard=True, was_live=True)
    assert flows[at("live", "moray")] == Flow(entered=1)
    assert flows[at("live", "fife")] == Flow(entered=1, left=1, first=1)


def test_a_line_that_says_nothing_of_stage_or_council_changes_no_count() -> None:
    _, before = told(Line(AT))
    _, after = told(Line(AT), Line(AT + WEEK), Line(AT + WEEK, stage="registered", council_id="fife"))
    assert after == before


lines = st.lists(
    st.builds(
        Line,
        at=instants("2026-01-01", "2026-03-01"),
        stage=st.none() | st.sampled_from(STAGES),
        council_id=st.none() | st.sampled_from(["fife", "moray"]),
        heard=st.booleans(),
        replaced=st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@given(st.lists(lines, min_size=1, max_size=5))
def test_whatever_happens_what_entered_less_what_left_is_what_is_there(fleet: list[list[Line]]) -> None:
    standings, flows = zip(*(told(*each) for each in fleet), strict=True)
    there: dict[tuple[str, str], int] = {}
    for cell, flow in total(flows).items():
        place = (cell.council_id, cell.stage)
        there[place] = there.get(place, 0) + flow.entered - flow.left
        assert 0 <= flow.first <= flow.entered
        assert 0 <= flow.replaced <= flow.left
        assert flow.first == 0 or cell.stage == "live"
    where = [(each.council_id, each.counted) for each in standings]
    assert {place: count for place, count in there.items() if count} == {place: where.count(place) for place in where}
    assert sum(flow.first for flow in total(flows).values()) == sum(each.was_live for each in standings)
