"""One installation for all tests here, started as a person starts it; every test uses devices of its own.

It ends with the package, and not with the session: its receiver stands still while other packages run their own loops, and what
came meanwhile would be minutes old when it is verified.
"""

from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.blackbox.api import Api
from tests.blackbox.hub import MqttHub, Receiver
from tests.blackbox.installation import Installation, MakeBox, empty_database, make_boxes, settings_for
from tests.support import servers
from tests.support.servers import Broker, DatabaseServer

HERE = Path(__file__).parent
_running = pytest.StashKey[Installation]()

MQTT_HUB, MQTT_COUNCIL = "moray-arc", "moray"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here share one event loop with the installation's receiver."""
    for item in items:
        if item.path.is_relative_to(HERE) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="package"), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the service's log with what failed."""
    report = yield
    if report.failed and _running in item.session.stash:
        report.sections.append(("the end of the service's log", item.session.stash[_running].log_tail()))
    return report


@pytest.fixture(scope="session")
def shared_broker() -> Iterator[Broker]:
    broker = servers.make_broker()
    broker.start()
    yield broker
    broker.close()


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def installation(
    shared_broker: Broker,
    postgres_server: DatabaseServer,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Installation]:
    """`telecare up`, ready; at the end it must stop cleanly, and must have kept every secret and every promise."""
    receiver = Receiver()
    await receiver.start()
    async with empty_database(postgres_server) as database_url, aiohttp.ClientSession() as http:
        settings = settings_for(database_url, shared_broker.url, tmp_path_factory.mktemp("telecare"))
        installation = Installation(settings, shared_broker, receiver, http)
        request.session.stash[_running] = installation
        try:
            await installation.start()
            yield installation
            await installation.stop()
        finally:
            installation.kill()
            await receiver.stop()
    installation.assert_every_notification_kept_its_word()
    installation.assert_discreet()
    installation.assert_untroubled()


@pytest.fixture
def api(installation: Installation) -> Api:
    """The HTTP API with the bootstrap token, which is an `ops` token."""
    return installation.api


@pytest.fixture
def receiver(installation: Installation) -> Receiver:
    """Where webhooks go."""
    return installation.receiver


@pytest_asyncio.fixture(loop_scope="package")
async def box(installation: Installation) -> AsyncIterator[MakeBox]:
    """Makes devices for one test."""
    async for make in make_boxes(installation):
        yield make


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def module_box(installation: Installation) -> AsyncIterator[MakeBox]:
    """Makes devices for the tests of one file."""
    async for make in make_boxes(installation):
        yield make


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def mqtt_hub(installation: Installation) -> AsyncIterator[MqttHub]:
    """A hub for Moray that is told by MQTT."""
    await installation.make_hub(MQTT_HUB, MQTT_COUNCIL, channels=[{"kind": "mqtt", "verified": True}])
    hub = MqttHub(installation.broker, MQTT_HUB)
    await hub.connect()
    yield hub
    hub.close()
