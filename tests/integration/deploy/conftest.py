"""One installation for each file, on servers of its own: they are killed here."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.blackbox.installation import Installation
from tests.integration.deploy.town import installed
from tests.support import servers
from tests.support.servers import Broker, DatabaseServer


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
