"""With ten thousand faults open, the page is read as quickly as on a quiet night: by index, and no further than it shows."""

import asyncio
import time

import asyncpg
import pytest

from services.alerts.console import turns
from services.alerts.console.board import SHOWN_MAX
from services.alerts.console.sql import QUERIES
from tests.integration.alerts.console.conftest import Enter
from tests.integration.alerts.running import Installation
from tests.integration.alerts.test_hot_queries import plan_of
from tests.support.servers import Database

_STORM = """
insert into alerts.alarm (alarm_id, device_id, council_id, kind, status, priority, state, step, event_count, test, unregistered,
    received_at, opened_at, changed_at, last_event_at, ladder_at, told_at, policy_id, sole_device, wake_at)
select gen_random_uuid(), 'ST-' || n, 'glasgow-city', case when n > 10000 then 'fall' else 'power_supply' end, 'activated',
    case when n > 10000 then 1 else 4 end, 'open', 0, 1, false, false, at, at, at, at, at, at, 0, false, at + interval '1 day'
from generate_series(1, 10200) as n, lateral (select now() - n * interval '1 second' as at) t;
analyze alerts.alarm;
"""


async def test_a_page_in_a_storm_shows_the_most_urgent_and_says_that_there_are_more(
    alerts: Installation, enter: Enter
) -> None:
    morag = await enter("hub", "clyde-arc")
    await alerts.database.execute(_STORM, timeout=240)
    took_s = float("inf")
    for _ in range(3):  # whoever else uses this machine is not what is measured
        began_s = time.perf_counter()
        page = await (await morag.get("/")).text()
        took_s = min(took_s, time.perf_counter() - began_s)
    print(f"a page of a storm: {took_s * 1000:.0f} ms, {len(page) / 1024:.0f} KiB")
    waiting, technical = page.partition('id="technical-title"')[::2]
    assert waiting.count('class="card p1 open"') == SHOWN_MAX
    assert technical.count('class="card p4 open"') == SHOWN_MAX
    assert page.count(f"These are the first {SHOWN_MAX}") == 2
    assert f"{SHOWN_MAX}+</span>" in page
    assert took_s < 3.0


async def test_however_many_look_at_once_each_gets_the_page(
    alerts: Installation, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Pages are made one after the other: where each takes an eighth of a second, the last has waited for more than five.
    monkeypatch.setattr(turns, "WAIT_S", 240.0)
    morag = await enter("hub", "clyde-arc")
    await alerts.database.execute(_STORM, timeout=240)
    answers = await asyncio.gather(*(morag.get("/") for _ in range(20)))
    assert {answer.status for answer in answers} == {200}


async def test_no_statement_of_a_page_reads_the_alarms_from_end_to_end(database: Database) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute(_STORM, timeout=240)
        await connection.execute("set plan_cache_mode = force_generic_plan")
        for name in (
            "board",
            "board_tests",
            "board_closed",
            "alarm_card",
            "same_device",
            "told",
            "device_events",
            "lookers",
        ):
            plan = await plan_of(connection, name, QUERIES[name])
            for table in ("alarm a", "delivery d", "notification n", "alarm_event"):
                assert f"Seq Scan on {table}" not in plan, f"{name}: {plan}"
    finally:
        await connection.close()
