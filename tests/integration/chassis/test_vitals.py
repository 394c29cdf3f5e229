"""What a process says of what it stands on: certificates that end, a database that grows, a broker that throws away."""

import asyncio
import shutil
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiomqtt
import asyncpg
import pytest
from cryptography import x509
from prometheus_client import CollectorRegistry

from services.chassis.embedded.process import GuardedProcess
from services.chassis.mqtt import Filter, MqttUrl, Session, SessionOptions
from services.chassis.postgres import Connection
from services.chassis.settings import Settings
from services.chassis.vitals.broker import BrokerVitals
from services.chassis.vitals.certificates import CertificateVitals, ends_at, watched
from services.chassis.vitals.database import DatabaseVitals
from tests.support.certificates import Authority, self_signed
from tests.support.servers import Broker, Database, DatabaseServer, until
from tests.support.stack import STACK

DROPPED = "telecare_broker_messages_dropped_total"
EXPIRY = "telecare_certificate_expiry_timestamp_seconds"


async def test_a_certificate_that_is_renewed_is_seen_and_one_that_cannot_be_read_counts_as_ended(
    tmp_path: Path,
) -> None:
    authority, path = Authority(tmp_path), tmp_path / "http.pem"
    metrics = CollectorRegistry()
    vitals = CertificateVitals(metrics, [path])

    await vitals.run_once()
    assert metrics.get_sample_value(EXPIRY, {"file": str(path)}) == 0

    issued, _ = authority.issue("one")
    path.write_bytes(issued.read_bytes())
    await vitals.run_once()
    told = metrics.get_sample_value(EXPIRY, {"file": str(path)})
    assert told == x509.load_pem_x509_certificate(issued.read_bytes()).not_valid_after_utc.timestamp()

    path.write_text("no certificate")
    await vitals.run_once()
    assert metrics.get_sample_value(EXPIRY, {"file": str(path)}) == 0


def test_a_chain_ends_with_its_first(tmp_path: Path) -> None:
    (tmp_path / "authority").mkdir()
    authority = Authority(tmp_path / "authority")
    leaf, _ = authority.issue("one")
    other, _ = self_signed(tmp_path, "two")
    (tmp_path / "chain.pem").write_bytes(leaf.read_bytes() + other.read_bytes())
    assert ends_at(tmp_path / "chain.pem") == min(ends_at(leaf), ends_at(other))


def test_our_own_certificates_are_watched_and_those_of_others_that_are_named() -> None:
    settings = Settings.model_validate(
        {
            "database_url": "postgresql://127.0.0.1/x",
            "mqtt_url": "mqtt://127.0.0.1",
            "gate_cert": "/etc/gate.pem",
            "watch_certificates": "/etc/broker.pem, /etc/gate.pem",
        }
    )
    assert watched(settings) == (Path("/etc/gate.pem"), Path("/etc/broker.pem"))


async def test_the_database_is_measured_and_nothing_is_said_of_one_that_is_away(
    database: Database, tmp_path: Path
) -> None:
    metrics = CollectorRegistry()
    vitals = DatabaseVitals(metrics, database.url, tmp_path)
    await vitals.run_once()
    size = metrics.get_sample_value("telecare_database_size_bytes")
    assert size is not None
    assert size > 1 << 20
    assert metrics.get_sample_value("telecare_database_standbys") == 0
    assert metrics.get_sample_value("telecare_database_replication_lag_seconds") == 0
    assert metrics.get_sample_value("telecare_database_wal_kept_bytes") == 0
    for what in ("all", "without-heartbeats"):
        made_at_s = metrics.get_sample_value("telecare_backup_timestamp_seconds", {"what": what})
        assert made_at_s is not None
        assert abs(made_at_s - time.time()) < 86400, (
            "since when it is watched: what it is a copy of was made for this run"
        )

    away = CollectorRegistry()
    vitals = DatabaseVitals(away, "postgresql://127.0.0.1:1/telecare", tmp_path)
    with pytest.raises(OSError):  # noqa: PT011 - whatever the network says
        await vitals.run_once()
    assert away.get_sample_value("telecare_database_size_bytes") is None
    free = away.get_sample_value("telecare_database_disk_free_bytes")  # a full disk is why it may be away
    total = away.get_sample_value("telecare_database_disk_bytes")
    assert free is not None
    assert total is not None
    assert 0 < free < total


async def test_what_cannot_be_looked_at_is_told_no_more_and_takes_no_other_figure_with_it(
    database: Database, tmp_path: Path
) -> None:
    """As when the disk's path vanishes below a running process: a figure that stands still looks well."""
    disk = tmp_path / "disk"
    disk.mkdir()
    metrics = CollectorRegistry()
    vitals = DatabaseVitals(metrics, database.url, disk)
    await vitals.run_once()
    assert metrics.get_sample_value("telecare_database_disk_free_bytes") is not None
    before = metrics.get_sample_value("telecare_database_size_bytes")

    disk.rmdir()
    async with _owner(database) as owner:
        await owner.execute("create table grown as select repeat(md5(i::text), 100) from generate_series(1, 10000) i")
        with pytest.raises(FileNotFoundError):
            await vitals.run_once()
        assert metrics.get_sample_value("telecare_database_disk_free_bytes") is None
        assert metrics.get_sample_value("telecare_database_disk_bytes") is None
        size = metrics.get_sample_value("telecare_database_size_bytes")
        assert before is not None
        assert size is not None
        assert size > before + (1 << 20), "there is a table more"
        assert metrics.get_sample_value("telecare_database_standbys") == 0

        disk.mkdir()
        await owner.execute("alter table chassis.backup rename to moved")
        with pytest.raises(asyncpg.UndefinedTableError):
            await vitals.run_once()
        assert metrics.get_sample_value("telecare_backup_timestamp_seconds", {"what": "all"}) is None
        assert metrics.get_sample_value("telecare_database_disk_free_bytes") is not None
        assert metrics.get_sample_value("telecare_database_notify_queue_ratio") == 0

        await owner.execute("alter table chassis.moved rename to backup")
    await vitals.run_once()
    assert metrics.get_sample_value("telecare_backup_timestamp_seconds", {"what": "all"}) is not None


@pytest.mark.usefixtures("patient_connections")
async def test_a_database_that_goes_away_takes_its_figures_with_it(
    own_postgres: DatabaseServer, own_database: Database, tmp_path: Path
) -> None:
    metrics = CollectorRegistry()
    vitals = DatabaseVitals(metrics, own_database.url, tmp_path)
    await vitals.run_once()
    assert metrics.get_sample_value("telecare_database_standbys") == 0
    await asyncio.to_thread(own_postgres.kill)
    with pytest.raises(OSError):  # noqa: PT011 - whatever the network says
        await vitals.run_once()
    for gone in ("standbys", "size_bytes", "wal_kept_bytes", "notify_queue_ratio"):
        assert metrics.get_sample_value(f"telecare_database_{gone}") is None
    assert metrics.get_sample_value("telecare_backup_timestamp_seconds", {"what": "all"}) is None
    assert metrics.get_sample_value("telecare_database_disk_free_bytes") is not None


@asynccontextmanager
async def _owner(database: Database) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database.url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_a_replication_slot_that_nobody_reads_is_seen_to_keep_wal(
    postgres_server: DatabaseServer, database: Database
) -> None:
    """Physical slots need nothing but `max_replication_slots`, and hold WAL until they are dropped."""
    connection = await asyncpg.connect(postgres_server.admin_url)
    metrics = CollectorRegistry()
    vitals = DatabaseVitals(metrics, database.url, None)
    try:
        await connection.execute("select pg_create_physical_replication_slot('vitals', true)")
        await connection.execute("create table wal_filler as select repeat('x', 1000) from generate_series(1, 2000)")
        await vitals.run_once()
        kept = metrics.get_sample_value("telecare_database_wal_kept_bytes")
        assert kept is not None
        assert kept > 1_000_000
    finally:
        await connection.execute("select pg_drop_replication_slot('vitals')")
        await connection.execute("drop table if exists wal_filler")
        await connection.close()


@asynccontextmanager
async def heard(broker: Broker) -> AsyncIterator[CollectorRegistry]:
    """What is told of a broker, while somebody listens."""
    metrics = CollectorRegistry()
    task = asyncio.create_task(BrokerVitals(metrics, MqttUrl.parse(broker.url), "test").run())
    try:
        yield metrics
        assert not task.done()
    finally:
        task.cancel()


@pytest.fixture
def narrow_broker(broker: Broker) -> Broker:
    """Mosquitto that keeps two messages for who is away, and tells of itself every second."""
    broker.narrow(2)
    return broker


@pytest.mark.real_stack
async def test_what_the_broker_throws_away_is_counted(narrow_broker: Broker) -> None:
    options = SessionOptions(client_id="away", filters=(Filter("full"),), receive_max=10)
    url = MqttUrl.parse(narrow_broker.url)
    async with heard(narrow_broker) as metrics:
        await until(lambda: metrics.get_sample_value(DROPPED) == 0)
        session = await Session.connect(url, options)
        await session.close()  # and is away now
        async with aiomqtt.Client(url.host, url.port) as client:
            for _ in range(5):
                await client.publish("full", b"x", qos=1)
        await until(lambda: metrics.get_sample_value(DROPPED) == 3)
        await until(lambda: metrics.get_sample_value("telecare_broker_clients") == 1)
        await until(lambda: (metrics.get_sample_value("telecare_broker_stored_bytes") or 0) > 0)

        await asyncio.to_thread(narrow_broker.kill)
        await until(lambda: metrics.get_sample_value(DROPPED) is None)


@contextmanager
def standing_by(server: DatabaseServer) -> Iterator[None]:
    """Somebody who takes the database's WAL as it is written, as a standby does."""
    directory = STACK.temporary_directory("telecare-standby-", "postgres")
    program = "/usr/lib/postgresql/17/bin/pg_receivewal"
    argv = STACK.argv("postgres", program, "--no-loop", "-D", STACK.inside(directory), "-d", server.admin_url)
    process = GuardedProcess(argv, log=directory / "standby.log", stop_signals=(signal.SIGINT,), remove=[directory])
    try:
        yield
    finally:
        process.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.real_stack
async def test_who_stands_by_is_counted_and_how_far_behind_is_told_to_whom_may_know(
    postgres_server: DatabaseServer, database: Database
) -> None:
    connection = await asyncpg.connect(postgres_server.admin_url)
    await connection.execute("create role vitals_only login password 'vitals' in role telecare_ingest")
    host = urlsplit(database.url)
    plain = f"postgresql://vitals_only:vitals@{host.hostname}:{host.port}{host.path}"
    seen, unseen = CollectorRegistry(), CollectorRegistry()
    vitals, ignorant = DatabaseVitals(seen, database.url, None), DatabaseVitals(unseen, plain, None)
    standbys, lag = "telecare_database_standbys", "telecare_database_replication_lag_seconds"

    async def counted(count: int) -> bool:
        await vitals.run_once()
        await ignorant.run_once()
        return seen.get_sample_value(standbys) == unseen.get_sample_value(standbys) == count

    try:
        with standing_by(postgres_server):
            await until(lambda: counted(1))
            assert seen.get_sample_value(lag) is not None
            assert unseen.get_sample_value(lag) is None
        await until(lambda: counted(0))
        assert seen.get_sample_value(lag) == unseen.get_sample_value(lag) == 0
    finally:
        await connection.execute("drop role vitals_only")
        await connection.close()
