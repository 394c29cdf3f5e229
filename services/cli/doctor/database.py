"""The database: reachable, of a version we know, migrated, durable, and spoken to directly."""

from __future__ import annotations

import asyncio

import asyncpg

from services.chassis.postgres import Connection, is_transient
from services.chassis.postgres.migrate import MigrationError, missing
from services.chassis.postgres.pool import connect
from services.chassis.settings import Settings
from services.cli.doctor.finding import Finding, good, note, wrong

_AREA = "database"
_VERSION_MIN = 150000  # security_invoker views and "nulls not distinct" came with 15
_VERSION_RUN = 170000  # what the real stack of the tests runs
_CONNECTIONS_MIN = 60  # three services with a pool each, LISTEN and clock connections, and one standby of each service
_OFFSET_TOLERATED_S = 1.0
_LISTEN_TIMEOUT_S = 3.0


async def examine_database(settings: Settings) -> list[Finding]:
    url = settings.database_url.get_secret_value()
    try:
        connection = await connect(url, name="doctor")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, TimeoutError) as error:
        return [_unreachable(error)]
    try:
        return [
            *await _version(connection),
            *await _timescale(connection),
            *await _durability(connection),
            await _connections(connection),
            await _pooler(url, connection),
            await _clock(connection),
            await _migrated(url),
        ]
    finally:
        await connection.close()


def _unreachable(error: Exception) -> Finding:
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        advice = "check user and password in TELECARE_DATABASE_URL, and pg_hba.conf"
    elif isinstance(error, asyncpg.InvalidCatalogNameError):
        advice = "create the database that TELECARE_DATABASE_URL names (createdb), then run `telecare migrate`"
    elif is_transient(error):
        advice = "is PostgreSQL running, and do host and port in TELECARE_DATABASE_URL reach it?"
    else:
        advice = "write TELECARE_DATABASE_URL like postgresql://user:password@host:5432/telecare"
    # A connection error's text names host and port, never the password; a bad URL's may, so it is not repeated.
    detail = f": {error}" if is_transient(error) else ""
    return wrong(_AREA, f"no connection ({type(error).__name__}{detail})", advice)


async def _version(connection: Connection) -> list[Finding]:
    number = int(await connection.fetchval("select current_setting('server_version_num')"))
    text = await connection.fetchval("select current_setting('server_version')")
    if number < _VERSION_MIN:
        return [wrong(_AREA, f"PostgreSQL {text}", "upgrade to PostgreSQL 17: this service needs at least 15")]
    if number < _VERSION_RUN:
        return [
            note(
                _AREA, f"PostgreSQL {text}", "PostgreSQL 17 is what the tests of this service run on: plan the upgrade"
            )
        ]
    return [good(_AREA, f"PostgreSQL {text}")]


async def _timescale(connection: Connection) -> list[Finding]:
    version = await connection.fetchval("select extversion from pg_extension where extname = 'timescaledb'")
    if version is None:
        available = await connection.fetchval("select true from pg_available_extensions where name = 'timescaledb'")
        advice = (
            "it is installed on the server: `create extension timescaledb` before `telecare migrate` makes the tables"
            if available
            else "fine for a trial; a real installation wants TimescaleDB (Apache-2 edition is enough) for the heartbeats"
        )
        return [note(_AREA, "no TimescaleDB: heartbeats are a plain table", advice)]
    licence = await connection.fetchval("select current_setting('timescaledb.license', true)")
    found = [good(_AREA, f"TimescaleDB {version}, {licence or 'unknown'} edition (only Apache-2 features are used)")]
    if await connection.fetchval("select to_regclass('ingest.heartbeat')") is not None:
        hyper = await connection.fetchval(
            "select true from timescaledb_information.hypertables "
            "where hypertable_schema = 'ingest' and hypertable_name = 'heartbeat'"
        )
        if not hyper:
            advice = "the extension came after the migration: see docs/operations.md on turning ingest.heartbeat into a hypertable"
            found.append(wrong(_AREA, "ingest.heartbeat is no hypertable", advice))
    return found


async def _durability(connection: Connection) -> list[Finding]:
    """`stored` promises what the database promises."""
    found = [
        wrong(_AREA, f"{name} is off: a receipt would promise what a power cut can take back", f"set {name} = on")
        for name in ("fsync", "full_page_writes")
        if await connection.fetchval("select current_setting($1)", name) != "on"
    ]
    commit = await connection.fetchval("select current_setting('synchronous_commit')")
    if commit in {"off", "local"}:
        found.append(wrong(_AREA, f"synchronous_commit = {commit}", "set synchronous_commit = on for this database"))
    standbys = await connection.fetchval("select count(*) from pg_stat_replication")
    names = await connection.fetchval("select current_setting('synchronous_standby_names')")
    if standbys and not names:
        advice = "set synchronous_standby_names, or a fail-over loses alarms that were receipted"
        found.append(wrong(_AREA, f"{standbys} standby(s), none synchronous", advice))
    return found or [good(_AREA, f"durable: fsync, full_page_writes, synchronous_commit = {commit}")]


async def _connections(connection: Connection) -> Finding:
    limit = int(await connection.fetchval("select current_setting('max_connections')"))
    if limit < _CONNECTIONS_MIN:
        return note(
            _AREA, f"max_connections = {limit}", f"set it to {_CONNECTIONS_MIN} or more, for a standby of each service"
        )
    return good(_AREA, f"max_connections = {limit}")


async def _pooler(url: str, connection: Connection) -> Finding:
    """A transaction pooler lends a session for one transaction: it breaks LISTEN, session roles and prepared statements."""
    told = asyncio.Event()
    try:
        await connection.add_listener("telecare_doctor", lambda *_: told.set())
        other = await connect(url, name="doctor, another")
        try:
            await other.execute("notify telecare_doctor")
        finally:
            await other.close()
        async with asyncio.timeout(_LISTEN_TIMEOUT_S):
            await told.wait()
    except asyncpg.ProgramLimitExceededError:
        advice = "end the session that keeps it: docs/operations.md, TelecareNotifyQueueFilling"
        return wrong(_AREA, "the queue of notifications is full: what follows an alarm is found by looking", advice)
    except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        advice = "let TELECARE_DATABASE_URL point at PostgreSQL itself, or at a pooler in session mode"
        return wrong(_AREA, "LISTEN hears nothing: there is a transaction pooler in between", advice)
    return good(_AREA, "LISTEN works: no transaction pooler in between")


async def _clock(connection: Connection) -> Finding:
    from services.chassis.clock import DatabaseClock

    offset_s = (await DatabaseClock().measure(connection)).total_seconds()
    if abs(offset_s) > _OFFSET_TOLERATED_S:
        return wrong("clocks", f"this host is {offset_s:+.1f} s off the database", "run NTP (chrony) on both hosts")
    return good("clocks", f"this host and the database agree within {abs(offset_s) * 1000:.0f} ms")


async def _migrated(url: str) -> Finding:
    try:
        names = await missing(url)
    except MigrationError as error:
        return wrong(_AREA, f"migrations: {error}", "run the build that made this database, or restore it")
    if names:
        return wrong(_AREA, f"{len(names)} migration(s) are missing, {names[0]} first", "run `telecare migrate`")
    return good(_AREA, "all migrations applied")
