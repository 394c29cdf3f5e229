"""In with the account of one's own organisation, in a real browser, by way of a real provider, and out again."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.operators import Screen
from tests.integration.alerts.running import Installation, add_hub, run_alerts
from tests.support.identity import PASSWORD, IdentityProvider
from tests.support.servers import Broker, Database


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def canaille() -> AsyncIterator[IdentityProvider]:
    provider = IdentityProvider()
    await provider.start()
    yield provider
    provider.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def service(
    fresh_database: Database, broker: Broker, tmp_path: Path, canaille: IdentityProvider
) -> AsyncIterator[Installation]:
    async with run_alerts(fresh_database, broker, tmp_path, **canaille.settings) as installation:
        await add_hub(installation.database, "clyde-arc", "glasgow-city")
        await canaille.knows(installation.process.url)
        await canaille.person("morag", "Morag Campbell", "telecare-clyde")
        yield installation


async def _at_the_provider(page: Page, user: str) -> None:
    await page.locator("input[name=login]").fill(user)
    await page.keyboard.press("Enter")
    await page.locator("input[name=password]").fill(PASSWORD)
    await page.keyboard.press("Enter")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
async def test_an_operator_signs_in_at_her_council_and_is_where_she_wanted_to_be(
    service: Installation, browser: Browser, canaille: IdentityProvider, scripts: bool
) -> None:
    device = await service.press()
    alarm = await service.alarm(device)
    screen = await Screen.open(browser, service.process.url, "Morag", "", java_script_enabled=scripts)
    page = screen.page
    await page.goto(f"{service.process.url}/console/alarms/{alarm['alarm_id']}")
    await page.get_by_role("link", name="Sign in with the council").click()
    await _at_the_provider(page, "morag")
    await expect(page.locator("#alarm-title")).to_be_visible()
    await expect(page).to_have_url(re.compile(rf"^{service.process.url}/console/alarms/{alarm['alarm_id']}"))
    await expect(page.locator(".out [data-me]")).to_have_text("Morag Campbell")
    if scripts:
        await screen.is_live()
        assert await page.evaluate("document.cookie") == ""
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    # At the next screen of the same room nobody is Morag by default: the provider asks who it is.
    await page.get_by_role("link", name="Sign in with the council").click()
    await expect(page.locator("input[name=login]")).to_be_visible()
    assert _ours(screen, canaille) == []
    await screen.close()


@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everybody_can_use_the_door(
    service: Installation, browser: Browser, canaille: IdentityProvider, width: int, scheme: str
) -> None:
    await canaille.person("rory", "Rory Bell", "cyclists")
    screen = await Screen.open(
        browser, service.process.url, "Rory", "", viewport={"width": width, "height": 800}, color_scheme=scheme
    )
    page = screen.page
    await page.goto(f"{service.process.url}/console/kpis")
    await _sound(screen, "the door")
    await page.keyboard.press("Enter")  # the first way in has the focus
    await _at_the_provider(page, "rory")
    await expect(page.get_by_role("alert")).to_contain_text("Rory Bell has no role in this service")
    await _sound(screen, "the door, closed")
    assert _ours(screen, canaille) == []
    await screen.close()


def _ours(screen: Screen, provider: IdentityProvider) -> list[str]:
    """What went wrong on our own pages; the provider's have a policy that is not for us, and scripts that throw."""
    return [error for error in screen.errors if "default-src 'self'" not in error and provider.issuer not in error]


async def _sound(screen: Screen, where: str) -> None:
    assert await screen.accessibility_faults() == [], where
    assert await screen.small_targets() == [], where
    assert await screen.overflow_px() <= 0, where


async def test_a_shift_that_goes_on_signs_in_again_in_another_tab_and_comes_back_to_what_it_wrote(
    service: Installation, browser: Browser, canaille: IdentityProvider
) -> None:
    device = await service.press()
    alarm = await service.alarm(device)
    screen = await Screen.open(browser, service.process.url, "Morag", "")
    page = screen.page
    await page.goto(f"{service.process.url}/console/alarms/{alarm['alarm_id']}")
    await page.get_by_role("link", name="Sign in with the council").click()
    await _at_the_provider(page, "morag")
    await screen.is_live()
    await page.get_by_label("Note").fill("half a sentence")
    await page.get_by_text("Equipment fault").click()
    await service.database.execute("update chassis.session set ended_at = now()")
    await page.evaluate("document.getElementById('close').requestSubmit()")  # even if it has been noticed meanwhile
    again = page.locator("#session-dialog").get_by_role("link", name="Sign in with the council")
    async with screen.context.expect_page() as opened:
        await again.click()
    tab = await opened.value
    await tab.locator("input[name=login]").fill("morag")  # who she is, and no password: she is signed in there
    await tab.keyboard.press("Enter")
    await expect(tab.locator("#line")).to_have_text("Live")
    await tab.close()
    await page.bring_to_front()
    await page.evaluate("dispatchEvent(new Event('focus'))")
    await expect(page.locator("#session-dialog")).to_be_hidden()
    await screen.is_live()
    await expect(page.get_by_label("Note")).to_have_value("half a sentence")
    assert _ours(screen, canaille) == []
    await screen.close()
