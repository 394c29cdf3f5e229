"""What is a call, when it was answered, and in whose figures it stands; each story's November is looked at."""

import asyncio
from datetime import UTC, datetime

import pytest

from contracts.ids import HubId
from services.alerts.domain.kpis import Excluded, Figures, Group, Month, Report
from services.alerts.http.asker import Scope
from services.alerts.kpis.store import Months, read_month
from services.chassis.postgres import Connection, open_pool
from tests.integration.alerts.kpis.past import Happened, alarm
from tests.support.servers import Database

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
LATER = datetime(2026, 12, 24, tzinfo=UTC)
NOVEMBER = Month(2026, 11)
EVERYBODY = Scope(None, None)
NOTHING = Excluded(tests=0, repeats=0, priority_3=0, priority_4=0, priority_5=0)

RAISED = Happened("raised")


def taken(after_s: float, hub_id: str | None = None, priority: int = 1) -> Happened:
    return Happened("acknowledged", after_s, hub_id=hub_id, priority=priority)


async def november(connection: Connection, now: datetime = LATER, scope: Scope = EVERYBODY) -> Report:
    return await read_month(connection, NOVEMBER, scope, now)


def counts(figures: Figures) -> tuple[int, int, int]:
    """Calls, and how many of them were answered within 60 and 180 s."""
    first, last = figures.within
    return figures.calls, first.answered, last.answered


def by(groups: tuple[Group, ...]) -> dict[str, tuple[int, int, int]]:
    return {each.key: counts(each.figures) for each in groups}


async def test_a_month_in_which_nothing_happened_has_no_share_and_meets_nothing(connection: Connection) -> None:
    report = await november(connection)
    assert counts(report.total) == (0, 0, 0)
    assert [(each.share, each.met) for each in report.total.within] == [(None, None), (None, None)]
    assert set(report.total.percentiles_s.values()) == {None}
    assert (report.councils, report.hubs, report.priorities, report.excluded) == ((), (), (), NOTHING)
    assert report.complete


@pytest.mark.parametrize(
    ("after_s", "expected"),
    [(0, (1, 1, 1)), (60, (1, 1, 1)), (60.001, (1, 0, 1)), (180, (1, 0, 1)), (180.001, (1, 0, 0)), (90_000, (1, 0, 0))],
)
async def test_a_call_is_answered_in_time_to_the_last_instant_of_the_target(
    connection: Connection, after_s: float, expected: tuple[int, int, int]
) -> None:
    await alarm(connection, NOON, RAISED, taken(after_s))
    assert counts((await november(connection)).total) == expected


async def test_each_time_that_an_alarm_waits_for_a_person_is_a_call(connection: Connection) -> None:
    await alarm(
        connection,
        NOON,
        RAISED,
        taken(30),
        Happened("repeated", 100, state="open"),  # pressed again: nobody has it any more
        taken(300),
        Happened("released", 400),
        Happened("escalated", 460),
        taken(470),
        Happened("closed", 900),
    )
    total = (await november(connection)).total
    assert counts(total) == (3, 1, 2)
    assert total.percentiles_s == {"p50": 70, "p90": 200, "p95": 200, "p99": 200, "max": 200}


async def test_an_alarm_closed_by_a_person_who_never_acknowledged_it_was_answered_then(connection: Connection) -> None:
    await alarm(connection, NOON, RAISED, Happened("closed", 45, hub_id="clyde-arc"))
    report = await november(connection)
    assert counts(report.total) == (1, 1, 1)
    assert by(report.hubs) == {"clyde-arc": (1, 1, 1)}


async def test_repeats_and_tests_are_no_calls_and_are_told_of(connection: Connection) -> None:
    await alarm(
        connection,
        NOON,
        RAISED,
        Happened("repeated", 5, state="open"),
        Happened("repeated", 10, state="open"),
        taken(20),
        Happened("repeated", 30, state="acknowledged", priority=1),  # a low battery, say: it stays with its person
    )
    await alarm(connection, NOON, Happened("test_received", priority=5))
    report = await november(connection)
    assert counts(report.total) == (1, 1, 1)
    assert report.excluded == Excluded(tests=1, repeats=3, priority_3=0, priority_4=0, priority_5=0)


async def test_what_is_neither_life_nor_welfare_is_no_call_and_is_told_of_by_priority(connection: Connection) -> None:
    await alarm(connection, NOON, Happened("raised", priority=3), taken(9_000, priority=3))
    await alarm(connection, NOON, Happened("raised", priority=4), Happened("restored", 9, priority=4))
    await alarm(connection, NOON, Happened("raised", priority=4), Happened("escalated", 86_400, priority=3))  # it rose
    await alarm(connection, NOON, Happened("cancelled", state="closed", priority=5))
    report = await november(connection)
    assert report.total.calls == 0
    assert report.excluded == Excluded(tests=0, repeats=0, priority_3=1, priority_4=2, priority_5=1)


async def test_a_fault_that_becomes_a_cry_for_help_is_a_call_from_then_on(connection: Connection) -> None:
    low = Happened("raised", priority=4)
    await alarm(connection, NOON, low, Happened("escalated", 7_200, priority=1), taken(7_230))
    report = await november(connection)
    assert counts(report.total) == (1, 1, 1)
    assert report.total.percentiles_s["max"] == 30
    assert report.excluded.priority_4 == 1


async def test_a_call_stands_under_the_highest_priority_that_it_had(connection: Connection) -> None:
    await alarm(connection, NOON, Happened("raised", priority=2), Happened("escalated", 10, priority=1), taken(50))
    await alarm(connection, NOON, Happened("raised", priority=2), taken(100, priority=2))
    assert by((await november(connection)).priorities) == {"1": (1, 1, 1), "2": (1, 0, 1)}


async def test_a_call_stands_with_the_hub_that_answered_it_else_with_the_first_that_was_told(
    connection: Connection,
) -> None:
    hubs = ("clyde-arc", "forth-arc")
    await alarm(connection, NOON, RAISED, taken(50, "forth-arc"), told=hubs)
    await alarm(connection, NOON, RAISED, taken(70), told=hubs)  # by ops
    await alarm(connection, NOON, RAISED, told=hubs)  # by nobody
    await alarm(connection, NOON, RAISED)  # and nobody was told
    report = await november(connection)
    assert by(report.hubs) == {"": (1, 0, 0), "clyde-arc": (2, 0, 1), "forth-arc": (1, 1, 1)}
    assert counts(report.total) == (4, 1, 2)


async def test_a_call_that_waits_counts_as_not_answered_once_180_seconds_have_passed(connection: Connection) -> None:
    await alarm(connection, NOON, RAISED)
    young = await november(connection, NOON.replace(minute=3))
    assert (young.total.calls, young.total.waiting) == (0, 1)
    old = await november(connection, NOON.replace(minute=3, microsecond=1))
    assert (old.total.calls, old.total.not_answered, old.total.waiting) == (1, 1, 0)
    assert not old.complete  # the month goes on


async def test_a_call_is_of_the_month_in_which_it_began(connection: Connection) -> None:
    last_minute = datetime(2026, 11, 30, 23, 59, 30, tzinfo=UTC)
    await alarm(connection, last_minute, RAISED, Happened("escalated", 90), taken(100))
    assert counts((await november(connection)).total) == (1, 0, 1)
    december = await read_month(connection, Month(2026, 12), EVERYBODY, LATER)
    assert december.total.calls == 0


async def test_what_was_there_before_the_month_began_is_no_call_of_it(connection: Connection) -> None:
    october = datetime(2026, 10, 31, 23, 59, tzinfo=UTC)
    await alarm(connection, october, RAISED, Happened("escalated", 120), taken(130))
    await alarm(connection, october, RAISED, taken(30), Happened("repeated", 120, state="acknowledged"))
    await alarm(connection, october, RAISED, taken(30), Happened("repeated", 130, state="open"), taken(150))
    report = await november(connection)
    assert counts(report.total) == (1, 1, 1)  # only the one that was pressed again in November
    assert report.excluded.repeats == 1


async def test_a_month_begins_and_ends_at_midnight_in_scotland(connection: Connection) -> None:
    await alarm(connection, datetime(2026, 6, 30, 22, 59, 59, tzinfo=UTC), RAISED)  # 23:59:59 on the 30th
    await alarm(connection, datetime(2026, 6, 30, 23, 0, tzinfo=UTC), RAISED)  # midnight in summer time
    for month in (Month(2026, 6), Month(2026, 7)):
        assert (await read_month(connection, month, EVERYBODY, LATER)).total.calls == 1


async def test_a_clock_that_was_put_back_makes_no_negative_waits(connection: Connection) -> None:
    await alarm(connection, NOON, RAISED, taken(-5))
    assert (await november(connection)).total.percentiles_s["max"] == 0


async def test_a_hub_sees_the_calls_that_stand_with_it_and_an_engineer_those_of_some_councils(
    connection: Connection,
) -> None:
    test = Happened("test_received", priority=5)
    await alarm(connection, NOON, RAISED, taken(50, "forth-arc"), told=["clyde-arc"])
    await alarm(connection, NOON, test, told=["clyde-arc"])
    await alarm(connection, NOON, RAISED, taken(70, "clyde-arc"), council_id="fife")
    await alarm(connection, NOON, RAISED, taken(80), council_id=None)
    clyde = await november(connection, scope=Scope(HubId("clyde-arc"), None))
    assert (by(clyde.hubs), clyde.excluded.tests) == ({"clyde-arc": (1, 0, 1)}, 1)
    assert by(clyde.councils) == {"fife": (1, 0, 1)}
    engineer = await november(connection, scope=Scope(None, ["fife"]))
    assert (by(engineer.councils), engineer.excluded.tests) == ({"fife": (1, 0, 1)}, 0)
    assert by((await november(connection)).councils) == {"": (1, 0, 1), "fife": (1, 0, 1), "glasgow-city": (1, 1, 1)}


async def test_however_many_ask_for_figures_operators_keep_their_connections(database: Database) -> None:
    pool = await open_pool(database.url, role="telecare_alerts", name="test", size=4)
    months = Months(pool)
    reports = await asyncio.gather(*(months.read(NOVEMBER, EVERYBODY, LATER) for _ in range(8)))
    assert [report.total.calls for report in reports] == [0] * 8
    assert pool.get_size() == 1
    await pool.close()
