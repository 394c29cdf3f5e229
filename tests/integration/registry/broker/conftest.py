"""The registry and a secured Mosquitto, which knows at first only us."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.chassis.mqtt import MqttUrl
from services.chassis.run import running
from services.registry.broker.document import first_document
from services.registry.service import build
from tests.integration.registry.broker.secured import ADMIN, SERVICE, Secured, url_of
from tests.integration.registry.identity.town import opened, settings_for
from tests.support.servers import Broker, Database
from tests.support.stack import RealBroker


@pytest.fixture
def server() -> Iterator[RealBroker]:
    """Mosquitto with the register that `telecare broker init` makes."""
    register = first_document(MqttUrl.parse(url_of(ADMIN, 1)), MqttUrl.parse(url_of(SERVICE, 1)))
    server = RealBroker(register)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def secured(database: Database, server: RealBroker, tmp_path: Path) -> AsyncIterator[Secured]:
    service, admin = url_of(SERVICE, server.port), url_of(ADMIN, server.port)
    settings = settings_for(database.url, service, tmp_path, admin)
    async with opened(database, service, server.port) as town, running(settings, [build], clock=town.clock) as process:
        await town.ready(process)
        yield Secured(town, server, Broker(server), settings, process.url)
