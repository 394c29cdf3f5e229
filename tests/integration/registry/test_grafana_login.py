"""`telecare grafana login`: what whoever has its password may read, and what not."""

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
import yaml

from services.chassis.postgres import Connection
from tests.blackbox import program
from tests.integration.deploy.dashboards import panels
from tests.support.servers import Database
from tests.support.stack import DEPLOY

FIGURES = {"registry.rollout_history", "registry.rollout_aim", "registry.rollout_council"}
SUPERUSER = DEPLOY / "postgresql" / "superuser.sql"
NO_BROKER = "mqtt://127.0.0.1:1"


@pytest.fixture
async def name(database: Database) -> AsyncIterator[str]:
    """Of a login that no other test has: roles are the whole cluster's."""
    name = f"grafana_{secrets.token_hex(4)}"
    yield name
    owner = await asyncpg.connect(database.url)
    await owner.execute(f"drop owned by {name} cascade; drop role {name}")
    await owner.close()


@pytest.fixture
async def migrator(database: Database) -> AsyncIterator[str]:
    """The URL of an owner who is no superuser, as every installation has one. Ask for it before `name`, whose role it makes."""
    role, password = f"migrator_{secrets.token_hex(4)}", secrets.token_hex(16)
    superuser = await asyncpg.connect(database.url)
    await superuser.execute(
        f"create role {role} login createrole password '{password}'; alter database {database.name} owner to {role}; "
        f"grant telecare_grafana to {role} with admin option; grant select on telecare_migration to {role}"
    )
    url = urlsplit(database.url)
    yield f"postgresql://{role}:{password}@{url.hostname}:{url.port}{url.path}"
    await superuser.execute(
        f"alter database {database.name} owner to current_user; drop owned by {role}; drop role {role}"
    )
    await superuser.close()


async def login(database: Database, *more: str, stdin: str | None = None, url: str | None = None) -> program.Finished:
    settings = {"DATABASE_URL": url or database.url, "MQTT_URL": NO_BROKER}
    return await program.run("grafana", "login", *more, settings=settings, stdin=stdin)


@asynccontextmanager
async def logged_in(database: Database, name: str, password: str) -> AsyncIterator[Connection]:
    url = urlsplit(database.url)
    connection = await asyncpg.connect(
        host=url.hostname, port=url.port, database=url.path.lstrip("/"), user=name, password=password
    )
    try:
        yield connection
    finally:
        await connection.close()


async def test_it_logs_in_with_the_password_that_is_printed_once_and_reads_what_the_panels_ask(
    database: Database, name: str
) -> None:
    made = await login(database, "--name", name)
    assert made.code == 0, made.output
    async with logged_in(database, name, made.output.split()[0]) as grafana:
        statements = [each.sql for panel in panels() for each in panel.statements]
        assert statements
        for sql in statements:
            await grafana.fetch(sql)


async def test_it_reads_three_views_of_figures_and_no_device_no_alarm_and_no_person(
    database: Database, name: str
) -> None:
    """Every relation of ours, by the database's own word and by trying; and it writes nothing at all."""
    made = await login(database, "--name", name)
    async with logged_in(database, name, made.output.split()[0]) as grafana:
        relations = await grafana.fetch(
            """select n.nspname || '.' || quote_ident(c.relname) as name
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname in ('chassis', 'ingest', 'alerts', 'registry', 'public')"""
        )
        assert len(relations) > len(FIGURES)
        read = set()
        for row in relations:
            try:
                await grafana.fetch(f"select * from {row['name']} limit 1")
                read.add(row["name"])
            except asyncpg.InsufficientPrivilegeError:
                pass
        assert read == FIGURES
        columns = {
            row["column_name"]
            for row in await grafana.fetch(
                "select column_name from information_schema.columns where table_schema = 'registry'"
            )
        }
        assert columns
        assert not columns & {
            "device_id",
            "installation_ref",
            "serial",
            "iccid",
            "notes",
            "postcode_district",
            "operator",
        }
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await grafana.execute("create temp table mine as select 1")
        # A function of ours that acts as its owner would be a way around all of this.
        assert (
            await grafana.fetch(
                """select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
            where p.prosecdef and n.nspname in ('chassis', 'ingest', 'alerts', 'registry', 'public')
                and has_function_privilege(p.oid, 'execute') and has_schema_privilege(n.oid, 'usage')"""
            )
            == []
        )


async def test_a_session_that_lifts_its_own_bounds_still_fills_no_disk(database: Database, name: str) -> None:
    """Read-only and the time-out are defaults, which whoever looks at panels may change: a source takes any statement."""
    made = await login(database, "--name", name)
    async with logged_in(database, name, made.output.split()[0]) as grafana:
        await grafana.execute("set default_transaction_read_only = off; set statement_timeout = 0")
        for statement in ("create temp table mine as select 1", "create temp sequence mine"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="temporary"):
                await grafana.execute(statement)
        for statement in ("set temp_file_limit = -1", f"alter role {name} connection limit 100"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await grafana.execute(statement)
        assert await grafana.fetchval("select rolconnlimit from pg_roles where rolname = current_user") == 5


async def test_it_makes_no_large_objects_wherever_the_database_was_made(database: Database, name: str) -> None:
    """They would stay when the session is over. What each way of making a database says of them is said here."""
    files = ("postgresql/superuser.sql", "restore")
    for each in ("debian/install", "compose/database.sh", "compose/prepare"):
        assert "/superuser.sql" in (DEPLOY / each).read_text()
    (revoked,) = {
        re.findall(r"revoke execute on function lo_[^;\"\n]+", (DEPLOY / each).read_text())[0] for each in files
    }
    owner = await asyncpg.connect(database.url)
    await owner.execute(revoked)
    await owner.close()
    made = await login(database, "--name", name)
    async with logged_in(database, name, made.output.split()[0]) as grafana:
        await grafana.execute("set default_transaction_read_only = off")
        for statement in (
            "lo_from_bytea(0, 'x')",
            "lo_create(0)",
            "lo_creat(-1)",
            "lo_put(1, 0, 'x')",
            "lowrite(1, 'x')",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await grafana.execute(f"select {statement}")


async def test_it_writes_nothing_into_the_servers_log_and_cannot_lift_that(
    database: Database, migrator: str, name: str
) -> None:
    """Any statement could fill the disk by it. The owner may say so of a login once the superuser's file lets him."""
    superuser = await asyncpg.connect(database.url)
    await superuser.execute(SUPERUSER.read_text())
    await superuser.close()
    made = await login(database, "--name", name, url=migrator)
    assert (made.code, "superuser" in made.output) == (0, False), made.output
    before = database.server.log.stat().st_size
    async with logged_in(database, name, made.output.split()[0]) as grafana:
        await grafana.execute("set default_transaction_read_only = off; set statement_timeout = 0")
        for lifts in (
            "set log_min_messages = log",
            "reset log_min_messages",
            "set log_min_error_statement = debug5",
            f"alter role {name} set log_min_messages = log",
            f"alter role {name} reset log_min_messages",
            f"alter database {database.name} set log_min_messages = log",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await grafana.execute(lifts)
        for resets in (f"alter role {name} reset all", "discard all"):
            await grafana.execute(resets)
    async with logged_in(database, name, made.output.split()[0]) as grafana:
        await grafana.execute("set debug_print_plan = on; set client_min_messages = error")
        await fills_the_log(grafana)
    assert database.server.log.stat().st_size - before < 1_000_000


async def test_where_the_superuser_has_not_let_it_the_login_is_made_and_one_line_says_what_is_left(
    database: Database, migrator: str, name: str
) -> None:
    made = await login(database, "--name", name, url=migrator)
    line = f"superuser runs: alter role {name} set log_min_messages = panic"
    assert (made.code, line in made.output) == (0, True), made.output
    password = made.output.split()[0]
    before = database.server.log.stat().st_size
    async with logged_in(database, name, password) as grafana:
        await fills_the_log(grafana)
    assert database.server.log.stat().st_size - before > 10_000_000, "or the test proves nothing"
    # An upgrade runs the superuser's file, and that bounds the logins that there are, and nobody else.
    superuser = await asyncpg.connect(database.url)
    await superuser.execute(SUPERUSER.read_text())
    bounded = "select array_agg(rolname::text) from pg_roles where 'log_min_messages=panic' = any(rolconfig) and rolname = any($1)"
    assert await superuser.fetchval(bounded, [name, urlsplit(migrator).username, "telecare_grafana"]) == [name]
    await superuser.execute(f"revoke set on parameter log_min_messages from {urlsplit(migrator).username}")
    await superuser.close()
    again = await login(database, "--name", name, url=migrator)
    assert (again.code, "superuser" in again.output) == (0, False), again.output


async def fills_the_log(grafana: Connection) -> None:
    await grafana.execute("do $$ begin for i in 1..20 loop raise log '%', repeat('y', 1000000); end loop; end $$")
    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        await grafana.execute("select repeat('x', 10000000)::int")


@pytest.mark.real_stack
async def test_what_it_sorts_is_bounded(database: Database, name: str) -> None:
    """By the shipped file; 271 MB were sorted in four seconds."""
    made = await login(database, "--name", name)
    async with logged_in(database, name, made.output.split()[0]) as grafana:
        assert await grafana.fetchval("show temp_file_limit") == "1GB"
        await grafana.execute("set statement_timeout = 0")
        with pytest.raises(asyncpg.PostgresError, match="temp_file_limit"):
            await grafana.fetchval(
                "select count(*) from (select repeat(n::text, 400) from generate_series(1, 3000000) n order by 1 offset 1)"
            )


@pytest.mark.parametrize("file", ["grafana/provisioning/datasources/telecare.yaml", "compose/datasources.yaml"])
async def test_grafana_asks_for_no_more_sessions_than_it_may_have(database: Database, name: str, file: str) -> None:
    """Else a dashboard with more panels would have some that are refused."""
    made = await login(database, "--name", name)
    async with logged_in(database, name, made.output.split()[0]) as grafana:
        allowed = await grafana.fetchval("select rolconnlimit from pg_roles where rolname = current_user")
    sources = yaml.safe_load((DEPLOY / file).read_text())["datasources"]
    (source,) = [each for each in sources if each["uid"] == "telecare-database"]
    assert source["jsonData"]["maxOpenConns"] == allowed


async def test_again_it_has_another_password_which_a_file_or_a_line_may_say(
    database: Database, name: str, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    first, second = "a password of our own", secrets.token_hex(16)
    file.write_text(f"{first}\n")
    for made in (
        await login(database, "--name", name, "--password-file", str(file)),
        await login(database, "--name", name, "--password-file", "-", stdin=f"{second}\n"),
    ):
        assert made.code == 0, made.output
        assert first not in made.output
        assert second not in made.output
    async with logged_in(database, name, second):
        pass
    with pytest.raises(asyncpg.InvalidPasswordError):
        async with logged_in(database, name, first):
            pass


async def test_a_role_that_may_do_more_is_somebody_elses_and_stays_as_it_is(database: Database, name: str) -> None:
    owner = await asyncpg.connect(database.url)
    try:
        await owner.execute(f"create role {name} login in role telecare_registry")
        refused = await login(database, "--name", name)
        assert (refused.code, "choose another name" in refused.output) == (1, True)
        assert await owner.fetchval("select rolpassword is null from pg_authid where rolname = $1", name)
    finally:
        await owner.close()


@pytest.mark.parametrize("line", ["short", "", "ein Paßwort, das niemand eintippt"])
async def test_a_password_that_is_none_is_refused_with_a_reason(database: Database, line: str) -> None:
    refused = await login(database, "--password-file", "-", stdin=f"{line}\n")
    assert (refused.code, "--password-file" in refused.output) == (2, True), refused.output
