"""An engineer in a hallway, with a phone and a box that does its part; or does not."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Request, Route, expect

from tests.blackbox.hub import Misbehaviour
from tests.browser.engineers import Phone
from tests.scenarios.field import MODEL, PENDANT, Field
from tests.support.servers import Broker, Database, TcpProxy, until

BOX: Final = "TC-000901"
SERIAL: Final = "SN-TC-000901"
PENDANT_ITEM: Final = "trigger:personal_trigger:pendant-1"
FIRST_LOAD_BYTES_MAX: Final = 60_000
# Not while something is on its way: the page sends under this lock, and a browser asks once more by itself after a reset.
FIVE_MINUTES_PASS: Final = """() => navigator.locks.request("engineer-outbox", () => {
    const real = Date.now;
    Date.now = () => real() + 300_000;
})"""
# The page is about to be closed for good: what it had on its way has come to nothing by now, and it begins nothing more.
NO_MORE_IS_SENT: Final = """() => new Promise(held => {
    navigator.locks.request("engineer-outbox", () => { held(); return new Promise(() => {}); });
})"""

Engineer = Callable[..., Awaitable[Phone]]


@pytest_asyncio.fixture(loop_scope="session")
async def field(fresh_database: Database, broker: Broker, tmp_path: Path) -> AsyncIterator[Field]:
    async with Field.open(fresh_database, broker, tmp_path) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def engineer(field: Field, browser: Browser) -> AsyncIterator[Engineer]:
    """`await engineer()`: Ewan, of Glasgow, with a phone, not signed in yet. No page's script may throw."""
    phones: list[Phone] = []
    async with AsyncExitStack() as stack:
        _, token = await field.engineer("glasgow-city")

        async def comes(*, url: str | None = None, name: str = "Ewan", **context: Any) -> Phone:
            phone = await Phone.carried(browser, url or field.process.url, name, token, **context)
            stack.push_async_callback(phone.close)
            phones.append(phone)
            return phone

        yield comes
    assert [error for phone in phones for error in phone.errors] == []


@pytest_asyncio.fixture(loop_scope="session")
async def network(field: Field) -> AsyncIterator[TcpProxy]:
    """The one bar of signal in the hallway: `url=network.url`, then `network.cut()`."""
    proxy = TcpProxy(field.process.url)
    await proxy.start()
    yield proxy
    await proxy.stop()


async def test_a_box_is_registered_from_its_label_proved_and_put_live(field: Field, engineer: Engineer) -> None:
    box = await field.box(BOX)
    ewan = await engineer()
    await ewan.come_in(f"/engineer/s/{SERIAL}")
    await expect(ewan.page.get_by_text(f"Nobody has registered {SERIAL} yet.")).to_be_visible()
    await ewan.page.get_by_label("Device id").fill(BOX)
    await ewan.page.get_by_label("Model").fill(MODEL)
    await ewan.press("Register this box")
    await ewan.page.wait_for_url(f"**/engineer/d/{BOX}")
    await ewan.stage_is("On the register")
    await ewan.press("Claim this box")
    await expect(ewan.page.locator("#claim-code")).to_have_text(re.compile(r"^[A-Z2-7-]{20,}$"))
    await ewan.press("I have entered it")
    await ewan.stage_is("Claimed")
    await ewan.press("It is fitted")
    await ewan.stage_is("Fitted")
    await ewan.press("Begin commissioning")
    await ewan.stage_is("Being commissioned")
    await ewan.check_is("first_heartbeat", "passed")
    await expect(ewan.page.get_by_role("button", name="Go live", exact=True)).to_have_count(0)
    await field.try_out(box)
    await ewan.press_when_all_is_done()
    await ewan.stage_is("Live")
    # But what we ourselves add as soon as it is heard again.
    history = await field.database.fetch("select distinct actor from registry.device_change where change <> 'heard'")
    assert [row["actor"] for row in history] == ["Ewan"]
    assert await field.database.fetchval("select overridden_at is null from registry.device")


async def test_a_weak_signal_fails_with_advice_and_passes_when_the_box_is_moved(
    field: Field, engineer: Engineer
) -> None:
    box = await field.box(BOX, signal_dbm=-112)
    await field.commissioning(BOX)
    ewan = await engineer()
    await ewan.come_in(f"/engineer/d/{BOX}")
    await ewan.check_is("signal", "failed")
    await expect(ewan.check("signal")).to_contain_text("Move the box")
    assert await ewan.faults() == []
    box.device.move(signal_dbm=-70)
    await ewan.check_is("signal", "passed")


async def test_a_trigger_whose_alarm_reaches_no_hub_is_not_believed_and_takes_a_reason(
    field: Field, engineer: Engineer
) -> None:
    field.hub.break_down("clyde-arc", Misbehaviour.RESET)
    box = await field.box(BOX)
    await field.commissioning(BOX)
    ewan = await engineer()
    await ewan.come_in(f"/engineer/d/{BOX}")
    await field.try_out(box)
    await expect(ewan.check(PENDANT_ITEM)).to_contain_text("on its way to the hub")
    await ewan.page.get_by_text("Go live though not everything was proved").click()
    assert await ewan.faults() == []
    await ewan.page.get_by_label("Why").fill("The hub's line is down; they ring us tomorrow.")
    await ewan.check_is("steady_heartbeats", "passed")
    await expect(ewan.page.get_by_label("Why")).to_have_value("The hub's line is down; they ring us tomorrow.")
    await ewan.press("Go live on my word")
    await ewan.stage_is("Live")
    await expect(ewan.page.locator("#step")).to_contain_text("Not proved then:")
    row = await field.database.fetchrow("select override_reason, override_missing from registry.device")
    assert row is not None
    assert row["override_reason"].startswith("The hub's line")
    assert "Test: smoke detector" in row["override_missing"]


async def test_news_take_no_button_away_from_under_a_finger(field: Field, engineer: Engineer) -> None:
    box = await field.box(BOX)
    await field.commissioning(BOX)
    ewan = await engineer()
    await ewan.come_in(f"/engineer/d/{BOX}")
    await ewan.check_is("steady_heartbeats", "passed")
    step = ewan.page.locator("#step")
    await ewan.page.get_by_role("button", name="Have it report now").hover()
    await ewan.page.mouse.down()
    before = await step.inner_text()  # from here on it must stay; a heartbeat just before may have changed it
    box.raise_alarm(replace(PENDANT, test=True))
    await ewan.check_is(PENDANT_ITEM, "passed")
    await expect(step).to_have_text(before, use_inner_text=True)
    await ewan.page.mouse.up()
    await expect(ewan.page.get_by_role("status")).to_contain_text("Have it report now: done.")
    await expect(step).not_to_have_text(before, use_inner_text=True)


async def test_what_was_pressed_without_a_line_is_kept_over_a_reload_and_sent_in_order(
    field: Field, engineer: Engineer, network: TcpProxy
) -> None:
    await field.registered(BOX)
    ewan = await engineer(url=network.url)
    await ewan.come_in(f"/engineer/d/{BOX}")
    await ewan.worker_is_ready()
    network.cut()
    await ewan.press("Claim this box")
    await expect(ewan.outbox).to_contain_text("waiting to be sent since")
    await ewan.press("Claim this box")
    await expect(ewan.outbox.locator("li")).to_have_count(1)
    await expect(ewan.page.locator("#line")).to_contain_text("No line. What you see is from")
    assert await ewan.faults() == []
    await ewan.page.reload()
    await expect(ewan.page.get_by_role("heading", name="No line")).to_be_visible()
    await expect(ewan.outbox).to_contain_text(f"Claim this box: {BOX}")
    await ewan.page.get_by_label("Serial").fill("SN-2")
    await ewan.page.get_by_label("Device id").fill("TC-2")
    await ewan.page.get_by_label("Model").fill(MODEL)
    await ewan.page.get_by_label("Council").fill("glasgow-city")
    await ewan.press("Keep it, and send it later")
    await expect(ewan.outbox.locator("li")).to_have_count(2)
    assert await ewan.faults() == []
    network.restore()
    await expect(ewan.page.locator("#claim-code")).to_have_text(re.compile(r"^[A-Z2-7-]{20,}$"))
    await expect(ewan.outbox).to_be_hidden()
    await ewan.press("I have entered it")  # nothing has taken the page, and the code, away before
    await ewan.stage_is("Claimed")
    stages = await field.database.fetch("select device_id, stage from registry.device order by device_id")
    assert [tuple(row) for row in stages] == [("TC-000901", "claimed"), ("TC-2", "registered")]


async def test_a_tab_that_was_closed_without_a_line_forgets_nothing(
    field: Field, engineer: Engineer, network: TcpProxy
) -> None:
    await field.registered(BOX)
    await field.move(BOX, "claim")
    ewan = await engineer(url=network.url)
    await ewan.come_in(f"/engineer/d/{BOX}")
    network.cut()
    await ewan.press("It is fitted")
    await expect(ewan.outbox).to_contain_text("waiting to be sent since")
    await ewan.page.close()
    network.restore()
    ewan.page = await ewan.context.new_page()
    await ewan.page.goto(f"{network.url}/engineer/")
    stage = "select stage from registry.device"

    async def fitted() -> bool:
        return bool(await field.database.fetchval(stage) == "installed")

    await until(fitted, 60, what="the box to be fitted")


async def test_a_go_live_that_could_not_be_sent_is_not_sent_later_behind_anybodys_back(
    field: Field, engineer: Engineer, network: TcpProxy
) -> None:
    box = await field.box(BOX)
    await field.commissioning(BOX)
    ewan = await engineer(url=network.url)
    await ewan.come_in(f"/engineer/d/{BOX}")
    await field.try_out(box)
    await ewan.all_is_done()
    network.cut()
    await ewan.press("Go live")
    await expect(ewan.outbox).to_contain_text("waiting to be sent since")
    await ewan.page.evaluate(FIVE_MINUTES_PASS)
    network.restore()
    await expect(ewan.outbox).to_contain_text("Is it still right?")
    assert await field.database.fetchval("select stage from registry.device") == "commissioning"
    assert await ewan.faults() == []
    await ewan.press("Send it now")
    await ewan.stage_is("Live")


async def test_what_the_service_refuses_is_shown_kept_and_can_be_corrected(field: Field, engineer: Engineer) -> None:
    await field.registered(BOX)
    ewan = await engineer()
    await ewan.come_in("/engineer/new?device_id=TC-7&council=glasgow-city")
    await expect(ewan.page.get_by_label("Council")).to_have_value("glasgow-city")
    await ewan.page.get_by_label("Serial").fill(SERIAL)
    await ewan.page.get_by_label("Model").fill(MODEL)
    await ewan.press("Register this box")
    await expect(ewan.outbox).to_contain_text("another device has this serial")
    assert await ewan.faults() == []
    await ewan.press("Correct it")
    await expect(ewan.page.get_by_label("Serial")).to_have_value(SERIAL)
    await ewan.page.get_by_label("Serial").fill("SN-7")
    await ewan.press("Register this box")
    await ewan.page.wait_for_url("**/engineer/d/TC-7")


async def test_a_box_that_was_heard_is_one_tap_from_its_registration(field: Field, engineer: Engineer) -> None:
    await field.box(BOX)
    await field.box("TC-000902", "fife")
    ewan = await engineer()
    await ewan.come_in()
    heard = ewan.page.locator("#heard")
    await expect(heard).to_contain_text(BOX)
    await expect(heard).not_to_contain_text("TC-000902")
    assert await ewan.faults() == []
    await heard.get_by_role("link").click()
    await expect(ewan.page.get_by_label("Device id")).to_have_value(BOX)
    await expect(ewan.page.get_by_label("Council")).to_have_value("glasgow-city")


async def test_without_a_stream_the_list_is_read_again_every_few_seconds(field: Field, engineer: Engineer) -> None:
    ewan = await engineer()

    async def no_stream(route: Route) -> None:
        await route.abort()

    await ewan.page.route("**/stream", no_stream)
    await field.box(BOX)
    await field.commissioning(BOX)
    await ewan.come_in(f"/engineer/d/{BOX}")
    await ewan.check_is("steady_heartbeats", "passed")
    await expect(ewan.page.locator("#line")).to_be_hidden()


async def test_a_sign_in_that_ended_loses_nothing(field: Field, engineer: Engineer) -> None:
    await field.registered(BOX)
    ewan = await engineer()
    await ewan.come_in(f"/engineer/d/{BOX}")
    await ewan.context.clear_cookies()
    await ewan.press("Claim this box")
    await expect(ewan.page.locator("#line")).to_contain_text("Your sign-in has ended.")
    await expect(ewan.outbox).to_contain_text("waiting to be sent since")
    await ewan.page.get_by_role("link", name="Sign in again").click()
    await ewan.page.get_by_label("Your name").fill("Ewan")
    await ewan.page.get_by_label("Access token").fill(ewan.token)
    await ewan.press("Sign in")
    await ewan.stage_is("Claimed")
    await expect(ewan.page.locator("#claim-code")).not_to_have_text("")


async def test_another_engineer_on_the_same_phone_does_not_send_what_is_not_theirs(
    field: Field, engineer: Engineer, network: TcpProxy
) -> None:
    await field.registered(BOX)
    ewan = await engineer(url=network.url)
    await ewan.come_in(f"/engineer/d/{BOX}")
    network.cut()
    await ewan.press("Claim this box")
    await expect(ewan.outbox).to_contain_text("waiting to be sent since")
    await ewan.page.evaluate(NO_MORE_IS_SENT)
    await ewan.page.close()
    network.restore()
    await ewan.context.clear_cookies()
    ewan.page, ewan.name = await ewan.context.new_page(), "Mairi"
    await ewan.come_in(f"/engineer/d/{BOX}")
    await expect(ewan.outbox).to_contain_text("1 of somebody else who used this phone")
    await ewan.stage_is("On the register")


async def test_the_first_load_is_small(field: Field, engineer: Engineer, network: TcpProxy) -> None:
    """All bytes that come over the wire, uncompressed, heads and the beginning of the stream too.

    Page, styles, scripts, icon, the service worker and what it keeps for when there is no line; and the page once more, as the
    stream asks for it when it begins. What is read for news that come while all this loads is no part of it, nor are its heads.
    """
    await field.box(BOX)
    await field.commissioning(BOX)
    at_the_desk = await engineer()
    await at_the_desk.come_in(f"/engineer/s/{SERIAL}")
    ewan = await engineer(url=network.url)
    await ewan.context.add_cookies(await at_the_desk.context.cookies())  # type: ignore[arg-type]
    asked: set[str] = set()
    looks: list[Request] = []
    ended: set[Request] = set()
    ewan.context.on("request", lambda request: asked.add(request.url.rpartition("/")[2]))
    ewan.page.on("request", lambda look: looks.append(look) if look.resource_type == "fetch" else None)
    ewan.page.on("requestfinished", lambda look: ended.update({look}))
    await ewan.page.goto(f"{network.url}/engineer/d/{BOX}")
    await ewan.check_is("first_heartbeat", "passed")
    await ewan.worker_is_ready()
    # Half a look at news would be counted, and not be taken off.
    down_bytes = await until(lambda: ended.issuperset(looks) and network.down_bytes, what="no look to be on its way")
    said = [await each.sizes() for each in looks if each.url.endswith(f"/d/{BOX}")][1:]
    news = [each["responseHeadersSize"] + each["responseBodySize"] for each in said]
    assert {
        "site.css",
        "engineer.css",
        "engineer.js",
        "outbox.js",
        "line.js",
        "say.js",
        "worker.js",
        "offline",
    } <= asked
    print(f"first load: {down_bytes - sum(news)} bytes over the wire, and {len(news)} looks at news")
    assert 20_000 < down_bytes - sum(news) <= FIRST_LOAD_BYTES_MAX


async def test_without_scripts_a_box_is_registered_and_commissioned_by_forms(field: Field, engineer: Engineer) -> None:
    await field.box(BOX)
    ewan = await engineer(java_script_enabled=False)
    await ewan.come_in()
    await ewan.page.get_by_label("Serial or device id").fill(SERIAL)
    await ewan.press("Find the box")
    await ewan.page.get_by_label("Device id").fill("not an id")
    await ewan.page.get_by_label("Model").fill(MODEL)
    await ewan.page.locator("#new-form").evaluate("(form) => { form.noValidate = true; }")
    await ewan.press("Register this box")
    await expect(ewan.page.locator(".trouble")).to_contain_text("device_id")
    await expect(ewan.page.get_by_label("Serial")).to_have_value(SERIAL)
    await ewan.page.get_by_label("Device id").fill(BOX)
    await ewan.press("Register this box")
    await ewan.press("Claim this box")
    await expect(ewan.page.get_by_role("heading", name="Claim code of")).to_be_visible()
    await ewan.page.get_by_role("link", name="I have entered it").click()
    await ewan.press("It is fitted")
    await ewan.press("Begin commissioning")
    await ewan.stage_is("Being commissioned")
    await expect(ewan.check("first_heartbeat")).to_be_visible()


@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everybody_can_use_every_page_and_state(
    field: Field, engineer: Engineer, width: int, scheme: str
) -> None:
    box = await field.box(BOX, signal_dbm=-112)
    await field.box("TC-000903")
    await field.registered("TC-000904")
    ewan = await engineer(
        viewport={"width": width, "height": 800}, color_scheme=scheme, is_mobile=width < 500, reduced_motion="reduce"
    )
    await ewan.come_in()
    await expect(ewan.page.locator("#heard")).to_contain_text("TC-000903")

    async def sound(where: str) -> None:
        assert await ewan.faults() == [], where
        if shots := os.environ.get("TELECARE_TEST_SHOTS"):  # to be looked at by people
            await ewan.page.screenshot(path=Path(shots) / f"{width}-{scheme}-{where}.png", full_page=True)

    await sound("start")
    await ewan.page.goto(f"{ewan.url}/engineer/new")
    await ewan.page.get_by_text("More, if you have it").click()
    await sound("new")
    await ewan.open_box("TC-000904")
    await sound("registered")
    await ewan.press("Claim this box")
    await expect(ewan.page.locator("#claim-code")).not_to_have_text("")
    await sound("claim")
    await field.commissioning(BOX)
    await ewan.open_box(BOX)
    await ewan.check_is("signal", "failed")
    box.raise_alarm(PENDANT)
    await ewan.page.get_by_text("Go live though not everything was proved").click()
    await ewan.page.get_by_text("The box needs a new claim code").click()
    await ewan.page.locator("#history summary").click()
    await sound("commissioning")
    await field.ops.post(f"/api/v1/devices/{BOX}/go-live", {"override": True, "reason": "the aerial comes on Monday"})
    await ewan.stage_is("Live")
    await sound("live")
    await ewan.page.goto(f"{ewan.url}/engineer/labels?devices={BOX},TC-000904,TC-none")
    await sound("labels")
    await ewan.page.goto(f"{ewan.url}/engineer/offline")
    await sound("offline")
    await ewan.page.goto(f"{ewan.url}/engineer/d/TC-none")
    await sound("none")


async def test_a_sheet_of_labels_holds_21_and_none_of_another_council(field: Field, engineer: Engineer) -> None:
    ids = [f"TC-{number:06d}" for number in range(1, 23)]
    for device_id in ids:
        await field.registered(device_id)
    await field.registered("TC-foreign", council="fife")
    ewan = await engineer()
    await ewan.come_in(f"/engineer/labels?devices={','.join(ids)},TC-foreign")
    await expect(ewan.page.locator(".label svg")).to_have_count(22)
    await expect(ewan.page.locator(".sheet").first.locator(".label")).to_have_count(21)
    await expect(ewan.page.get_by_text("1 of the boxes asked for is not on the register")).to_be_visible()
    await expect(ewan.page.get_by_text("TC-foreign")).to_have_count(0)
    pages = len(re.findall(rb"/Type\s*/Page\b", await ewan.page.pdf(prefer_css_page_size=True)))
    assert pages == 2
    await ewan.page.emulate_media(media="print")
    await ewan.page.set_viewport_size({"width": 739, "height": 1008})  # A4 without its margins, at 96 dots an inch
    right = await ewan.page.locator(".label").nth(2).bounding_box()
    assert right is not None
    assert right["x"] + right["width"] <= 739


async def test_a_box_is_taken_through_its_stages_by_keyboard_alone(field: Field, engineer: Engineer) -> None:
    ewan = await engineer(viewport={"width": 1200, "height": 800}, is_mobile=False, has_touch=False)
    await ewan.come_in()
    keys = ewan.page.keyboard

    async def tab_to(words: str) -> None:
        focused = "() => (document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim()"
        for _ in range(30):
            await keys.press("Tab")
            if (await ewan.page.evaluate(focused)).startswith(words):
                return
        raise AssertionError(f"the keyboard never comes to {words!r}")

    await tab_to("Serial or device id")
    await keys.type("SN-9")
    await keys.press("Enter")
    await ewan.page.wait_for_url("**/engineer/new**")
    await tab_to("Device id")
    await keys.type("TC-9")
    await tab_to("Model")
    await keys.type(MODEL)
    await tab_to("Register this box")
    await keys.press("Enter")
    await ewan.page.wait_for_url("**/engineer/d/TC-9")
    await tab_to("Claim this box")
    await keys.press("Enter")
    await expect(ewan.page.locator("#claim-title")).to_be_focused()
    await tab_to("I have entered it")
    await keys.press("Enter")
    await ewan.stage_is("Claimed")
    await tab_to("It is fitted")
    await keys.press("Enter")
    await ewan.stage_is("Fitted")
    await tab_to("Begin commissioning")
    await keys.press("Enter")
    await ewan.stage_is("Being commissioned")
