"""The page of the rollout, as a manager opens it on a screen, on a phone, in the dark and on paper."""

import os
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.operators import Screen
from tests.integration.registry.rollout.life import MONDAY, count, live
from tests.integration.registry.running import Registry, registry_of
from tests.support.servers import Database

WAYS = {
    "on a phone by night": {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"},
    "on a screen by day": {"viewport": {"width": 1200, "height": 900}, "color_scheme": "light"},
    "on a phone by day": {"viewport": {"width": 360, "height": 740}, "color_scheme": "light"},
    "on a screen by night": {"viewport": {"width": 1200, "height": 900}, "color_scheme": "dark"},
}


@pytest_asyncio.fixture(loop_scope="session")
async def registry(fresh_database: Database, tmp_path: Path) -> AsyncIterator[Registry]:
    """Nine weeks of a rollout: 27 devices of Fife and Moray are live."""
    async with registry_of(fresh_database, tmp_path, with_door=True) as running:
        running.clock.at = MONDAY
        made = 0
        for week in range(9):
            for _ in range((2, 4, 3)[week % 3]):
                made += 1
                await live(running, f"TC-{made}", ("fife", "moray")[made % 2])
            await count(running)
            running.clock.at = MONDAY + timedelta(weeks=week + 1)
        yield running


async def manager(registry: Registry, browser: Browser, **context: object) -> Screen:
    """Ailsa, signed in, the page before her. Scripts are off: none is needed."""
    viewer = await registry.caller("viewer")
    screen = await Screen.open(browser, registry.ops.url, "Ailsa", str(viewer.token), **context)
    await screen.page.goto(f"{screen.url}/rollout/")
    await screen.page.get_by_label("Your name").fill("Ailsa")
    await screen.page.get_by_label("Access token").fill(screen.token)
    await screen.page.get_by_role("button", name="Sign in", exact=True).click()
    await screen.page.wait_for_url(re.compile(r"^[^?]*/rollout/"))  # and not the door, whose address ends with it
    return screen


async def _kept(screen: Screen, name: str) -> None:
    """For whoever wants to look: TELECARE_SCREENSHOTS names a folder."""
    folder = os.environ.get("TELECARE_SCREENSHOTS")
    if folder:
        await screen.page.screenshot(path=f"{folder}/{name.replace(' ', '-')}.png", full_page=True)


@pytest.mark.parametrize("way", WAYS)
async def test_everybody_can_read_how_far_the_rollout_is(registry: Registry, browser: Browser, way: str) -> None:
    told = {
        "telecare_users": 9000,
        "analogue_units": 800,
        "target": 30,
        "target_date": "2026-12-31",
        "source": "the council",
    }
    await registry.ops.put("/api/v1/councils/fife", told)
    await registry.ops.put("/api/v1/rollout/target", {"target": 40, "target_date": "2026-12-15"})
    screen = await manager(registry, browser, **WAYS[way])
    await expect(screen.page.get_by_role("heading", level=1)).to_have_text("Rollout")
    await expect(screen.page.locator(".headline")).to_contain_text("27 of 40 live")
    await expect(screen.page.locator(".headline")).to_contain_text("9 December 2026")
    await expect(screen.page.locator(".headline")).to_contain_text("83 days to the switch-off")
    assert await screen.page.get_by_role("img", name="Live devices by week, and the forecast").count() == 1
    await _kept(screen, way)
    assert await screen.accessibility_faults() == []
    assert await screen.small_targets() == []
    assert await screen.overflow_px() <= 0
    assert screen.errors == []
    await screen.close()


async def test_councils_are_sorted_by_links_without_a_script(registry: Registry, browser: Browser) -> None:
    screen = await manager(registry, browser, java_script_enabled=False)

    async def first() -> str:
        return await screen.page.locator(".councils tbody th").first.inner_text()

    assert await first() == "Aberdeen City"
    await screen.page.get_by_role("link", name="Live", exact=True).click()
    assert await first() == "Moray"
    heading = screen.page.locator("th[aria-sort]")
    await expect(heading).to_have_attribute("aria-sort", "descending")
    await heading.get_by_role("link").click()
    assert await first() == "Aberdeen City"
    await expect(screen.page.locator("th[aria-sort]")).to_have_attribute("aria-sort", "ascending")
    await screen.close()


async def test_on_paper_it_is_whole_and_dark_floods_no_sheet(registry: Registry, browser: Browser) -> None:
    screen = await manager(registry, browser, color_scheme="dark")
    await screen.page.emulate_media(media="print")
    for part in ("body", ".box", ".burn-up.wide"):
        ground = await screen.page.locator(part).first.evaluate("(each) => getComputedStyle(each).backgroundColor")
        assert ground in {"rgba(0, 0, 0, 0)", "rgb(255, 255, 255)"}, part
    paper_px = (210 - 24) / 25.4 * 96
    await screen.page.set_viewport_size({"width": int(paper_px), "height": 1000})
    wide = await screen.page.locator(".councils").evaluate("(each) => each.getBoundingClientRect().width")
    assert wide <= paper_px
    await expect(screen.page.locator(".bar")).to_be_hidden()
    await expect(screen.page.locator(".burn-up.wide")).to_be_visible()
    printed = await screen.page.pdf(format="A4", prefer_css_page_size=True)
    folder = os.environ.get("TELECARE_SCREENSHOTS")
    if folder:
        (Path(folder) / "print.pdf").write_bytes(printed)
        await _kept(screen, "on paper")
    assert printed.startswith(b"%PDF")
    await screen.close()


async def test_councils_and_weeks_are_files_for_a_spreadsheet(registry: Registry, browser: Browser) -> None:
    screen = await manager(registry, browser)
    for link, name in (("Councils as CSV", "rollout"), ("All weeks as CSV", "rollout-history")):
        async with screen.page.expect_download() as begun:
            await screen.page.get_by_role("link", name=link).click()
        assert (await begun.value).suggested_filename == f"telecare-{name}-2026-11-09.csv"
    await screen.close()
