"""By keyboard alone, on a phone, by a screen reader, in the dark, wherever the computer believes that it is."""

import re

import pytest
from playwright.async_api import expect

from services.chassis.pages.times import LONDON
from tests.browser.conftest import Operator
from tests.browser.operators import Screen
from tests.integration.alerts.running import Installation

WIDTHS = {"desk": 1200, "phone": 320}


async def _a_busy_night(alerts: Installation) -> str:
    """Something in every list; returns the device with the most of a story."""
    device = await alerts.press(location="a very long description of where in the house it is, as some units send it")
    found = await alerts.alarm(device, state="open")
    await alerts.press("power_supply", device_id=device)
    await alerts.press("fall", test=True)
    await alerts.press("device_silent")
    await alerts.press("a_kind_that_nobody_has_ever_heard_of_and_that_has_no_spaces_in_it")
    taken = await alerts.alarm(await alerts.press("smoke"))
    await alerts.api.post(f"/api/v1/alarms/{taken['alarm_id']}/acknowledge", {"operator": "Isla"})
    closed = await alerts.alarm(await alerts.press("flood"))
    await alerts.api.post(
        f"/api/v1/alarms/{closed['alarm_id']}/close", {"operator": "Isla", "outcome": "attended", "note": "Dry again."}
    )
    await alerts.api.post(
        "/api/v1/silences",
        {"council_id": "glasgow-city", "priorities": [4], "minutes": 60, "reason": "works", "operator": "Isla"},
    )
    return str(found["device_id"])


async def _sound(screen: Screen, where: str) -> None:
    assert await screen.accessibility_faults() == [], where
    assert await screen.small_targets() == [], where
    assert await screen.overflow_px() <= 0, where


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_every_target_is_big_enough_and_nothing_runs_off_the_screen(
    alerts: Installation, operator: Operator, width: str, scheme: str
) -> None:
    device = await _a_busy_night(alerts)
    morag = await operator(
        "Morag",
        viewport={"width": WIDTHS[width], "height": 800},
        color_scheme=scheme,
        reduced_motion="reduce",
        signed_in=False,
    )
    await morag.page.goto(f"{morag.url}/console/")
    await _sound(morag, "the door")
    await morag.sign_in()
    await morag.page.get_by_text("Tests, last 24 hours").click()
    await morag.page.get_by_text("Closed lately").click()
    await _sound(morag, "the queue")
    await morag.page.keyboard.press("?")
    await _sound(morag, "the keys")
    await morag.page.get_by_role("button", name="Close help").click()
    await morag.page.locator("#queue [data-key=waiting] .card", has_text=device).locator("a.open").click()
    await expect(morag.alarm).to_be_visible()
    for fold in ("What the device sent", "Who was told"):
        await morag.alarm.get_by_text(fold).click()
    await _sound(morag, "an alarm")
    await morag.context.set_offline(True)
    await expect(morag.page.locator("#line")).to_have_text("No connection")
    await _sound(morag, "a page that is cut off")
    await morag.context.set_offline(False)
    await morag.page.goto(f"{morag.url}/console/alarms/none")
    await _sound(morag, "an alarm that there isn't")


async def test_a_whole_alarm_is_handled_by_keyboard_alone(alerts: Installation, operator: Operator) -> None:
    morag = await operator("Morag", signed_in=False)
    keys = morag.page.keyboard
    await morag.page.goto(f"{morag.url}/console/")
    await expect(morag.page.locator("#operator")).to_be_focused()  # a person looks first; a key before that is nobody's
    await keys.type("Morag")
    await keys.press("Tab")
    await keys.type(morag.token)
    await keys.press("Enter")
    await morag.is_live()
    await keys.press("s")
    await morag.sounds("quiet")
    device = await alerts.press()
    await morag.card(device).wait_for()
    await keys.press("ArrowDown")
    await expect(morag.card(device).locator("a.open")).to_be_focused()
    await keys.press("a")
    await alerts.alarm(device, state="acknowledged", acknowledged_by="Morag")
    await expect(morag.page.locator("#alarm-title")).to_be_focused()
    await keys.press("c")
    await keys.press("Space")
    await keys.press("Tab")
    await keys.type("all is well")
    await keys.press("Tab")
    await keys.press("Enter")
    await expect(morag.alarm.locator(".note")).to_have_text("all is well")
    await keys.press("Escape")
    await expect(morag.page).to_have_url(f"{morag.url}/console/")
    await alerts.alarm(device, state="closed", outcome="attended")


async def test_a_screen_reader_hears_of_a_life_alarm_once_and_of_nothing_else(
    alerts: Installation, operator: Operator
) -> None:
    morag = await operator("Morag")
    shout = morag.page.locator("#shout")
    fault = await alerts.press("power_supply")
    await morag.card(fault).wait_for()
    await expect(shout).to_have_text("")
    device = await alerts.press(location="bathroom")
    await expect(shout).to_contain_text(
        f"Priority 1: Fall detected, Bathroom · {device} · Glasgow City. One is waiting."
    )
    assert await morag.page.locator("#queue [aria-live], #alarm [aria-live], .clock[role]").count() == 0


async def test_clocks_go_by_the_servers_time_and_times_are_londons(alerts: Installation, operator: Operator) -> None:
    morag = await operator("Morag", signed_in=False, timezone_id="America/New_York", locale="en-US")
    await morag.page.add_init_script("const real = Date.now; Date.now = () => real() + 3 * 3600 * 1000")
    await morag.sign_in()
    device = await alerts.press()
    await expect(morag.card(device).locator(".figure")).to_have_text(re.compile(r"^0:\d\d$"))
    await expect(morag.card(device).locator(".unit")).to_have_text("target 60 s")
    await morag.open_alarm(device)
    raised_at = "select at from alerts.transition where event = 'raised'"
    raised = (await alerts.database.fetchval(raised_at)).astimezone(LONDON)
    await expect(morag.alarm.locator(".history time").last).to_have_text(raised.strftime("%H:%M:%S"))


async def test_whoever_wants_no_motion_gets_none(alerts: Installation, operator: Operator) -> None:
    moving = "() => document.getAnimations().length"
    device = await alerts.press()
    calm, lively = (
        await operator("Morag", reduced_motion="reduce"),
        await operator("Isla", reduced_motion="no-preference"),
    )
    await calm.card(device).wait_for()
    await lively.card(device).wait_for()
    assert await calm.page.evaluate(moving) == 0
    assert await lively.page.evaluate(moving) > 0


async def test_without_scripts_an_alarm_can_still_be_taken_and_closed(alerts: Installation, operator: Operator) -> None:
    morag = await operator("Morag", signed_in=False, java_script_enabled=False)
    device = await alerts.press()
    await alerts.alarm(device, state="open")
    await morag.page.goto(f"{morag.url}/console/")
    await morag.page.get_by_label("Your name").fill("Morag")
    await morag.page.get_by_label("Access token").fill(morag.token)
    await morag.page.get_by_role("button", name="Sign in", exact=True).click()
    await morag.card(device).get_by_role("button", name="Acknowledge").click()
    await expect(morag.alarm).to_contain_text("You have it")
    await morag.page.get_by_text("No response to our call").click()
    await morag.alarm.get_by_role("button", name="Close the alarm").click()
    await expect(morag.alarm.locator(".done")).to_contain_text("by Morag: No response to our call")
    await alerts.alarm(device, state="closed", outcome="no_response")
