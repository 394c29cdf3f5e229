"""A browser for the whole run; for each test an alerts service, a database and operators of its own."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.blackbox.hub import Receiver
from tests.browser.operators import FLAGS, TIMEOUT_MS, Screen
from tests.integration.alerts.running import Installation, add_hub, run_alerts
from tests.support import servers
from tests.support.servers import Broker, Database, DatabaseServer, TcpProxy

HERE = Path(__file__).parent

expect.set_options(timeout=TIMEOUT_MS)  # its own five seconds are too few for a page on a busy machine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here share one event loop with the browser."""
    for item in items:
        if item.path.is_relative_to(HERE) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Debian's Chromium. Where everything must be tested its absence is a failure, else a reason to skip."""
    path = shutil.which("chromium")
    if path is None:
        reason = "no chromium: apt-get install chromium"
        if os.environ.get("CI") or servers.real_stack():
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def fresh_database(postgres_server: DatabaseServer) -> AsyncIterator[Database]:
    database = await postgres_server.create_database()
    yield database
    await postgres_server.drop(database)


@asynccontextmanager
async def clyde(database: Database, broker: Broker, data_dir: Path) -> AsyncIterator[Installation]:
    """Alerts, running. Glasgow's alarms go to the Clyde hub, which keeps its own records."""
    receiver = Receiver()
    await receiver.start()
    try:
        async with run_alerts(database, broker, data_dir) as installation:
            await add_hub(installation.database, "clyde-arc", "glasgow-city", webhook=receiver.channel("clyde-arc"))
            await installation.database.execute(
                "update registry.hub set name = 'Clyde ARC', "
                "record_url_template = 'https://records.example/homes/{installation_ref}'"
            )
            yield installation
    finally:
        await receiver.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def alerts(fresh_database: Database, broker: Broker, tmp_path: Path) -> AsyncIterator[Installation]:
    async with clyde(fresh_database, broker, tmp_path) as installation:
        yield installation


Operator = Callable[..., Awaitable[Screen]]


@pytest_asyncio.fixture(loop_scope="session")
async def operator(alerts: Installation, browser: Browser) -> AsyncIterator[Operator]:
    """`await operator("Morag")`: signed in with the hub's token, the queue before her. No page's script may throw."""
    screens: list[Screen] = []
    token = (await alerts.token("hub", "clyde-arc")).token
    async with AsyncExitStack() as stack:

        async def sit_down(
            name: str, *, url: str | None = None, signed_in: bool = True, as_role: str | None = None, **context: object
        ) -> Screen:
            given = token if as_role is None else (await alerts.token(as_role)).token
            screen = await Screen.open(browser, url or alerts.process.url, name, str(given), **context)
            stack.push_async_callback(screen.close)
            screens.append(screen)
            if signed_in:
                await screen.sign_in()
            return screen

        yield sit_down
    assert [error for screen in screens for error in screen.errors] == []


@pytest_asyncio.fixture(loop_scope="session")
async def network(alerts: Installation) -> AsyncIterator[TcpProxy]:
    """The network between an operator and the service: `url=network.url`, then `network.cut()`."""
    proxy = TcpProxy(alerts.process.url)
    await proxy.start()
    yield proxy
    await proxy.stop()
