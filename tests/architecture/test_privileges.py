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
