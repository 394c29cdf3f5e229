"""A running alerts service, and callers at its console who are no browser: what a browser would keep them from doing, they do."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.blackbox.hub import Receiver
from tests.integration.alerts.running import Installation, add_hub, run_alerts
from tests.support.servers import Broker, Database

PAGE = {"Accept": "text/html"}
SCRIPT = {"X-Telecare-Script": "1", "Accept": "application/json"}


DOOR = ("/sign-in", "/sign-out", "/session")
"""Of all pages, and so not below the console's address."""


def address(path: str) -> str:
    """Of a page of the console, or of the door."""
    return path if path.startswith(DOOR) else f"/console{path}"


class Caller:
    """Keeps cookies, sends the Origin that it is told to."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http = http
        self.url = url
        self.origin: str | None = url

    async def get(self, path: str, headers: dict[str, str] | None = None) -> aiohttp.ClientResponse:
        response = await self.http.get(f"{self.url}{address(path)}", headers=headers or PAGE, allow_redirects=False)
        await response.read()
        return response

    async def post(self, path: str, headers: dict[str, str] | None = None, /, **form: Any) -> aiohttp.ClientResponse:
        sent = {**(headers or SCRIPT), **({"Origin": self.origin} if self.origin else {})}
        response = await self.http.post(f"{self.url}{address(path)}", data=form, headers=sent, allow_redirects=False)
        await response.read()
        return response

    async def sign_in(self, token: str, operator: str = "Morag") -> aiohttp.ClientResponse:
        return await self.post("/sign-in", token=token, operator=operator)


MakeCaller = Callable[[], Caller]


@pytest.fixture
async def alerts(database: Database, broker: Broker, receiver: Receiver, tmp_path: Path) -> AsyncIterator[Installation]:
    async with run_alerts(database, broker, tmp_path) as installation:
        await add_hub(installation.database, "clyde-arc", "glasgow-city", webhook=receiver.channel("clyde-arc"))
        await add_hub(installation.database, "forth-arc", "fife", webhook=receiver.channel("forth-arc"))
        yield installation


@pytest.fixture
async def caller(alerts: Installation) -> AsyncIterator[MakeCaller]:
    """Somebody new at each call, with cookies of their own."""
    async with AsyncExitStack() as stack:
        sessions: list[aiohttp.ClientSession] = []

        def make() -> Caller:
            session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
            sessions.append(session)
            stack.push_async_callback(session.close)
            return Caller(session, alerts.process.url)

        yield make


Enter = Callable[..., Awaitable[Caller]]


@pytest.fixture
async def enter(alerts: Installation, caller: MakeCaller) -> Enter:
    """`await enter("hub", "clyde-arc")`: signed in with a token of that role."""

    async def come_in(role: str, hub_id: str | None = None, *, operator: str = "Morag", **token: Any) -> Caller:
        given = (await alerts.token(role, hub_id, **token)).token
        new = caller()
        assert (await new.sign_in(str(given), operator)).status == 200
        return new

    return come_in
