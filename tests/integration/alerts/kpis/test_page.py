"""`/console/kpis`, behind the console's sign-in."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from tests.integration.alerts.kpis.past import Happened, alarm
from tests.integration.alerts.running import OPS, Installation, add_hub, run_alerts
from tests.support.servers import Broker, Database

PAGE = "/console/kpis"


@pytest.fixture
async def installation(database: Database, broker: Broker, tmp_path: Path) -> AsyncIterator[Installation]:
    """Of November 2025: a call of Glasgow, answered by Clyde, and one of Fife that nobody answered."""
    async with run_alerts(database, broker, tmp_path) as running:
        await add_hub(running.database, "clyde-arc")
        noon = datetime(2025, 11, 10, 12, tzinfo=UTC)
        await alarm(running.database, noon, Happened("raised"), Happened("acknowledged", 20, hub_id="clyde-arc"))
        await alarm(running.database, noon, Happened("raised"), council_id="fife", told=["clyde-arc"])
        yield running


async def signed_in(installation: Installation, token: str) -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(installation.api.url, cookie_jar=aiohttp.CookieJar(unsafe=True))
    async with session.post(
        "/sign-in", data={"token": token, "operator": "morag"}, headers={"Origin": installation.api.url}
    ) as answer:
        assert answer.status == 200, await answer.text()
    return session


async def test_nobody_reads_the_page_without_signing_in(installation: Installation) -> None:
    async with aiohttp.ClientSession(installation.api.url) as stranger:
        answer = await stranger.get(PAGE, headers={"Accept": "text/html"}, allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, "/sign-in?next=/console/kpis")


async def test_whoever_has_signed_in_reads_the_month_and_takes_it_as_a_table(installation: Installation) -> None:
    async with await signed_in(installation, OPS) as morag:
        page = await (await morag.get(f"{PAGE}?month=2025-11")).text()
        assert "November 2025" in page
        assert "Glasgow City" in page
        table = await morag.get(f"{PAGE}?month=2025-11&format=csv")
        assert table.content_type == "text/csv"
        assert table.headers["Cache-Control"] == "no-store"
        assert "council,glasgow-city,1" in await table.text()
        refused = await morag.get(f"{PAGE}?month=2099-01", headers={"Accept": "text/html"})
        assert (refused.status, refused.content_type) == (422, "text/html")
        assert "has not begun yet" in await refused.text()


async def test_a_hub_reads_what_stands_with_it(installation: Installation) -> None:
    await add_hub(installation.database, "forth-arc")
    forth = (await installation.token("hub", hub_id="forth-arc")).token
    assert forth is not None
    async with await signed_in(installation, forth) as operator:
        page = await (await operator.get(f"{PAGE}?month=2025-11")).text()
        assert "Glasgow City" not in page
