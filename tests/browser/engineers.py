"""An engineer with a phone."""

from __future__ import annotations

import re
from typing import Any, Final, Self

from playwright.async_api import Browser, Locator, expect

from tests.browser.operators import TIMEOUT_MS, Screen

_THERE: Final = re.compile(r"^[^?]*/engineer/")  # and not the door, whose address ends with the page that is wanted
PHONE: Final = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


class Phone(Screen):
    """One phone, with a profile of its own."""

    @classmethod
    async def carried(cls, browser: Browser, url: str, name: str, token: str, **context: Any) -> Self:
        return await cls.open(browser, url, name, token, **{**PHONE, **context})

    async def come_in(self, path: str = "/engineer/") -> None:
        """Ask for a page, and sign in on the way."""
        await self.page.goto(f"{self.url}{path}")
        await self.page.get_by_label("Your name").fill(self.name)
        await self.page.get_by_label("Access token").fill(self.token)
        await self.page.get_by_role("button", name="Sign in", exact=True).click()
        await self.page.wait_for_url(_THERE)

    async def open_box(self, device_id: str) -> None:
        await self.page.goto(f"{self.url}/engineer/d/{device_id}")

    async def press(self, name: str) -> None:
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def stage_is(self, words: str, timeout_ms: float = TIMEOUT_MS) -> None:
        await expect(self.page.locator("#facts .stage")).to_have_text(words, timeout=timeout_ms)

    def check(self, key: str) -> Locator:
        """A line of the checklist."""
        return self.page.locator(f'.proof[data-key="{key}"]')

    async def check_is(self, key: str, state: str, timeout_ms: float = 2 * TIMEOUT_MS) -> None:
        await expect(self.check(key)).to_have_attribute("data-state", state, timeout=timeout_ms)

    @property
    def outbox(self) -> Locator:
        return self.page.locator("#outbox")

    async def faults(self) -> list[str]:
        """What axe-core finds, what is too small to press, what runs off the screen."""
        wider = await self.overflow_px()
        found = [*await self.accessibility_faults(), *await self.small_targets()]
        return [*found, *([f"{wider} px wider than the screen"] if wider > 0 else [])]

    async def all_is_done(self) -> None:
        """Every line of the checklist."""
        button = self.page.get_by_role("button", name="Go live", exact=True)
        await expect(button).to_be_visible(timeout=2 * TIMEOUT_MS)

    async def press_when_all_is_done(self) -> None:
        await self.all_is_done()
        await self.press("Go live")

    async def worker_is_ready(self) -> None:
        """The page will open without a line."""
        await self.page.evaluate("async () => { await navigator.serviceWorker.ready; }")
