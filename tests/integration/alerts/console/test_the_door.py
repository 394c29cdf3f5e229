"""Who gets in, for how long, and what nobody can do from elsewhere."""

from http.cookies import SimpleCookie

from services.chassis.pages.attempts import FAILURES_MAX
from tests.integration.alerts.console.conftest import PAGE, SCRIPT, Caller, Enter, MakeCaller
from tests.integration.alerts.running import OPS, Installation
from tests.support.servers import until


async def test_without_a_sign_in_there_is_only_the_door(alerts: Installation, caller: MakeCaller) -> None:
    stranger = caller()
    device = await alerts.press()
    alarm_id = (await alerts.alarm(device))["alarm_id"]
    for path in ("/", f"/alarms/{alarm_id}", "/stream", "/session", "/kpis"):
        page, script = await stranger.get(path), await stranger.get(path, SCRIPT)
        assert (page.status, page.headers["Location"].partition("?")[0]) == (303, "/sign-in"), path
        assert script.status == 401, path
        assert device not in await page.text()
    for act in ("acknowledge", "release", "close", "looking", "left"):
        assert (await stranger.post(f"/alarms/{alarm_id}/{act}")).status == 401, act
    assert (await alerts.alarm(device))["state"] == "open"


async def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites_and_is_stored_hashed(
    alerts: Installation, caller: MakeCaller
) -> None:
    morag = caller()
    answer = await morag.sign_in(OPS)
    cookie = SimpleCookie(answer.headers["Set-Cookie"])["telecare-session"]
    assert (cookie["httponly"], cookie["samesite"].lower(), cookie["max-age"]) == (True, "strict", str(14 * 3600))
    assert not cookie["secure"]  # this machine itself, over plain http
    stored = await alerts.database.fetchrow("select * from chassis.session")
    assert stored is not None
    assert cookie.value not in repr(stored)
    assert OPS not in repr(stored)
    assert (stored["expires_at"] - stored["created_at"]).total_seconds() == 14 * 3600


async def test_anywhere_but_on_loopback_the_cookie_is_secure(caller: MakeCaller) -> None:
    morag = caller()
    morag.origin = "https://console.example"
    answer = await morag.post("/sign-in", {**SCRIPT, "Host": "console.example"}, token=OPS, operator="Morag")
    cookie = SimpleCookie(answer.headers["Set-Cookie"])["__Host-telecare-session"]
    assert (cookie["secure"], cookie["path"]) == (True, "/")


async def test_a_browser_that_kept_no_cookie_is_told_so(caller: MakeCaller) -> None:
    page = await caller().get("/?from=sign-in")
    again = await caller().get(page.headers["Location"])
    assert "did not keep the sign-in" in await again.text()


async def test_what_does_not_come_from_our_own_pages_is_refused(alerts: Installation, enter: Enter) -> None:
    """CSRF: the cookie would come along, the Origin gives it away."""
    morag = await enter("hub", "clyde-arc")
    device = await alerts.press()
    alarm_id = (await alerts.alarm(device))["alarm_id"]
    for origin in ("https://evil.example", "null", None, morag.url.replace("127.0.0.1", "localhost")):
        morag.origin = origin
        for path in (f"/alarms/{alarm_id}/acknowledge", "/sign-in", "/sign-out", "/silences"):
            assert (await morag.post(path, token=OPS, operator="Morag")).status == 403, (origin, path)
    morag.origin = morag.url
    cross = await morag.post(f"/alarms/{alarm_id}/acknowledge", {**SCRIPT, "Sec-Fetch-Site": "cross-site"})
    assert cross.status == 403
    assert (await alerts.alarm(device))["state"] == "open"
    assert (await morag.post(f"/alarms/{alarm_id}/acknowledge")).status == 200


async def test_whoever_tries_tokens_is_slowed_down_and_nobody_is_who_has_one(caller: MakeCaller) -> None:
    stranger = caller()
    for _ in range(FAILURES_MAX):
        assert (await stranger.sign_in("tc_guess")).status == 403
    refused = await stranger.sign_in("tc_guess")
    assert refused.status == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert (await stranger.sign_in(OPS)).status == 200  # whoever has a token is kept out by nobody


async def test_a_whole_shift_may_sign_in_from_one_address(caller: MakeCaller) -> None:
    for number in range(FAILURES_MAX + 2):
        assert (await caller().sign_in(OPS, f"operator {number}")).status == 200


async def test_what_is_missing_is_asked_for(caller: MakeCaller) -> None:
    morag = caller()
    for form, words in (
        ({"token": OPS}, "give your name"),
        ({"operator": "Morag"}, "give the access token"),
        ({"token": OPS, "operator": "  "}, "give your name"),
        ({"token": OPS, "operator": "a\0b"}, "give your name"),
    ):
        answer = await morag.post("/sign-in", **form)
        assert answer.status == 422
        assert words in (await answer.json())["detail"]


async def test_nobody_is_sent_elsewhere_from_the_door(caller: MakeCaller) -> None:
    for elsewhere in (
        "//evil.example",
        "https://evil.example",
        "/docs",
        "/console/\\evil",
        "/console//evil.example/..",
    ):
        answer = await caller().post("/sign-in", PAGE, token=OPS, operator="Morag", next=elsewhere)
        assert answer.status == 303
        assert answer.headers["Location"] == "/console/?from=sign-in"
        door = await caller().get(f"/sign-in?next={elsewhere}")
        assert "evil.example/.." not in await door.text()


async def test_a_token_that_is_revoked_or_expires_ends_its_sessions(alerts: Installation, enter: Enter) -> None:
    revoked, expiring = await enter("hub", "clyde-arc"), await enter("ops")
    await alerts.database.execute("update registry.access_token set revoked_at = now() where role = 'hub'")
    await alerts.database.execute("update registry.access_token set expires_at = now() where role = 'ops'")

    async def all_out() -> bool:  # a token is remembered for 5 s
        return [(await each.get("/session", SCRIPT)).status for each in (revoked, expiring)] == [401, 401]

    await until(all_out, 60)


async def test_a_session_ends_no_later_than_its_token(alerts: Installation, caller: MakeCaller) -> None:
    token = (await alerts.token("ops")).token
    await alerts.database.execute("update registry.access_token set expires_at = now() + interval '1 hour'")
    answer = await (await _signed_in(caller(), str(token))).get("/session", SCRIPT)
    expiry = await alerts.database.fetchval("select expires_at from registry.access_token")
    assert (await answer.json())["expires_at"] == expiry.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def test_signing_out_ends_the_session_and_not_only_the_cookie(caller: MakeCaller) -> None:
    morag = await _signed_in(caller(), OPS)
    cookie = {cookie.key: cookie.value for cookie in morag.http.cookie_jar}
    assert (await morag.post("/sign-out", PAGE)).status == 303
    thief = caller()
    thief.http.cookie_jar.update_cookies(cookie)
    assert (await thief.get("/session", SCRIPT)).status == 401


async def test_every_page_runs_and_fetches_only_what_is_ours(alerts: Installation, enter: Enter) -> None:
    morag = await enter("ops")
    alarm_id = (await alerts.alarm(await alerts.press()))["alarm_id"]
    for path in ("/", f"/alarms/{alarm_id}", "/alarms/none", "/sign-in"):
        page = await morag.get(path)
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["Cache-Control"] == "no-store"
        text = await page.text()
        assert "<style" not in text
        assert " style=" not in text
        assert " on" + "click" not in text
        assert "<script>" not in text


async def _signed_in(morag: Caller, token: str) -> Caller:
    assert (await morag.sign_in(token)).status == 200
    return morag
