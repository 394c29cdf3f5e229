"""An outage as an operator works through it: on a phone, on a screen, and without scripts."""

from __future__ import annotations

import uuid

import pytest
from playwright.async_api import expect

from contracts.alarm_event import OF_NO_HOME
from tests.browser.conftest import Operator
from tests.integration.alerts.running import Installation

WAYS = {
    "on a phone by night": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
    "on a screen by day": {"viewport": {"width": 1200, "height": 900}, "color_scheme": "light"},
    "on the smallest phone": {"viewport": {"width": 320, "height": 700}, "color_scheme": "light"},
}


async def an_outage(alerts: Installation, homes: int = 12) -> str:
    """Glasgow homes of one operator, the first of which has been asked after; and one that is over."""
    id_ = uuid.uuid4()
    for outage, value, over in ((id_, "23410", False), (uuid.uuid4(), "23430", True)):
        await alerts.database.execute(
            "insert into alerts.outage (outage_id, condition, attribute, value, opened_at, began_at, closed_at, members, "
            "members_now, peak, councils, log_p, log_ratio) values ($1, 'silent', 'sim_operator', $2, now() - interval '1 hour', "
            "now() - interval '70 minutes', case when $3 then now() end, $4, case when $3 then 0 else $4 end, $4, "
            "array['glasgow-city'], -900, 120)",
            *(outage, value, over, homes),
        )
    for n in range(homes):
        await alerts.database.execute(
            "insert into registry.device (device_id, council_id, serial, model, postcode_district, installation_ref, "
            "registered_at, changed_at) values ($1, 'glasgow-city', $1, 'hearth', 'G12', $2, now(), now())",
            *(f"TC-{n:03d}", f"GLA-{4700 + n}"),
        )
        await alerts.database.execute(
            "insert into alerts.outage_member (outage_id, device_id, council_id, postcode_district, since, joined_at, left_at, "
            "contacted_by, contacted_at, note) values ($1, $2, 'glasgow-city', 'G12', now() - interval '70 minutes', "
            "now() - interval '1 hour', case when $3 = 1 then now() end, case when $3 = 0 then 'Isla' end, "
            "case when $3 = 0 then now() end, case when $3 = 0 then 'Well, and has a mobile.' end)",
            *(id_, f"TC-{n:03d}", n),
        )
    return str(id_)


@pytest.mark.parametrize("way", WAYS)
async def test_everybody_can_read_an_outage_and_tick_off_who_was_asked_after(
    alerts: Installation, operator: Operator, way: str
) -> None:
    id_ = await an_outage(alerts)
    morag = await operator("Morag", **WAYS[way])
    await morag.page.goto(f"{morag.url}/console/outages")
    await expect(morag.page.get_by_role("heading", level=1)).to_have_text("Outages")
    for where in ("the list", "one outage", "all of its homes"):
        assert await morag.accessibility_faults() == [], where
        assert await morag.small_targets() == [], where
        assert await morag.overflow_px() <= 0, where
        if where == "the list":
            await morag.page.get_by_role("link", name="Mobile operator 23410").click()
            await expect(morag.page.get_by_role("heading", level=1)).to_have_text("Mobile operator 23410")
        else:
            await morag.page.get_by_role("link", name="All", exact=True).click()
    await morag.page.goto(f"{morag.url}/console/outages/{id_}")
    home = morag.page.locator("#m-TC-004")
    await home.get_by_label("Note on TC-004").fill("Her son is there.")
    await home.get_by_role("button", name="Asked after").click()
    await expect(morag.page.locator("#m-TC-004")).to_have_count(0)
    await expect(morag.page.get_by_text("2 of 12")).to_be_visible()
    await morag.page.get_by_role("link", name="All", exact=True).click()
    await expect(morag.page.locator("#m-TC-004")).to_contain_text("Asked after by Morag")
    assert morag.errors == []


async def test_what_a_colleague_ticks_off_is_seen_without_loading_the_page_again(
    alerts: Installation, operator: Operator
) -> None:
    id_ = await an_outage(alerts)
    morag = await operator("Morag")
    await morag.page.goto(f"{morag.url}/console/outages/{id_}")
    await expect(morag.page.locator("#line")).to_have_text("This page renews itself.")
    await morag.page.locator("#m-TC-007").get_by_label("Note on TC-007").fill("I am just")
    said = await alerts.api.post(f"/api/v1/outages/{id_}/members/TC-005/contacted", {"operator": "Isla"})
    assert said.status == 200
    said = await alerts.api.post(f"/api/v1/outages/{id_}/members/TC-006/contacted", {"operator": "Isla"})
    # Whoever is writing is not written over; and has the news when that is done.
    await expect(morag.page.locator("#m-TC-007").get_by_label("Note on TC-007")).to_have_value("I am just")
    await morag.page.locator("#m-TC-007").get_by_label("Note on TC-007").fill("")
    await expect(morag.page.locator("#m-TC-006")).to_have_count(0)
    await expect(morag.page.locator("#m-TC-007")).to_be_visible()


async def test_an_outage_is_worked_through_without_scripts_and_downloaded(
    alerts: Installation, operator: Operator
) -> None:
    id_ = await an_outage(alerts)
    signed_in = await operator("Morag")
    state = await signed_in.context.storage_state()
    plain = await operator("Morag", signed_in=False, java_script_enabled=False, storage_state=state)
    await plain.page.goto(f"{plain.url}/console/outages/{id_}")
    await plain.page.locator("#m-TC-003").get_by_role("button", name="Asked after").click()
    await expect(plain.page.locator("#m-TC-003")).to_have_count(0)
    async with plain.page.expect_download() as begun:
        await plain.page.get_by_role("link", name="Download as CSV").click()
    assert (await begun.value).suggested_filename.startswith("telecare-outage-")


async def test_a_viewer_reads_and_has_nothing_to_press(alerts: Installation, operator: Operator) -> None:
    id_ = await an_outage(alerts)
    ailsa = await operator("Ailsa", as_role="viewer")
    await ailsa.page.goto(f"{ailsa.url}/console/outages/{id_}")
    await expect(ailsa.page.get_by_text("Not asked after yet").first).to_be_visible()
    assert await ailsa.page.get_by_role("button", name="Asked after").count() == 0


async def test_the_alarm_for_those_who_are_left_leads_to_their_list(alerts: Installation, operator: Operator) -> None:
    id_ = await an_outage(alerts)
    device = await alerts.press("device_silent", device_id=f"outage-{id_}", topic="", marks=(OF_NO_HOME,))
    alarm = await alerts.alarm(device)
    morag = await operator("Morag", **WAYS["on the smallest phone"])
    await morag.page.goto(f"{morag.url}/console/alarms/{alarm['alarm_id']}")
    assert await morag.accessibility_faults() == []
    assert await morag.small_targets() == []
    await morag.page.get_by_role("link", name="Its list").click()
    await expect(morag.page.get_by_role("heading", level=1)).to_have_text("Mobile operator 23410")

    # Its name is longer than any box's, and is wrapped in the queue too: it ran into the time that is left.
    await morag.page.set_viewport_size({"width": 1200, "height": 740})
    await morag.page.goto(f"{morag.url}/console/alarms/{alarm['alarm_id']}")
    card = morag.card(device)
    name, room = await card.locator(".id").bounding_box(), await card.locator("a.open").bounding_box()
    assert name is not None
    assert room is not None
    assert name["x"] + name["width"] <= room["x"] + room["width"]
