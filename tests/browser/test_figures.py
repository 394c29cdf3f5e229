"""The page of the figures, as a manager opens it from the console."""

from datetime import UTC, datetime

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Operator
from tests.integration.alerts.kpis.past import Happened, alarm
from tests.integration.alerts.running import Installation

WAYS = ({"viewport": {"width": 320, "height": 700}, "color_scheme": "dark"}, {"color_scheme": "light"})


@pytest.mark.parametrize("way", WAYS, ids=("on a phone by night", "on a screen by day"))
async def test_the_figures_are_a_click_away_and_everybody_can_read_them(
    alerts: Installation, operator: Operator, way: dict[str, object]
) -> None:
    noon = datetime(2025, 11, 10, 12, tzinfo=UTC)
    await alarm(alerts.database, noon, Happened("raised"), Happened("acknowledged", 20, hub_id="clyde-arc"))
    await alarm(alerts.database, noon, Happened("raised"), told=["clyde-arc"], council_id="na-h-eileanan-siar")
    screen = await operator("Ailsa", as_role="viewer", **way)
    async with screen.context.expect_page() as opened:
        await screen.page.get_by_role("link", name="Figures").click()
    screen.page = await opened.value
    await expect(screen.page.get_by_role("heading", level=1)).to_contain_text("Answered in time")
    await screen.page.goto(f"{screen.url}/console/kpis?month=2025-11")
    await expect(screen.page.get_by_role("rowheader", name="Na h-Eileanan Siar")).to_be_visible()
    assert await screen.accessibility_faults() == []
    assert await screen.small_targets() == []
    assert await screen.overflow_px() <= 0


async def test_the_figures_are_a_file_for_a_spreadsheet(operator: Operator) -> None:
    screen = await operator("Ailsa", as_role="viewer")
    await screen.page.goto(f"{screen.url}/console/kpis?month=2025-11")
    async with screen.page.expect_download() as begun:
        await screen.page.get_by_role("link", name="Download as CSV").click()
    assert (await begun.value).suggested_filename == "telecare-kpis-2025-11.csv"
