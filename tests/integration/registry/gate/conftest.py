from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.chassis.run import running
from services.registry.service import build
from tests.integration.registry.broker.conftest import server  # noqa: F401 - a fixture
from tests.integration.registry.broker.secured import ADMIN, SERVICE, Secured, url_of
from tests.integration.registry.identity.town import opened, settings_for
from tests.support.servers import Broker, Database, free_port
from tests.support.stack import RealBroker


@pytest.fixture
async def gated(database: Database, server: RealBroker, tmp_path: Path) -> AsyncIterator[tuple[Secured, int]]:  # noqa: F811
    """A secured broker, and the port of the gate in front of it."""
    service, admin, port = url_of(SERVICE, server.port), url_of(ADMIN, server.port), free_port()
    settings = settings_for(database.url, service, tmp_path, admin).model_copy(
        update={"gate_listen": f"127.0.0.1:{port}"}
    )
    async with opened(database, service, server.port) as town, running(settings, [build], clock=town.clock) as process:
        await town.ready(process)
        yield Secured(town, server, Broker(server), settings, process.url), port
