"""The console says in one line when nobody hears the devices, and when an outage is open; and does so as long as it lasts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from playwright.async_api import expect

from services.chassis.loop import Loop
from tests.browser.conftest import Operator
from tests.integration.alerts.running import Installation
from tests.support.servers import Database

WAYS = {
    "by day on a screen": {"viewport": {"width": 1200, "height": 850}, "color_scheme": "light"},
    "by night on a screen": {"viewport": {"width": 1200, "height": 850}, "color_scheme": "dark"},
    "by day on a phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
    "by night on a phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}


async def outage(
    alerts: Installation, value: str = "23410", *, council: str = "glasgow-city", homes: int = 512
) -> None:
    """As the detector stores it and tells it."""
    await alerts.database.execute(
        "insert into alerts.outage (outage_id, condition, attribute, value, opened_at, began_at, members, members_now, peak, "
        "councils, log_p, log_ratio, told_at, told_members, told_attribute, told_value) values ($1, 'silent', 'sim_operator', "
        "$2, now(), now(), $3, $3, $3, array[$4], -900, 120, now(), $3, 'sim_operator', $2)",
        *(uuid4(), value, homes, council),
    )
    await alerts.database.execute("select pg_notify('outage', '')")


async def close_outages(alerts: Installation) -> None:
    await alerts.database.execute("update alerts.outage set closed_at = now(), members_now = 0")
    await alerts.database.execute("select pg_notify('outage', '')")


async def deaf(alerts: Installation) -> None:
    """A shard of heartbeats heard something half a minute ago, and nothing since."""
    await alerts.database.execute(
        "update chassis.shard set heard_until = clock_timestamp() - interval '30 seconds' where shard = 'heartbeats-0'"
    )


@asynccontextmanager
async def hears(database: Database) -> AsyncIterator[None]:
    """It does, and says so twice a second; by a connection of its own, beside what the test asks meanwhile."""
    connection = await asyncpg.connect(database.url)

    async def renew() -> int:
        await connection.execute(
            "update chassis.shard set heard_until = clock_timestamp() where shard = 'heartbeats-0'"
        )
        return 0

    await renew()
    task = asyncio.create_task(Loop("ear", renew, every_s=0.5).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await connection.close()


@pytest.mark.parametrize("way", WAYS)
async def test_everybody_can_read_what_is_wrong_and_follow_it(
    alerts: Installation, operator: Operator, way: str
) -> None:
    await outage(alerts)
    await outage(alerts, "23415", homes=20)
    await deaf(alerts)
    morag = await operator("Morag", **WAYS[way])
    line = morag.page.get_by_role("status").filter(has_text="Devices have not been heard since")
    await expect(line).to_contain_text("2 outages, the widest of Mobile operator 23410, 512 homes silent.")
    assert await morag.accessibility_faults() == []
    assert await morag.small_targets() == []
    assert await morag.overflow_px() <= 0
    if folder := os.environ.get("TELECARE_SCREENSHOTS"):  # to be looked at by people
        await morag.page.screenshot(path=Path(folder) / f"trouble {way}.png")
    async with morag.context.expect_page() as opened:
        await line.get_by_role("link", name="See outages").click()
    await expect((await opened.value).get_by_role("heading", level=1)).to_have_text("Outages")


async def test_it_comes_and_goes_without_loading_the_page_again(
    alerts: Installation, fresh_database: Database, operator: Operator
) -> None:
    async with hears(fresh_database):
        morag = await operator("Morag")
        line = morag.page.locator("#trouble")
        await expect(line).to_have_text("")
        await morag.page.evaluate("window.same = true")
        await outage(alerts)
        await expect(line).to_contain_text("Outage: Mobile operator 23410, 512 homes silent.")
    await deaf(alerts)
    await expect(line).to_contain_text("Devices have not been heard since")
    await close_outages(alerts)
    await expect(line).not_to_contain_text("Outage:")
    async with hears(fresh_database):
        await expect(line).to_have_text("")
    assert await morag.page.evaluate("window.same")


async def test_an_outage_of_other_councils_is_not_the_hubs(
    alerts: Installation, fresh_database: Database, operator: Operator
) -> None:
    async with hears(fresh_database):
        await outage(alerts, council="shetland")
        morag = await operator("Morag")
        await expect(morag.page.locator("#trouble")).to_have_text("")
        ailsa = await operator("Ailsa", as_role="viewer")
        await expect(ailsa.page.locator("#trouble")).to_contain_text("Mobile operator 23410")


async def test_it_is_there_without_scripts(alerts: Installation, operator: Operator) -> None:
    await outage(alerts)
    signed_in = await operator("Morag")
    state = await signed_in.context.storage_state()
    plain = await operator("Morag", signed_in=False, java_script_enabled=False, storage_state=state)
    await plain.page.goto(f"{plain.url}/console/")
    await expect(plain.page.locator("#trouble")).to_contain_text("Outage: Mobile operator 23410")
    assert await plain.page.locator("#trouble a").get_attribute("href") == "/console/outages"
