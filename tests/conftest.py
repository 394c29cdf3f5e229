"""Fixtures that every suite uses. The servers are real ones, of either stack: see `tests/support/servers.py`."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.support import servers
from tests.support.servers import Broker, Database, DatabaseServer, TcpProxy


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only the real stack can show; there, a missing component is a failure and never a skip."""
    if servers.real_stack():
        return
    only_real = [item for item in items if item.get_closest_marker("real_stack")]
    items[:] = [item for item in items if not item.get_closest_marker("real_stack")]
    config.hook.pytest_deselected(items=only_real)


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
