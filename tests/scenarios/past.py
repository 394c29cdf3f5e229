"""Hours that pass without anybody waiting for them: all that ever happened is put so much further back.

The services, their clock and the database's are the real ones, and nothing is moved but what is remembered. Whether a clock goes
on by an hour, or every time that is written down goes back by one, is the same to whoever compares the two. What is of this very
moment stays: leases, and how far the devices have been heard. So the devices *were* heard all that time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from services.chassis.postgres import Connection

_STAYS: Final = ("chassis.shard", "ingest.sweep", "chassis.audit_log", "ingest.heartbeat")
"""Leases and watermarks; what nobody may change; and what is only kept, by the million."""

_WRITTEN_DOWN: Final = """
select format('%I.%I', table_schema, table_name) as "table", array_agg(format('%I', column_name)) as columns
from information_schema.columns join information_schema.tables using (table_schema, table_name)
where table_type = 'BASE TABLE' and data_type = 'timestamp with time zone'
    and table_schema in ('chassis', 'ingest', 'alerts', 'registry')
    and format('%I.%I', table_schema, table_name) <> all ($1::text[])
group by 1
"""
# No trigger is to take it for news. Is a service in the way it is the one that gives way: it tries again.
_ALONE: Final = (
    "set local session_replication_role = replica; set local deadlock_timeout = '1min'; set local lock_timeout = '20s'"
)
# Whoever sweeps remembers when it need not look: a silence is nearer than it was.
_FORGET: Final = "update ingest.sweep set registrations = registrations + 1"


async def put_back(database: Connection, by: timedelta, *, before: datetime | None = None) -> None:
    """Let so much time have passed since anything happened; `before`: since what happened before then, as if it had been longer.

    `database` must be the superuser's.
    """
    interval = f"interval '{by.total_seconds()} seconds'"
    until = f"'{before.isoformat()}'" if before else "'infinity'"
    moves = [_ALONE, _FORGET]
    for row in await database.fetch(_WRITTEN_DOWN, _STAYS):
        columns = [
            f"{each} = case when {each} <= {until} then {each} - {interval} else {each} end" for each in row["columns"]
        ]
        moves.append(f"update {row['table']} set {', '.join(columns)}")
    await database.execute(f"begin; {'; '.join(moves)}; commit")
