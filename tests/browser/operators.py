"""An operator at a screen."""

from __future__ import annotations

from typing import Any, Final, Self

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--autoplay-policy=document-user-activation-required",
)
TIMEOUT_MS: Final = 30_000  # a guard against hanging, no promise

_SMALL = """() => [...document.querySelectorAll("button, a, input:not([type=hidden]), textarea, select, summary")]
    .filter((each) => each.checkVisibility() && !each.closest(".hidden, .skip"))
    .map((each) => [each, (each.closest("label") ?? each).getBoundingClientRect()])
    .filter(([, box]) => box.width > 0 && (box.height < 43.5 || box.width < 43.5))
    .map(([each, box]) => `${each.outerHTML.slice(0, 80)} is ${box.width} × ${box.height}`)"""


class Screen:
    """One browser window with a profile of its own. `errors`: what scripts threw, with where, and what the policy blocked."""

    def __init__(self, context: BrowserContext, page: Page, url: str, name: str, token: str) -> None:
        self.context = context
        self.page = page
        self.url = url
        self.name = name
        self.token = token
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(f"{error} on {page.url}: {error.stack}"))
        page.on("console", lambda said: self.errors.append(said.text) if "Content Security" in said.text else None)

    @classmethod
    async def open(cls, browser: Browser, url: str, name: str, token: str, **context: Any) -> Self:
        made = await browser.new_context(**{"viewport": {"width": 1200, "height": 850}, **context})
        made.set_default_timeout(TIMEOUT_MS)
        return cls(made, await made.new_page(), url, name, token)

    async def close(self) -> None:
        await self.context.close()

    async def sign_in(self) -> None:
        await self.page.goto(f"{self.url}/console/")
        await self.page.get_by_label("Your name").fill(self.name)
        await self.page.get_by_label("Access token").fill(self.token)
        await self.page.get_by_role("button", name="Sign in", exact=True).click()
        await self.is_live()
        await expect(self.page).to_have_url(f"{self.url}/console/")

    async def is_live(self) -> None:
        """The stream stands."""
        await expect(self.page.locator("#line")).to_have_text("Live", timeout=TIMEOUT_MS)

    async def start_shift(self) -> None:
        await self.page.locator("#shift").click()
        await self.sounds("quiet", "alarm")

    async def sounds(self, *states: str) -> None:
        """Wait until the sound is in one of these states."""
        await self.page.wait_for_function(
            "(states) => states.includes(document.documentElement.dataset.sound)", arg=list(states)
        )

    async def queue_is_settled(self) -> None:
        """A queue whose first alarm has only just become that takes no key."""
        await expect(self.page.locator("html")).to_have_attribute("data-queue", "settled")

    def card(self, device_id: str) -> Locator:
        """The device's alarm in the queue."""
        return self.page.locator("#queue .card", has_text=device_id)

    @property
    def alarm(self) -> Locator:
        """The alarm that is open."""
        return self.page.locator("#alarm .alarm")

    async def open_alarm(self, device_id: str) -> None:
        await self.card(device_id).locator("a.open").click()
        await expect(self.alarm.locator(".where").first).to_contain_text(device_id)

    async def accessibility_faults(self) -> list[str]:
        """What axe-core finds, by all its rules."""
        await self.page.wait_for_load_state()  # where a click led to has its text before it has its styles
        found = await Axe().run(self.page)
        return [
            f"{each['id']}: {node['html'][:200]} {node.get('failureSummary', '')}"
            for each in found.response["violations"]
            for node in each["nodes"]
        ]

    async def small_targets(self) -> list[str]:
        """What can be pressed and is less than 44 px high or wide."""
        found: list[str] = await self.page.evaluate(_SMALL)
        return found

    async def overflow_px(self) -> int:
        """By how much the page is wider than the screen."""
        await self.page.wait_for_load_state()
        wider: int = await self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return wider
