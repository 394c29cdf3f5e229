"""A database whose clock can be put forward and back, as when another host takes over, or NTP sets it right in one step."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import asyncpg

from tests.support.servers import Database

# Found before the server's own by whoever asks without saying whose, as all services do.
_CLOCK: Final = """
create schema stepped;
create table stepped.clock (ahead interval not null, stands_at timestamptz);
insert into stepped.clock values ('0', null);
create function stepped.clock_timestamp() returns timestamptz language sql volatile
    as 'select coalesce(stands_at, pg_catalog.clock_timestamp()) + ahead from stepped.clock';
create function stepped.now() returns timestamptz language sql stable
    as 'select coalesce(stands_at, pg_catalog.now()) + ahead from stepped.clock';
grant usage on schema stepped to public;
grant select on stepped.clock to public;
"""


class SteppedClock:
    """Of one database. `make` it before anybody else connects."""

    def __init__(self, url: str) -> None:
        self._url = url

    @classmethod
    async def make(cls, database: Database, *, stands: bool = False) -> SteppedClock:
        """`stands`: it goes on by steps alone."""
        connection = await asyncpg.connect(database.url)
        try:
            await connection.execute(_CLOCK)
            if stands:
                await connection.execute("update stepped.clock set stands_at = pg_catalog.clock_timestamp()")
            await connection.execute(f"alter database {database.name} set search_path = stepped, pg_catalog, public")
        finally:
            await connection.close()
        return cls(database.url)

    async def step(self, by: timedelta) -> None:
        """Put it forward or, by less than nothing, back; for all at the same instant."""
        connection = await asyncpg.connect(self._url)
        try:
            await connection.execute("update stepped.clock set ahead = ahead + $1", by)
        finally:
            await connection.close()
