"""A service with pages, a real identity provider, and people with browsers of their own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from services.chassis.loop import Loop
from tests.integration.alerts.console.conftest import PAGE, SCRIPT, Caller
from tests.integration.alerts.running import Installation, add_hub, run_alerts
from tests.support.identity import IdentityProvider, sign_in_there
from tests.support.servers import Broker, Database

CALLBACK = "/sign-in/oidc/callback"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def canaille() -> AsyncIterator[IdentityProvider]:
    provider = IdentityProvider()
    await provider.start()
    yield provider
    provider.stop()


@pytest.fixture
async def service(
    database: Database, broker: Broker, tmp_path: Path, canaille: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Installation]:
    # Who is due is asked about when a test says so: the service's own round, every 15 s, would take them, and be done later.
    monkeypatch.setattr("services.chassis.pages.door.EVERY_S", 3600.0)
    async with run_alerts(database, broker, tmp_path, **canaille.settings) as installation:
        await add_hub(installation.database, "clyde-arc", "glasgow-city")
        await canaille.knows(installation.process.url)
        await canaille.person("morag", "Morag Campbell", "telecare-clyde")
        yield installation


class Person(Caller):
    """Somebody at a browser that keeps cookies: ours, and the provider's."""

    async def begin(self, following: str = "", **headers: str) -> aiohttp.ClientResponse:
        """Press the button of the sign-in page."""
        response = await self.http.get(
            f"{self.url}/sign-in/oidc", params={"next": following}, headers=PAGE | headers, allow_redirects=False
        )
        await response.read()
        return response

    async def way_back(self, user: str, following: str = "") -> str:
        """Sign in at the provider; the address at which we are to be told, not asked for yet."""
        began = await self.begin(following)
        assert began.status == 303, await began.text()
        return await sign_in_there(self.http, began.headers["Location"], user, callback=f"{self.url}{CALLBACK}")

    async def come_back(self, url: str) -> aiohttp.ClientResponse:
        response = await self.http.get(url, headers=PAGE | {"Sec-Fetch-Site": "cross-site"}, allow_redirects=False)
        await response.read()
        return response

    async def sign_in_as(self, user: str, following: str = "") -> aiohttp.ClientResponse:
        return await self.come_back(await self.way_back(user, following))

    async def session(self) -> dict[str, Any] | None:
        """Who is signed in, as the service sees it."""
        answer = await self.get("/session", SCRIPT)
        return dict(await answer.json()) if answer.status == 200 else None


MakePerson = Callable[[], Person]


@pytest.fixture
async def person(service: Installation) -> AsyncIterator[MakePerson]:
    async with AsyncExitStack() as stack:

        def make() -> Person:
            session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
            stack.push_async_callback(session.close)
            return Person(session, service.process.url)

        yield make


Recheck = Callable[[], Awaitable[None]]


@pytest.fixture
def recheck(service: Installation) -> Recheck:
    """Ten minutes have passed since the provider was asked about everybody."""
    [loop] = [loop for each in service.process.services for loop in each.loops if loop.name == "session-recheck"]

    async def run(loop: Loop = loop) -> None:
        await service.database.execute(
            "update chassis.session set check_at = now() - interval '1 min' where check_at is not null"
        )
        await loop.run_once()

    return run
