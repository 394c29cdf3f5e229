"""The network goes away and comes back: the page says so, nothing is missed, nothing written is lost."""

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, Route, expect

from tests.browser.conftest import Operator, clyde
from tests.browser.operators import Screen
from tests.integration.alerts.running import OPS, Installation, run_alerts
from tests.support.servers import Broker, Database, DatabaseServer, TcpProxy


async def test_a_page_that_was_cut_off_says_so_and_then_shows_all_that_came_meanwhile(
    alerts: Installation, operator: Operator, network: TcpProxy
) -> None:
    morag = await operator("Morag", url=network.url)
    before = await alerts.press()
    await morag.card(before).wait_for()
    network.cut()
    await expect(morag.page.locator("#line")).to_have_text("No connection")
    banner = morag.page.locator("#line-banner")
    await expect(banner).to_contain_text("new alarms do NOT show here")
    meanwhile = await alerts.press()
    taken = await alerts.alarm(before)
    await alerts.api.post(f"/api/v1/alarms/{taken['alarm_id']}/acknowledge", {"operator": "Isla"})
    await alerts.alarm(meanwhile)
    network.restore()
    await morag.is_live()
    await expect(banner).to_be_hidden()
    await morag.card(meanwhile).wait_for()
    await expect(morag.card(before)).to_contain_text("Isla has it")


async def test_a_network_that_swallows_everything_is_noticed_too(
    alerts: Installation, operator: Operator, network: TcpProxy
) -> None:
    """No error ever comes: connections stay open and nothing passes. The server's ticks are missed."""
    morag = await operator("Morag", url=network.url)
    network.blackhole()
    await expect(morag.page.locator("#line")).to_have_text("No connection", timeout=45_000)
    device = await alerts.press()
    network.restore()
    await morag.card(device).wait_for()
    await morag.is_live()


async def test_a_browser_that_goes_offline_says_so_at_once(alerts: Installation, operator: Operator) -> None:
    morag = await operator("Morag")
    await morag.context.set_offline(True)
    await expect(morag.page.locator("#line")).to_have_text("No connection")
    device = await alerts.press()
    await morag.context.set_offline(False)
    await morag.is_live()
    await morag.card(device).wait_for()


@pytest_asyncio.fixture(loop_scope="session")
async def over_the_database(
    own_postgres: DatabaseServer, broker: Broker, browser: Browser, tmp_path: Path
) -> AsyncIterator[Screen]:
    """Morag at the console of a service whose database is the test's own, to be paused."""
    async with clyde(await own_postgres.create_database(), broker, tmp_path) as alerts:
        morag = await Screen.open(browser, alerts.process.url, "Morag", OPS)
        await morag.sign_in()
        yield morag
        assert morag.errors == []
        await morag.close()


async def test_a_database_that_is_away_is_no_quiet_night(
    own_postgres: DatabaseServer, over_the_database: Screen
) -> None:
    """The service answers, its database does not: the page says that it knows nothing."""
    own_postgres.pause()
    await expect(over_the_database.page.locator("#line")).to_have_text("No connection", timeout=40_000)
    own_postgres.resume()
    await over_the_database.is_live()


async def test_a_page_that_could_not_be_made_comes_by_itself_when_it_can(
    own_postgres: DatabaseServer, over_the_database: Screen
) -> None:
    """The console was opened while the database hung: nobody is to find out an hour later that it never came."""
    morag = over_the_database
    own_postgres.pause()
    await morag.page.goto(f"{morag.url}/console/")
    await expect(morag.page.get_by_role("alert")).to_contain_text("The database cannot be reached or is busy")
    await expect(morag.page.get_by_text("It is tried again by itself")).to_be_visible()
    assert await morag.accessibility_faults() == []
    assert await morag.small_targets() == []
    if folder := os.environ.get("TELECARE_SCREENSHOTS"):  # to be looked at by people
        for width in (360, 1200):
            await morag.page.set_viewport_size({"width": width, "height": 700})
            await morag.page.screenshot(path=Path(folder) / f"not made {width}.png")
    own_postgres.resume()
    await morag.is_live()


async def test_a_page_that_nobody_sees_or_hears_gives_up_its_connection_and_comes_back(
    alerts: Installation, operator: Operator
) -> None:
    """A browser has six to one service: a seventh forgotten window would keep all of them from acting."""
    hide = "(is) => { Object.defineProperty(document, 'hidden', {value: is, configurable: true}); "
    hide += "document.dispatchEvent(new Event('visibilitychange')) }"
    morag, isla = await operator("Morag"), await operator("Isla")
    await isla.start_shift()
    for each in (morag, isla):
        await each.page.evaluate(hide, True)
    await expect(morag.page.locator("#line")).to_have_text("Not live")
    device = await alerts.press()
    await isla.sounds("alarm")  # on shift a hidden page goes on
    await morag.page.evaluate(hide, False)
    await morag.is_live()
    await morag.card(device).wait_for()


async def test_a_service_that_is_restarted_finds_its_operators_as_they_were(
    fresh_database: Database, broker: Broker, browser: Browser, tmp_path: Path
) -> None:
    """An update at night: nobody signs in again, nothing that was written is gone, and what came meanwhile is there."""
    async with clyde(fresh_database, broker, tmp_path) as before:
        network = TcpProxy(before.process.url)
        await network.start()
        morag = await Screen.open(browser, network.url, "Morag", OPS)
        await morag.sign_in()
        device = await before.press()
        await morag.open_alarm(device)
        await morag.page.get_by_label("Note").fill("half a sentence")
    await expect(morag.page.locator("#line")).to_have_text("No connection")
    async with run_alerts(fresh_database, broker, tmp_path) as after:
        network.aim(after.process.url)
        await morag.is_live()
        await expect(morag.page.get_by_label("Note")).to_have_value("half a sentence")
        await morag.card(await after.press()).wait_for()
        await morag.close()
        await network.stop()


async def test_a_new_version_of_the_console_is_offered_and_not_forced(alerts: Installation, operator: Operator) -> None:
    morag = await operator("Morag")

    async def newer(route: Route) -> None:
        answer = await route.fetch()
        body = re.sub(r'data-version="[0-9a-f]+"', 'data-version="newer"', await answer.text())
        await route.fulfill(response=answer, body=body)

    await morag.page.route("**/console/", newer)
    device = await alerts.press()
    await morag.card(device).wait_for()
    await morag.page.get_by_role("button", name="Load the new one").click()
    await morag.is_live()
    await expect(morag.page.locator("#version-banner")).to_be_hidden()


async def test_a_form_that_could_not_be_sent_stays_with_its_text_and_says_so(
    alerts: Installation, operator: Operator, network: TcpProxy
) -> None:
    morag = await operator("Morag", url=network.url)
    device = await alerts.press()
    await morag.open_alarm(device)
    await morag.page.get_by_text("No response to our call").click()
    await morag.page.get_by_label("Note").fill("Rang twice.")
    network.cut()
    close = morag.alarm.get_by_role("button", name="Close the alarm")
    await close.click()
    await expect(morag.alarm.locator("form.close .form-trouble")).to_contain_text("Not sent: no connection.")
    await expect(morag.page.get_by_label("Note")).to_have_value("Rang twice.")
    network.restore()
    await morag.is_live()
    await morag.page.reload()
    await expect(morag.page.get_by_label("Note")).to_have_value("Rang twice.")
    await close.click()
    await expect(morag.alarm.locator(".note")).to_have_text("Rang twice.")
    await alerts.alarm(device, state="closed", outcome="no_response")


async def test_a_click_that_did_not_get_through_can_be_sent_again(
    alerts: Installation, operator: Operator, network: TcpProxy
) -> None:
    morag = await operator("Morag", url=network.url)
    device = await alerts.press()
    await morag.card(device).wait_for()
    network.cut()
    await morag.card(device).get_by_role("button").click()
    notice = morag.page.locator("#notices .notice")
    await expect(notice).to_contain_text(f"{device}: Not sent: no connection.")
    network.restore()
    await morag.is_live()
    await notice.get_by_role("button", name="Try again").click()
    await alerts.alarm(device, state="acknowledged", acknowledged_by="Morag")
    await expect(notice).to_have_count(0)
