"""One installation for each file, on servers of its own: they are killed here."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.blackbox.installation import Installation
from tests.integration.deploy.town import installed
from tests.support import prometheus, servers
from tests.support.prometheus import Prometheus
from tests.support.servers import Broker, DatabaseServer, until


@pytest.fixture(scope="module")
def database_server(pristine_cluster: Path) -> Iterator[DatabaseServer]:
    server = servers.make_database_server(pristine_cluster)
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def installations_broker() -> Iterator[Broker]:
    broker = servers.make_broker()
    broker.start()
    yield broker
    broker.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(
    database_server: DatabaseServer, installations_broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """`telecare up`, with a hub that is told by webhook."""
    async with installed(database_server, installations_broker, tmp_path_factory.mktemp("telecare")) as installation:
        yield installation


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watching(installation: Installation) -> AsyncIterator[Prometheus]:
    """Prometheus, as shipped, that has seen the installation as if it were two processes."""
    address = installation.api.url.removeprefix("http://")
    async with prometheus.watching(address, "one", "standby", http=installation.api.session) as server:

        async def seen() -> bool:
            return [series.last for series in await server.query("up")] == [1, 1]

        await until(seen, what="the first scrape")
        yield server
