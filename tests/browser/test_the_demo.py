"""`telecare up --embedded --demo`, as somebody meets it who has never seen the service."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.operators import Screen
from tests.support.servers import until

_UP = [sys.executable, "-m", "services.cli", "up", "--embedded", "--demo", "--boxes", "6"]


@pytest_asyncio.fixture(loop_scope="session")
async def demo() -> AsyncIterator[str]:
    """Its address."""
    with tempfile.TemporaryDirectory(prefix="telecare-test-", ignore_cleanup_errors=True) as directory:
        home = Path(directory)
        os.chmod(home, 0o711)  # noqa: PTH101 - entered by the account that the database of a root user runs as
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TELECARE_")}
        output = home / "output"
        with output.open("wb") as file:
            process = subprocess.Popen(  # noqa: ASYNC220 - it starts in no time
                _UP,
                env=inherited | {"TELECARE_DATA_DIR": directory},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        try:
            found = await until(
                lambda: re.search(r"(http://127\.0\.0\.1:\d+)\D", output.read_text()), 180, what="the demo to be up"
            )
            yield found[1]
            process.send_signal(signal.SIGINT)
            assert await asyncio.to_thread(process.wait, 120) == 0, output.read_text()
        finally:
            process.kill()
            process.wait()


async def test_from_the_front_page_to_an_alarm_of_ones_own_that_is_closed(demo: str, browser: Browser) -> None:
    screen = await Screen.open(browser, demo, "Visitor", "")
    page = screen.page
    await page.goto(demo)
    await page.get_by_role("link", name="Hub console").click()
    await page.get_by_role("button", name="Sign in as a visitor").click()
    await screen.is_live()
    await page.get_by_role("button", name="Press a pendant").click()
    told = page.locator(".notice.well")
    await expect(told).to_contain_text("was pressed. It is yours")
    device = (await told.inner_text()).split()[0]
    await screen.card(device).get_by_role("button", name="Acknowledge").first.click()
    await expect(screen.alarm).to_contain_text("You have it")
    await page.get_by_text("Pressed by accident").click()
    await screen.alarm.get_by_role("button", name="Close the alarm").click()
    await expect(screen.alarm.locator(".done")).to_contain_text("by Visitor: Pressed by accident")
    assert await screen.accessibility_faults() == []
    assert screen.errors == []
    await screen.close()
