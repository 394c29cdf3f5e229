"""What no service may do in the database, whatever its code says."""

import asyncpg

from services.chassis.postgres import Connection
from tests.support.servers import Database

ROLES = ("telecare_ingest", "telecare_alerts", "telecare_registry")
KEPT = ("alarm", "transition", "alarm_event", "notification", "delivery", "hub_action", "silence")
WRITTEN_ONCE = ("transition", "notification")


async def test_no_service_may_delete_an_alarm_or_rewrite_what_happened_to_it(database: Database) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        for role in ROLES:
            for table in KEPT:
                assert not await may(connection, role, table, "delete")
                assert not await may(connection, role, table, "truncate")
            for table in WRITTEN_ONCE:
                assert not await may(connection, role, table, "update")
        assert await may(connection, "telecare_alerts", "alarm", "update")
    finally:
        await connection.close()


async def may(connection: Connection, role: str, table: str, privilege: str) -> bool:
    """Whether a role has a privilege on one of alerts' tables."""
    allowed: bool = await connection.fetchval(
        "select has_table_privilege($1, $2, $3)", role, f"alerts.{table}", privilege
    )
    return allowed


async def test_whoever_draws_dashboards_may_read_figures_and_nothing_else(database: Database) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        rows = await connection.fetch(
            """select table_schema || '.' || table_name as relation, privilege_type
            from information_schema.role_table_grants where grantee = 'telecare_grafana'"""
        )
    finally:
        await connection.close()
    assert {(row["relation"], row["privilege_type"]) for row in rows} == {
        ("registry.rollout_history", "SELECT"),
        ("registry.rollout_aim", "SELECT"),
        ("registry.rollout_council", "SELECT"),
    }
