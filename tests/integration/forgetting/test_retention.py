"""What was kept long enough goes by itself; nothing of an alarm that is not closed does."""

from __future__ import annotations

import asyncpg
import pytest

from services.chassis.postgres.pool import connect
from tests.integration.forgetting.conftest import SAID, Home


async def heartbeat(home: Home, at: str, received_at: str | None = None) -> None:
    await home.world.database.execute(
        "insert into ingest.heartbeat (device_id, council_id, boot_id, seq, at, received_at) "
        "values ('TC-000123', 'glasgow-city', 'b', (extract(epoch from $1::text::timestamptz) + 1e9)::bigint, "
        "$1::text::timestamptz, coalesce($2::text, $1)::timestamptz)",
        *(at, received_at),
    )


async def test_heartbeats_go_after_four_hundred_days_and_those_of_an_absurd_clock_by_when_they_came(home: Home) -> None:
    days = await home.world.database.fetchrow(
        "select (now() - interval '403 days')::text as old, (now() - interval '398 days')::text as young, now()::text as now"
    )
    assert days is not None
    await heartbeat(home, days["old"])
    await heartbeat(home, days["young"])
    await heartbeat(home, days["now"])
    await heartbeat(home, "1970-01-01T00:00:00Z", days["now"])
    await heartbeat(home, "1970-01-01T00:00:01Z", days["old"])
    await home.world.run("ingest-retention")
    kept = await home.world.database.fetch("select at::text from ingest.heartbeat order by at")
    assert [row["at"] for row in kept] == ["1970-01-01 00:00:00+00", days["young"], days["now"]]


async def test_words_go_after_half_a_year_but_never_those_of_an_open_alarm(home: Home) -> None:
    old, young, still_open = (
        await home.event(age="200 days"),
        await home.event(age="100 days", text="young words"),
        await home.event(age="200 days", state="open", text="still open"),
    )
    assert old != young != still_open
    await home.world.database.execute("update ingest.quarantine set received_at = now() - interval '200 days'")
    await home.world.run("ingest-retention", "alerts-retention")
    after = await home.everything()
    assert SAID not in after
    assert SAID.encode().hex() not in after
    for kept in ("young words", "still open", "GLA-4711"):
        assert kept in after
    assert await home.value("select count(*) from ingest.quarantine") == 0
    assert await home.value("select count(*) from alerts.alarm") == 3
    assert await home.value("select count(*) from alerts.alarm where note is not null") == 1


async def test_no_setting_and_no_service_makes_the_database_forget_too_soon(home: Home) -> None:
    await home.event(age="20 days")
    now = await home.value("select now()::text")
    await heartbeat(home, now)
    for role, statement in (
        ("telecare_alerts", "select alerts.forget_words(now() + interval '1 day', '{}')"),
        ("telecare_ingest", "select ingest.drop_heartbeats(now() + interval '1 day')"),
        ("telecare_registry", "select chassis.forget_audit(now() + interval '1 day')"),
    ):
        connection = await connect(home.world.database_of.url, name="test", role=role)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
    assert "on the floor" in await home.everything()
    assert await home.value("select count(*) from ingest.heartbeat") == 1
    assert await home.value("select count(*) from chassis.audit_log") > 0


async def test_the_audit_log_forgets_after_six_years(home: Home) -> None:
    await home.world.database.execute(
        "insert into chassis.audit_log (at, request_id, via, who, action, outcome) values "
        "(now() - interval '2200 days', 'old', 'api', 'x', 'x', 'done'), "
        "(now() - interval '2000 days', 'young', 'api', 'x', 'x', 'done')"
    )
    await home.world.run("audit-retention")
    assert await home.value("select count(*) from chassis.audit_log where request_id = 'old'") == 0
    assert await home.value("select count(*) from chassis.audit_log where request_id = 'young'") == 1


async def test_nobody_alters_or_takes_away_a_row_of_the_audit_log(home: Home) -> None:
    for role in ("telecare_ingest", "telecare_alerts", "telecare_registry", None):  # None: the owner of the database
        connection = await connect(home.world.database_of.url, name="test", role=role)
        try:
            for statement in (
                "update chassis.audit_log set who = 'nobody'",
                "delete from chassis.audit_log",
                "truncate chassis.audit_log",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
        finally:
            await connection.close()
