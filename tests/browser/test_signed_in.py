"""A sign-in outlasts a shift, warns before it ends, and ends without taking anything with it."""

from playwright.async_api import expect

from tests.browser.conftest import Operator
from tests.integration.alerts.running import OPS, Installation


async def _sessions_end_in(alerts: Installation, minutes: int) -> None:
    await alerts.database.execute(
        "update chassis.session set created_at = now() - interval '13 hours', "
        "expires_at = now() + make_interval(mins => $1)",
        minutes,
    )


async def test_a_sign_in_that_is_about_to_end_says_so_and_is_renewed_without_losing_the_page(
    alerts: Installation, operator: Operator
) -> None:
    morag = await operator("Morag")
    await expect(morag.page.locator("#session-banner")).to_be_hidden()
    device = await alerts.press()
    await morag.open_alarm(device)
    await morag.page.get_by_label("Note").fill("half a sentence")
    await _sessions_end_in(alerts, 20)
    await morag.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as on coming back to the page
    banner = morag.page.locator("#session-banner")
    await expect(banner).to_contain_text("Your sign-in ends at")
    await banner.get_by_role("button", name="Sign in again").click()
    dialog = morag.page.locator("#session-dialog")
    await dialog.get_by_label("Your name").fill("Isla")  # the next shift, at the same screen
    await dialog.get_by_label("Access token").fill(morag.token)
    await dialog.get_by_role("button", name="Sign in").click()
    await expect(banner).to_be_hidden()
    await expect(morag.page.locator(".out [data-me]")).to_have_text("Isla")
    await expect(morag.page.get_by_label("Note")).to_have_value("half a sentence")
    await morag.is_live()


async def test_a_sign_in_that_has_ended_asks_for_another_and_the_page_stays(
    alerts: Installation, operator: Operator
) -> None:
    morag = await operator("Morag")
    device = await alerts.press()
    await morag.open_alarm(device)
    await morag.page.get_by_label("Note").fill("half a sentence")
    await morag.page.get_by_text("Equipment fault").click()
    await alerts.database.execute("update chassis.session set ended_at = now()")
    # By no click: the page may have noticed by now (an alarm that is told, somebody who looks at it, each is a reason to read it
    # again), and asks already; whoever clicks beside that question waits for ever.
    await morag.page.evaluate("document.getElementById('close').requestSubmit()")
    dialog, trouble = morag.page.locator("#session-dialog"), morag.alarm.locator("form.close .form-trouble")
    await expect(morag.page.locator("#line")).to_have_text("Signed out")
    # It was refused: that asks once more, and nothing does after it.
    await expect(trouble).to_contain_text("your sign-in has ended")
    await dialog.get_by_role("button", name="Not now").click()
    await expect(morag.page.locator("#session-banner")).to_contain_text("you do NOT see new alarms")
    await morag.page.get_by_role("button", name="Sign in again").click()
    await dialog.get_by_label("Access token").fill("tc_wrong")
    await dialog.get_by_role("button", name="Sign in").click()
    await expect(dialog.locator(".form-trouble")).to_contain_text("unknown, expired or revoked")
    await dialog.get_by_label("Access token").fill(OPS)
    await dialog.get_by_role("button", name="Sign in").click()
    await expect(dialog).to_be_hidden()
    await morag.is_live()
    await expect(trouble).to_contain_text("your sign-in has ended")
    await expect(morag.page.get_by_label("Note")).to_have_value("half a sentence")
    await morag.alarm.get_by_role("button", name="Close the alarm").click()
    await alerts.alarm(device, state="closed", outcome="equipment_fault")


# The next page that is read is `there`, and comes to whoever asked for it when it is let go (`let_go()`).
_HOLD_A_PAGE = """
() => {
    const real = window.fetch;
    const coming = new Promise((resolve) => { window.let_go = resolve; });
    window.there = new Promise((there) => {
        window.fetch = async (url, how) => {
            const answer = await real(url, how);
            if (url !== location.href || !answer.ok) return answer;
            const text = await answer.text();
            there();
            await coming;
            return new Response(text, { status: answer.status });
        };
    });
}"""


async def test_a_page_that_was_asked_for_before_the_sign_in_ended_does_not_hide_that_it_has(
    alerts: Installation, operator: Operator
) -> None:
    """It came a moment later, said when the old sign-in would have ended, and took the warning away: *not live* was all it said."""
    morag = await operator("Morag")
    device = await alerts.press()
    await morag.open_alarm(device)
    await morag.page.evaluate(_HOLD_A_PAGE)
    await alerts.press("smoke")  # a reason to read it again
    await morag.page.evaluate("window.there")
    await alerts.database.execute("update chassis.session set ended_at = now()")
    await morag.page.evaluate("document.getElementById('close').requestSubmit()")
    line, banner = morag.page.locator("#line"), morag.page.locator("#session-banner")
    await expect(line).to_have_text("Signed out")
    await expect(banner).to_contain_text("you do NOT see new alarms")
    # A macrotask after the page has come, all that it set going has been done: it waits for nothing more.
    await morag.page.evaluate("window.let_go(); new Promise((done) => setTimeout(done))")
    assert await line.text_content() == "Signed out"
    assert await banner.is_visible()


async def test_signing_out_ends_it_and_leaves_no_draft_behind(alerts: Installation, operator: Operator) -> None:
    morag = await operator("Morag")
    device = await alerts.press()
    await morag.open_alarm(device)
    await morag.page.get_by_label("Note").fill("about a person")
    await morag.page.get_by_role("button", name="Sign out").click()
    await expect(morag.page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert "about a person" not in await morag.page.evaluate("JSON.stringify({...sessionStorage, ...localStorage})")
    await morag.page.goto(f"{morag.url}/console/")
    await expect(morag.page).to_have_url(f"{morag.url}/sign-in?next=/console/")


async def test_a_link_from_another_site_finds_whoever_is_signed_in(alerts: Installation, operator: Operator) -> None:
    """SameSite=Strict: that first request comes without the cookie, and the door sends on whoever has one."""
    morag = await operator("Morag")
    device = await alerts.press()
    await morag.card(device).wait_for()
    path = await morag.card(device).locator("a.open").get_attribute("href")
    elsewhere = morag.url.replace("127.0.0.1", "localhost")
    await morag.page.goto(f"{elsewhere}/docs")
    await morag.page.evaluate("(to) => { location.href = to }", f"{morag.url}{path}")
    await expect(morag.alarm.locator(".where").first).to_contain_text(device)


async def test_a_wrong_token_is_refused_in_words_and_the_name_stays(operator: Operator) -> None:
    morag = await operator("Morag", signed_in=False)
    await morag.page.goto(f"{morag.url}/console/")
    await morag.page.get_by_label("Your name").fill("Morag")
    await morag.page.get_by_label("Access token").fill("tc_wrong")
    await morag.page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(morag.page.get_by_role("alert")).to_contain_text("unknown, expired or revoked")
    await expect(morag.page.get_by_label("Your name")).to_have_value("Morag")
