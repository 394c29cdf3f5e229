"""Somebody's flood is answered with 429, and is nobody else's."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.alerts.console.conftest import PAGE, SCRIPT, Caller
from tests.integration.alerts.running import OPS, Installation, add_hub, run_alerts
from tests.support.servers import Broker, Database, until

PER_S = 2.0
BURST = 20
STRANGERS_BURST = 10

Start = Callable[..., Awaitable[Installation]]


@pytest.fixture
async def start(database: Database, broker: Broker, tmp_path: Path) -> AsyncIterator[Start]:
    """A service in which nobody may ask for much."""
    async with AsyncExitStack() as stack:

        async def run(**settings: Any) -> Installation:
            running = run_alerts(database, broker, tmp_path, **{"requests_per_s": PER_S} | settings)
            installation = await stack.enter_async_context(running)
            await add_hub(installation.database, "clyde-arc", "glasgow-city")
            return installation

        yield run


async def raised(service: Installation) -> str:
    """The id of an alarm of just now. Asked of the database: whoever polls the API for it uses up his own measure."""
    device = await service.press()

    async def alarm_id() -> str | None:
        query = "select alarm_id::text from alerts.alarm where device_id = $1"
        found: str | None = await service.database.fetchval(query, device)
        return found

    return await until(alarm_id)


async def statuses(http: aiohttp.ClientSession, url: str, count: int, **headers: str) -> list[int]:
    async def one() -> int:
        async with http.get(url, headers=headers, allow_redirects=False) as answer:
            return answer.status

    return list(await asyncio.gather(*(one() for _ in range(count))))


async def is_refused(http: aiohttp.ClientSession, url: str, **headers: str) -> bool:
    """Whether a flood is, in the end: while the machine stands still, the measure fills up."""
    for _ in range(10):
        if 429 in await statuses(http, url, 3 * BURST, **headers):
            return True
    return False


async def first_refused(http: aiohttp.ClientSession, url: str, **headers: str) -> aiohttp.ClientResponse:
    """The first answer of 429: on a slow machine the measure has filled up a little since the flood."""
    for _ in range(3 * BURST):
        answer = await http.get(url, headers=headers)
        if answer.status == 429:
            return answer
        answer.release()
    raise AssertionError("nobody is ever refused")


async def test_while_a_token_floods_its_own_acknowledgements_and_everybody_else_go_on(start: Start) -> None:
    service = await start()
    alarm_id = await raised(service)
    flooding = (await service.token("hub", "clyde-arc")).token
    url = f"{service.process.url}/api/v1/alarms"
    async with aiohttp.ClientSession() as http:
        began_at = time.monotonic()
        flood = await statuses(http, url, 3 * BURST, Authorization=f"Bearer {flooding}")
        assert 0 < flood.count(200) <= BURST + PER_S * (time.monotonic() - began_at + 1)
        assert set(flood) == {200, 429}
        async with await first_refused(http, url, Authorization=f"Bearer {flooding}") as refused:
            problem = await refused.json()
            assert (refused.status, refused.content_type) == (429, "application/problem+json")
            assert 1 <= int(refused.headers["Retry-After"]) <= 2
            assert problem["detail"].startswith("Too many requests from you.")
        acknowledge = http.post(
            f"{url}/{alarm_id}/acknowledge",
            json={"operator": "Isla"},
            headers={"Authorization": f"Bearer {flooding}"},
        )
        async with acknowledge as answer:
            assert answer.status == 200, await answer.text()
        assert set(await statuses(http, url, 5, Authorization=f"Bearer {OPS}")) == {200}


async def test_while_strangers_flood_an_operator_of_the_same_address_signs_in_and_takes_her_alarm(start: Start) -> None:
    service = await start()
    alarm_id = await raised(service)
    token = (await service.token("hub", "clyde-arc")).token
    url = service.process.url
    async with aiohttp.ClientSession() as http, aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as her:
        for path, headers in (
            ("/", {}),
            ("/", {"Authorization": "Bearer x", "Cookie": "telecare-session=x"}),
            ("/api/v1/alarms", {"Authorization": "Bearer tc_made-up"}),
            ("/console/", {"Cookie": "telecare-session=made-up"}),
        ):
            assert await is_refused(http, f"{url}{path}", **headers), path
        for watching in ("/metrics", "/healthz", "/readyz"):
            assert 429 not in await statuses(http, f"{url}{watching}", 2 * STRANGERS_BURST), watching
        morag = Caller(her, url)
        page = await morag.get("/sign-in", PAGE)
        text = await page.text()
        assert page.status == 200
        style = text.partition('stylesheet" href="')[2].partition('"')[0]
        assert (await her.get(f"{url}{style}")).status == 200
        assert (await morag.sign_in(str(token))).status == 200
        assert (await morag.get("/")).status == 200
        assert (await morag.post(f"/alarms/{alarm_id}/acknowledge")).status == 200


async def test_a_page_that_has_gone_wild_is_slowed_down_and_a_colleagues_with_the_same_token_is_not(
    start: Start,
) -> None:
    service = await start()
    token = str((await service.token("hub", "clyde-arc")).token)
    jars = [aiohttp.CookieJar(unsafe=True) for _ in range(2)]
    async with aiohttp.ClientSession(cookie_jar=jars[0]) as wild, aiohttp.ClientSession(cookie_jar=jars[1]) as calm:
        morag, isla = Caller(wild, service.process.url), Caller(calm, service.process.url)
        await morag.sign_in(token)
        await isla.sign_in(token, "Isla")
        assert await is_refused(wild, f"{service.process.url}/session", **SCRIPT)
        assert (await isla.get("/session", SCRIPT)).status == 200


async def test_whose_address_it_is_is_asked_of_a_trusted_proxy_and_of_nobody_else(start: Start) -> None:
    service = await start()
    url = f"{service.process.url}/docs"
    async with aiohttp.ClientSession() as http:
        flood = [await statuses(http, url, 1, **{"X-Forwarded-For": f"192.0.2.{number}"}) for number in range(60)]
        assert [429] in flood  # whatever a stranger writes there, it is one and the same stranger


async def test_behind_a_trusted_proxy_each_has_their_own_address(start: Start) -> None:
    service = await start(trusted_proxies="127.0.0.0/8")
    url = f"{service.process.url}/docs"
    async with aiohttp.ClientSession() as http:
        flood = [await statuses(http, url, 1, **{"X-Forwarded-For": f"192.0.2.{number}"}) for number in range(15)]
        assert flood == [[200]] * 15
        # What the caller wrote itself stands before what the proxy adds, and is not believed.
        mine = [
            await statuses(http, url, 1, **{"X-Forwarded-For": f"10.0.0.{number}, 198.51.100.1"})
            for number in range(60)
        ]
        assert [429] in mine


async def test_without_a_limit_there_is_none(start: Start) -> None:
    service = await start(requests_per_s=0)
    async with aiohttp.ClientSession() as http:
        assert set(await statuses(http, f"{service.process.url}/docs", 50)) == {200}
