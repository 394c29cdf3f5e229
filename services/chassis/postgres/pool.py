"""Bounded connections to PostgreSQL that act as one service's role."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

from services.chassis.postgres.url import check_database_url

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:
    Pool: TypeAlias = asyncpg.Pool
    Connection: TypeAlias = asyncpg.Connection

# Every wait is bounded: a statement by the server and by us, a connection attempt, an idle transaction.
STATEMENT_TIMEOUT_S = 10
COMMAND_TIMEOUT_S = 15
CONNECT_TIMEOUT_S = 5
ACQUIRE_TIMEOUT_S = 5
IDLE_IN_TRANSACTION_S = 5


async def open_pool(database_url: str, *, role: str, name: str, size: int = 8) -> Pool:
    """Open a pool whose connections act as `role` (`telecare_ingest`, …) and show as `name` in pg_stat_activity.

    No connection is opened yet: a service starts while its database is away, and says so in its readiness. Acquire with
    `pool.acquire(timeout=ACQUIRE_TIMEOUT_S)`; the shorthands `pool.fetch(…)` wait without bound when all are taken.
    Raises DatabaseUrlError.
    """
    check_database_url(database_url)
    return await asyncpg.create_pool(
        database_url,
        min_size=0,
        max_size=size,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=COMMAND_TIMEOUT_S,
        max_inactive_connection_lifetime=300,
        # asyncpg forgets a statement after five minutes, used or not: an alarm would wait for all of its to be planned again.
        max_cached_statement_lifetime=0,
        init=_init,
        reset=_leave,
        server_settings={
            "application_name": f"telecare {name}",
            "role": role,
            "timezone": "UTC",
            "statement_timeout": f"{STATEMENT_TIMEOUT_S}s",
            # Every statement here finds a few rows by index, or is done in a second: *measured*, compiling one whose cost is
            # overestimated takes 0.8 to 4 s.
            "jit": "off",
            # A process that was stopped in a transaction holds a device's rows and lock no longer than this.
            "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_S}s",
            # TCP keepalive: a database host that vanished is noticed in about 15 s, not in two hours.
            "tcp_keepalives_idle": "5",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "2",
        },
    )


async def connect(database_url: str, *, name: str, role: str | None = None) -> asyncpg.Connection[asyncpg.Record]:
    """Open one connection, as `role` or else as the login role of the URL (migrations, doctor). Raises DatabaseUrlError."""
    check_database_url(database_url)
    settings = {"application_name": f"telecare {name}", "timezone": "UTC"} | ({"role": role} if role else {})
    connection = await asyncpg.connect(
        database_url, timeout=CONNECT_TIMEOUT_S, command_timeout=COMMAND_TIMEOUT_S, server_settings=settings
    )
    try:
        await _init(connection)
    except BaseException:  # a service that stops while it connects, too
        connection.terminate()
        raise
    return connection


async def _init(connection: Any) -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(kind, schema="pg_catalog", encoder=_dumps, decoder=json.loads)


async def _leave(_connection: Any) -> None:
    """Nothing is to be undone before the next borrower: what is set here is set for a transaction, and none is left open.

    asyncpg's own reset is four statements, a round trip that each alarm would pay a dozen times.
    """


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
