"""Fixtures that every suite uses. The servers are real ones, of either stack: see `tests/support/servers.py`."""

import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final
from zlib import crc32

import psutil
import pytest
from hypothesis import HealthCheck, settings

from tests.support import servers
from tests.support.servers import Broker, Database, DatabaseServer, TcpProxy
from tests.support.stack import STACK

_HERE: Final = Path(__file__).parent
_WAITING: Final = ("scenarios", "browser", "blackbox", "integration/deploy", "integration/cli", "integration/canary")
_WITHOUT_SERVERS: Final = ("unit", "properties", "contracts", "architecture")  # as `make test` runs them
_SERVERS: Final = frozenset({"pristine_cluster", "broker"})  # there, each fixture of a server begins with one of these
_MADE_TO_HANG: Final = frozenset(
    {"own_postgres", "tcp_proxy"}
)  # by whoever has them: there the product's own seconds count
_GC_YOUNG_MAX: Final = 50_000  # objects
_IN_MEMORY: Final = Path("/dev/shm")
_ROOM_BYTES: Final = 8 * 1024**3  # a database server's log may come to a GiB, and each worker has one or two


# No time limits, since other processes share the machine and the first example builds tables. Here, and not beside the properties:
# what is collected before their folder, or run without it, would have Hypothesis's own fifth of a second for an example.
# In CI the examples are always the same, as in Hypothesis's own profile for it: a change is judged by what it changed. New ones
# are looked for wherever the tests are run while something is written.
settings.register_profile(
    "telecare", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("telecare")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the servers' files in memory where there is much: a database for each test is a thousand files each time.

    They are what they would be on a disk, and are synced to it just the same.
    """
    is_worker = hasattr(config, "workerinput")  # which has it all from the process that started it
    if is_worker or "TMPDIR" in os.environ or not os.access(_IN_MEMORY, os.W_OK):
        return
    if min(shutil.disk_usage(_IN_MEMORY).free, psutil.virtual_memory().available) > _ROOM_BYTES:
        os.environ["TMPDIR"] = str(_IN_MEMORY)
        tempfile.tempdir = None  # read anew
        if servers.real_stack():
            try:
                STACK.keep_in_memory()
            except FileNotFoundError as reason:
                raise pytest.UsageError(str(reason)) from None


def pytest_collection_finish() -> None:
    """Let the collector of garbage leave alone what stays anyway: *measured*, a third of the registry's tests' processor time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_YOUNG_MAX, 20, 20)


def pytest_xdist_auto_num_workers() -> int:
    """Two for each core, for half of the time a test waits: measured on two cores, which two workers leave idle for 40 %."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only the real stack can show; there, a missing component is a failure and never a skip.

    And there, what meets no server at all: it would be the same once more.

    And mix the files: those that mostly wait among those that mostly calculate, the units among the rest. One after the other, as
    their names are, they want more than the machine first, and half of it later.
    """
    is_left_out = _is_the_same_on_both if servers.real_stack() else _is_of_the_real_one
    config.hook.pytest_deselected(items=[item for item in items if is_left_out(item)])
    items[:] = [item for item in items if not is_left_out(item)]
    files = {item.path for item in items}
    waiting = sorted((file for file in files if _mostly_waits(file)), reverse=True)  # the longest come first
    others = sorted(files.difference(waiting), key=lambda file: crc32(bytes(file.relative_to(_HERE))))
    places = {file: (n + 0.5) / len(kind) for kind in (waiting, others) for n, file in enumerate(kind)}
    items.sort(key=lambda item: places[item.path])


def _is_of_the_real_one(item: pytest.Item) -> bool:
    return item.get_closest_marker("real_stack") is not None


def _is_the_same_on_both(item: pytest.Item) -> bool:
    if _is_of_the_real_one(item):
        return False
    is_among_them = any(item.path.is_relative_to(_HERE / each) for each in _WITHOUT_SERVERS)
    return is_among_them and isinstance(item, pytest.Function) and _SERVERS.isdisjoint(item.fixturenames)


def _mostly_waits(file: Path) -> bool:
    return any(file.is_relative_to(_HERE / each) for each in _WAITING)


@pytest.fixture(autouse=True)
def patient_database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk or a process that stands still for some seconds turns no change away, and ends no transaction.

    Three seconds for the audit log are soon gone while two workers' databases are synced (the statement has ten, as everywhere);
    and a test's own process, with all that runs in it, may be paused for longer than the five that a transaction may be idle.
    """
    monkeypatch.setattr("services.chassis.audit.log._WRITE_TIMEOUT_S", 20.0)
    monkeypatch.setattr("services.chassis.postgres.pool.IDLE_IN_TRANSACTION_S", 60)
    if _MADE_TO_HANG.isdisjoint(request.fixturenames):
        request.getfixturevalue("patient_connections")


@pytest.fixture
def patient_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it keep anybody from a connection, which must otherwise be there within five seconds.

    Loops of a service try again then; a test that calls one by hand does not, and whoever asks over HTTP is told to come later.
    """
    monkeypatch.setattr("services.chassis.postgres.pool.CONNECT_TIMEOUT_S", 60)
    monkeypatch.setattr("services.chassis.postgres.borrow.ACQUIRE_TIMEOUT_S", 60)


@pytest.fixture(scope="session")
def pristine_cluster() -> Iterator[Path]:
    """A database cluster that is never started: servers start on copies, which is faster than making one each."""
    keeper, path = servers.make_pristine_cluster()
    yield path
    keeper.stop()


@pytest.fixture(scope="session")
def postgres_server(pristine_cluster: Path) -> Iterator[DatabaseServer]:
    """The database server that the tests share. A test that kills or pauses one takes `own_postgres`."""
    server = servers.make_database_server(pristine_cluster)
    server.start()
    yield server
    server.close()


@pytest.fixture
def own_postgres(pristine_cluster: Path) -> Iterator[DatabaseServer]:
    """A database server of this test's own, to kill and to pause."""
    server = servers.make_database_server(pristine_cluster)
    server.start()
    yield server
    server.close()


@pytest.fixture
async def database(postgres_server: DatabaseServer) -> AsyncIterator[Database]:
    """A fresh, migrated database on the shared server."""
    database = await postgres_server.create_database()
    yield database
    await postgres_server.drop(database)


@pytest.fixture
async def own_database(own_postgres: DatabaseServer) -> Database:
    """A fresh, migrated database on `own_postgres`; it goes with its server."""
    return await own_postgres.create_database()


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A fresh, empty broker."""
    broker = servers.make_broker()
    broker.start()
    yield broker
    broker.close()


@pytest.fixture
async def tcp_proxy() -> AsyncIterator[Callable[[str], Awaitable[TcpProxy]]]:
    """Puts a proxy in front of a server: `proxy = await tcp_proxy(broker.url)`, then connect to `proxy.url`."""
    proxies: list[TcpProxy] = []

    async def start(target_url: str) -> TcpProxy:
        proxy = TcpProxy(target_url)
        proxies.append(proxy)
        await proxy.start()
        return proxy

    yield start
    for proxy in proxies:
        await proxy.stop()
