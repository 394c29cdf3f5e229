"""The database's machine is gone. Its backup is restored into a fresh server, and every open alarm goes on escalating."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.blackbox.hub import Receiver
from tests.scenarios.story import Story, happened
from tests.support import servers
from tests.support.servers import Broker, Database, DatabaseServer, until
from tests.support.stack import DEPLOY, STACK

pytestmark = [pytest.mark.real_stack, pytest.mark.timeout(300)]

HUB = "clyde-arc"
HOURLY, NIGHTLY = "-without-heartbeats.dump", "Z.dump"


@pytest.fixture
def fresh_postgres(pristine_cluster: Path) -> Iterator[DatabaseServer]:
    """The new machine: a server on which nothing was ever made."""
    server = servers.make_database_server(pristine_cluster)
    server.start()
    yield server
    server.close()


@pytest.fixture
def shelf() -> Iterator[Path]:
    """Where backups lie, and the two scripts with them; the user postgres can reach it."""
    shelf = STACK.temporary_directory("telecare back up ", "postgres")
    (shelf / "compose").mkdir()
    for name in ("backup", "restore", "compose/backup-timer"):
        shutil.copy(DEPLOY / name, shelf / name)
    yield shelf
    shutil.rmtree(shelf)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


def script(shelf: Path, name: str, url: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run one of them as the user postgres, with libpq's settings for this URL."""
    argv = STACK.argv("postgres", f"{STACK.inside(shelf)}/{name}", *arguments)
    environment = libpq(url) | more
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=120, env=environment, cwd="/")


def libpq(url: str) -> dict[str, str]:
    """The environment of its programs, for this URL."""
    parts = urlsplit(url)
    return {
        "PATH": "/usr/lib/postgresql/17/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PGHOST": str(parts.hostname),
        "PGPORT": str(parts.port),
        "PGUSER": str(parts.username),
        "PGPASSWORD": str(parts.password),
        "PGDATABASE": parts.path.strip("/"),
    }


def dumps(shelf: Path) -> list[Path]:
    return list(shelf.glob("telecare-*"))


async def rows_of(url: str) -> dict[str, int]:
    """How many rows each of our tables has."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "select format('%I.%I', schemaname, tablename) from pg_tables "
            "where schemaname in ('chassis', 'registry', 'ingest', 'alerts') or tablename = 'telecare_migration'"
        )
        return {name: await connection.fetchval(f"select count(*) from {name}") for (name,) in tables}
    finally:
        await connection.close()


async def may_make_temporary_tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "select rolname from pg_roles where rolname ~ '^telecare_' "
            "and has_database_privilege(rolname, current_database(), 'temporary')"
        )
        return {row["rolname"] for row in rows}
    finally:
        await connection.close()


async def registers(url: str, device_id: str = "TC-KEPT", council: str = "glasgow-city") -> None:
    """A device, without which there is nothing to back up."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "insert into registry.device (device_id, council_id, serial, model, stage, registered_at, changed_at) "
            "values ($1, $2, $1, 'hearth-4g', 'registered', now(), now())",
            device_id,
            council,
        )
    finally:
        await connection.close()


@asynccontextmanager
async def open_for_business(url: str, broker: Broker, folder: Path, receiver: Receiver) -> AsyncIterator[Story]:
    """The services, on this database; the hub's clock is theirs."""
    async with Story.begin(url, broker, folder) as story:
        receiver.clock = story.clock.now
        yield story


@pytest.mark.parametrize("what", ["all", "without-heartbeats"])
async def test_a_backup_is_restored_into_a_fresh_server_and_every_open_alarm_goes_on(
    own_database: Database,
    own_postgres: DatabaseServer,
    fresh_postgres: DatabaseServer,
    broker: Broker,
    receiver: Receiver,
    shelf: Path,
    tmp_path: Path,
    what: str,
) -> None:
    async with open_for_business(own_database.url, broker, tmp_path, receiver) as story:
        hub = {"name": "Clyde", "channels": [receiver.channel(HUB)]}
        assert (await story.api.put(f"/api/v1/hubs/{HUB}", hub)).status == 201
        await story.api.put("/api/v1/councils/glasgow-city/routing", {"hubs": [HUB]})
        waits, taken, closed = [await story.box(name) for name in ("TC-WAITS", "TC-TAKEN", "TC-CLOSED")]
        for box in (waits, taken, closed):
            await box.presses()
            box.beat()
        for box, actions in ((taken, ["acknowledge"]), (closed, ["acknowledge", "close"])):
            alarm = await story.alarm(box)
            for action in actions:
                body = {"operator": "Isla", "outcome": "attended"}
                assert (await story.api.post(f"/api/v1/alarms/{alarm['alarm_id']}/{action}", body)).status == 200
        await story.settles()
        await story.counted("select count(*) from ingest.heartbeat", 3)
    before = await rows_of(own_database.url)

    backed_up = script(shelf, "backup", own_database.url, STACK.inside(shelf), WHAT=what)
    assert (backed_up.returncode, backed_up.stderr) == (0, "")
    own_postgres.kill()
    url = fresh_postgres.url_of("telecare")
    (dump,) = dumps(shelf)
    assert dump.stat().st_mode & 0o077 == 0
    restored = script(shelf, "restore", url, STACK.inside(dump))
    assert restored.returncode == 0, restored.stderr
    assert "2 alarms are open" in restored.stdout
    heartbeats = "ingest.heartbeat"
    assert await rows_of(url) == before | {heartbeats: before[heartbeats] if what == "all" else 0}
    assert await may_make_temporary_tables(url) == {"telecare_ingest"}, "which is in no dump"

    async with open_for_business(url, broker, tmp_path, receiver) as story:
        await story.minutes_pass(10)
        waiting, followed, over = [await story.alarm(box) for box in (waits, taken, closed)]
        assert waiting["state"] == "open"
        assert "escalated" in happened(waiting)
        assert receiver.accepted(waits.device_id, "alarm.escalated", hub=HUB)
        assert followed["state"] == "acknowledged"
        assert followed["acknowledged_by"] == "Isla"
        assert over["state"] == "closed"
        assert await story.count("select count(*) from alerts.alarm where state <> 'closed' and wake_at is null") == 0
        assert await story.count("select count(*) from timescaledb_information.hypertables") == 1
        # And whoever presses now is heard, as ever.
        again = await story.box("TC-LATER")
        again.beat()
        await again.presses()
        await story.counted("select count(*) from ingest.heartbeat where device_id = 'TC-LATER'", 1)
        assert receiver.accepted(again.device_id, "alarm.raised", hub=HUB)


async def test_a_restore_touches_no_database_that_is_there_unless_it_is_told_to_and_then_keeps_it(
    database: Database, shelf: Path
) -> None:
    await registers(database.url)
    backed_up = script(shelf, "backup", database.url, STACK.inside(shelf))
    assert backed_up.returncode == 0, backed_up.stderr
    await registers(database.url, "TC-LATER")
    restored = script(shelf, "restore", database.url, backed_up.stdout.strip())
    assert restored.returncode == 1
    assert f"there is a database {database.name}" in restored.stderr
    assert await devices(database.url) == ["TC-KEPT", "TC-LATER"]
    somebody = await asyncpg.connect(database.url)  # who is in it and was not stopped, as Grafana
    replaced = script(shelf, "restore", database.url, "--replace", backed_up.stdout.strip())
    assert replaced.returncode == 0, replaced.stderr
    somebody.terminate()
    assert await devices(database.url) == ["TC-KEPT"]
    kept = re.search(rf"{database.name}_before_\w+", replaced.stdout)
    assert kept is not None, replaced.stdout
    try:
        assert await devices(database.url.replace(database.name, kept[0])) == ["TC-KEPT", "TC-LATER"]
    finally:
        await drops(database.url, kept[0])


@pytest.mark.parametrize("how", ["unreadable", "cut short", "another's"])
async def test_a_dump_that_cannot_be_restored_is_refused_before_anything_is_touched(
    database: Database, shelf: Path, how: str
) -> None:
    """As one that root copied here from another host, mode 600, or that a full disk cut short."""
    await registers(database.url)
    backed_up = script(shelf, "backup", database.url, STACK.inside(shelf))
    (dump,) = dumps(shelf)
    if how == "unreadable":
        os.chown(dump, 0, 0)
    elif how == "cut short":
        dump.write_bytes(dump.read_bytes()[:-5000])
    else:
        argv = STACK.argv("postgres", "pg_dump", "--format=custom", f"--file={STACK.inside(dump)}", "template1")
        subprocess.run(argv, check=True, env=libpq(database.url), cwd="/")  # noqa: ASYNC221 - as `script`
    refused = script(shelf, "restore", database.url, "--replace", backed_up.stdout.strip())
    assert refused.returncode == 1
    assert "nothing was touched" in refused.stderr
    says = {"unreadable": "chown postgres it", "cut short": "no whole dump", "another's": "no dump of telecare's"}
    assert says[how] in refused.stderr
    assert await devices(database.url) == ["TC-KEPT"]


async def devices(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch("select device_id from registry.device order by 1")]
    finally:
        await connection.close()


async def drops(url: str, name: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f'drop database "{name}" with (force)')
    finally:
        await connection.close()


async def test_backups_that_are_too_old_are_removed_and_one_that_fails_leaves_nothing(
    database: Database, shelf: Path
) -> None:
    await registers(database.url)
    old = shelf / "telecare-20200101T000000Z.dump"
    old.write_text("old")
    os.utime(old, (0, 0))
    failed = script(shelf, "backup", database.url.replace(database.name, "nowhere"), STACK.inside(shelf))
    assert failed.returncode != 0
    assert dumps(shelf) == [old], "a backup that failed removes none"
    noted = await noted_backups(database.url)
    unreadable = shelf / "taken"  # no directory: nothing can be put there
    unreadable.write_text("")
    assert script(shelf, "backup", database.url, STACK.inside(unreadable)).returncode != 0
    assert await noted_backups(database.url) == noted, "nor is it noted"
    # With heartbeats they are large, and the newest has the history of all: few are kept, as soon as there is a newer one.
    week = datetime.now(UTC).timestamp() - 7 * 86400
    full, hourly = shelf / f"telecare-20200107T000000{NIGHTLY}", shelf / f"telecare-20200107T000000Z{HOURLY}"
    for each in (full, hourly):
        each.write_text("a week old")
        os.utime(each, (week, week))
    assert script(shelf, "backup", database.url, STACK.inside(shelf), WHAT="without-heartbeats").returncode == 0
    assert {full, hourly} <= {*dumps(shelf)}
    assert old not in dumps(shelf)
    noted = await noted_backups(database.url)
    made = script(shelf, "backup", database.url, STACK.inside(shelf))
    assert (made.returncode, made.stderr) == (0, "")
    assert full not in dumps(shelf)
    assert hourly in dumps(shelf)
    now = await noted_backups(database.url)
    assert now["all"] > noted["all"]
    assert now["without-heartbeats"] == noted["without-heartbeats"]


async def test_a_disk_of_its_own_with_a_directory_that_only_root_may_look_into_keeps_nothing_from_being_made_or_pruned(
    database: Database, shelf: Path
) -> None:
    await registers(database.url)
    (shelf / "lost+found").mkdir(mode=0o700)  # root's, as mkfs makes it
    old = shelf / "telecare-20200101T000000Z.dump"
    old.write_text("old")
    os.utime(old, (0, 0))
    made = script(shelf, "backup", database.url, STACK.inside(shelf))
    assert (made.returncode, made.stderr) == (0, "")
    assert old not in dumps(shelf)
    assert len(dumps(shelf)) == 1


async def noted_backups(url: str) -> dict[str, datetime]:
    """When each kind was made last, as TelecareBackupOld goes by it."""
    connection = await asyncpg.connect(url)
    try:
        return {row["what"]: row["made_at"] for row in await connection.fetch("select * from chassis.backup")}
    finally:
        await connection.close()


async def test_a_database_that_lost_its_devices_pushes_no_good_backup_out(database: Database, shelf: Path) -> None:
    nothing_yet = script(shelf, "backup", database.url, STACK.inside(shelf))
    assert (nothing_yet.returncode, dumps(shelf)) == (0, []), nothing_yet.stderr
    assert (shelf / "no-device-yet").exists()

    await registers(database.url)
    good = Path(script(shelf, "backup", database.url, STACK.inside(shelf)).stdout.strip()).name
    assert not (shelf / "no-device-yet").exists()
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute("delete from registry.device")
    finally:
        await connection.close()
    os.utime(shelf / good, (0, 0))  # it would be too old
    for name, reason in ((database.name, "knows no device"), ("postgres", "has no migrations")):
        url = database.url.replace(database.name, name)
        refused = script(shelf, "backup", url, STACK.inside(shelf))
        assert (refused.returncode, reason in refused.stderr) == (1, True), refused.stderr
        assert [each.name for each in dumps(shelf)] == [good]


async def test_a_database_made_anew_pushes_no_good_backup_out_whatever_it_has_by_then(
    database: Database, shelf: Path
) -> None:
    """The canary's set-up is run anew on it, and the next box is fitted."""
    await registers(database.url, "TC-CANARY", "canary")
    assert script(shelf, "backup", database.url, STACK.inside(shelf)).returncode == 0
    assert (dumps(shelf), (shelf / "no-device-yet").exists()) == ([], True)

    await registers(database.url)
    good = Path(script(shelf, "backup", database.url, STACK.inside(shelf)).stdout.strip())
    noted = await noted_backups(database.url)
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute("delete from registry.device where council_id <> 'canary'")
        refused = script(shelf, "backup", database.url, STACK.inside(shelf))
        assert (refused.returncode, "knows no device" in refused.stderr) == (1, True), refused.stderr

        await registers(database.url, "TC-LATER")
        await connection.execute("update telecare_migration set applied_at = applied_at + interval '1 month'")
        for what in ("all", "without-heartbeats"):
            refused = script(shelf, "backup", database.url, STACK.inside(shelf), WHAT=what, PGTZ="Asia/Tokyo")
            assert (refused.returncode, "of another database" in refused.stderr) == (1, True), refused.stderr
        assert [each.name for each in dumps(shelf)] == [good.name]
        assert await noted_backups(database.url) == noted

        # As a restore leaves it, and in whatever zone it is looked at.
        await connection.execute("update telecare_migration set applied_at = applied_at - interval '1 month'")
        made = script(shelf, "backup", database.url, STACK.inside(shelf), WHAT="without-heartbeats", PGTZ="Asia/Tokyo")
        assert (made.returncode, made.stderr) == (0, "")
    finally:
        await connection.close()


async def test_a_dump_that_is_suddenly_a_tenth_is_refused_unless_it_is_meant(database: Database, shelf: Path) -> None:
    await registers(database.url)
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute(
            "create table much as select encode(sha512(n::text::bytea), 'hex') from generate_series(1, 100000) n"
        )
        good = Path(script(shelf, "backup", database.url, STACK.inside(shelf)).stdout.strip())
        await connection.execute("drop table much")
    finally:
        await connection.close()
    (before,) = dumps(shelf)
    before.rename(shelf / "telecare-20200101T000000Z.dump")  # else the same second's
    refused = script(shelf, "backup", database.url, STACK.inside(shelf))
    assert (refused.returncode, "less than a tenth" in refused.stderr) == (1, True), (good, refused.stderr)
    assert len(dumps(shelf)) == 1, "and nothing of it is left"
    of_the_other_kind = script(shelf, "backup", database.url, STACK.inside(shelf), WHAT="without-heartbeats")
    assert of_the_other_kind.returncode == 0, of_the_other_kind.stderr
    assert script(shelf, "backup", database.url, STACK.inside(shelf), SMALLER="meant").returncode == 0
    os.utime(shelf / "telecare-20200101T000000Z.dump")
    assert script(shelf, "backup", database.url, STACK.inside(shelf)).returncode == 0, "from then on"


@pytest.mark.parametrize("heartbeats", [200_000, 2_000])
async def test_after_a_restore_without_heartbeats_full_backups_go_on_and_the_one_that_has_their_history_stays(
    database: Database, shelf: Path, heartbeats: int
) -> None:
    """With the many the next full dump has less than a tenth of the one before, and is meant to."""
    await registers(database.url)
    await reports(database.url, heartbeats)
    made = script(shelf, "backup", database.url, STACK.inside(shelf))
    assert made.returncode == 0, made.stderr
    (full,) = dumps(shelf)
    made = script(shelf, "backup", database.url, STACK.inside(shelf), WHAT="without-heartbeats")
    before = shelf / f"telecare-20200105T020000{NIGHTLY}"  # a second backup may be of the same second
    full.rename(before)
    restored = script(shelf, "restore", database.url, "--replace", made.stdout.strip())
    assert restored.returncode == 0, restored.stderr
    kept = re.search(rf"{database.name}_before_\w+", restored.stdout)
    assert kept is not None, restored.stdout
    await drops(database.url, kept[0])
    four, fifteen = (datetime.now(UTC).timestamp() - days * 86400 for days in (4.5, 15.5))
    os.utime(before, (four, four))

    after = [shelf / f"telecare-202001{day}T020000{NIGHTLY}" for day in ("06", "07")]
    for name in after:
        made = script(shelf, "backup", database.url, STACK.inside(shelf))
        assert (made.returncode, made.stderr) == (0, "")
        assert before in dumps(shelf), "nothing else has what was heard before"
        (shelf / Path(made.stdout.strip()).name).rename(name)
        os.utime(name, (four, four))
    assert after[0] not in dumps(shelf), "the newer one has all its history"
    os.utime(before, (fifteen, fifteen))
    made = script(shelf, "backup", database.url, STACK.inside(shelf))
    assert (made.returncode, made.stderr) == (0, "")
    assert before not in dumps(shelf), "what is to be forgotten goes from backups, too"
    assert f"history is in {STACK.inside(before)}, which goes with its 14 days" in restored.stdout


async def test_what_has_less_than_a_tenth_since_its_restore_is_refused_and_the_message_names_a_restore_by_other_means(
    database: Database, shelf: Path
) -> None:
    await registers(database.url)
    await reports(database.url, 200_000)
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute("comment on table ingest.heartbeat is 'restored 20200101T000000Z'")
        assert script(shelf, "backup", database.url, STACK.inside(shelf)).returncode == 0
        (full,) = dumps(shelf)
        full.rename(shelf / f"telecare-20200105T020000{NIGHTLY}")
        await connection.execute("truncate ingest.heartbeat")
    finally:
        await connection.close()
    refused = script(shelf, "backup", database.url, STACK.inside(shelf))
    assert (refused.returncode, "less than a tenth" in refused.stderr) == (1, True), refused.stderr
    assert "a dump without heartbeats restored by other means than telecare-restore" in refused.stderr
    assert "lay it aside first" in refused.stderr


async def reports(url: str, heartbeats: int) -> None:
    """One box's, a second apart, of which little can be compressed."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "insert into ingest.heartbeat (device_id, council_id, boot_id, seq, at, received_at, firmware) "
            "select 'TC-KEPT', 'glasgow-city', 'b1', n, t, t, md5(n::text) "
            "from generate_series(1, $1::int) n, lateral (select timestamptz '2026-11-01' + n * interval '1 s' as t) at",
            heartbeats,
        )
    finally:
        await connection.close()


async def test_where_no_timer_of_systemds_is_the_hours_and_the_nights_backups_are_made_all_the_same(
    database: Database, shelf: Path
) -> None:
    """As the container `backup` runs it; what is due is seen by the age of what there is."""
    await registers(database.url)
    argv = STACK.argv("postgres", f"{STACK.inside(shelf)}/compose/backup-timer", STACK.inside(shelf))
    soon = {"LOOK_EVERY_S": "0.1"}
    with subprocess.Popen(  # noqa: ASYNC220 - it blocks for no longer than a fork
        argv, env=libpq(database.url) | soon, cwd="/", start_new_session=True
    ) as timer:
        try:

            def made(ending: str) -> list[Path]:
                return [each for each in dumps(shelf) if each.name.endswith(ending)]

            await until(lambda: len(made(HOURLY)) == len(made(NIGHTLY)) == 1, 60, what="one of each at once")
            made_at = max(each.stat().st_mtime for each in dumps(shelf))
            for each in dumps(shelf):
                os.utime(each, (made_at - 3600, made_at - 3600))
            # By its age and not by its name, which is the second: on a quick machine the first has the same.
            await until(
                lambda: max(each.stat().st_mtime for each in made(HOURLY)) >= made_at, 60, what="the next hour's"
            )
            assert len(made(NIGHTLY)) == 1, "the night's is not due"
            timer.terminate()
            assert await asyncio.to_thread(timer.wait, 60) == 0
        finally:
            timer.kill()
