"""In with the account of one's own organisation: who comes in, as what, for how long, and who never does."""

from datetime import timedelta
from http.cookies import SimpleCookie

import pytest

from tests.integration.alerts.console.conftest import PAGE, SCRIPT
from tests.integration.alerts.running import OPS, Installation
from tests.integration.chassis.oidc.conftest import CALLBACK, MakePerson, Recheck
from tests.support.identity import IdentityProvider


async def test_an_operator_comes_in_with_her_own_account_as_what_her_group_says(
    service: Installation, person: MakePerson
) -> None:
    morag = person()
    answer = await morag.sign_in_as("morag", "/console/kpis")
    text = await answer.text()
    assert answer.status == 200
    assert 'content="0; url=/console/kpis?from=sign-in"' in text
    assert "You are signed in as Morag Campbell." in text
    session = await morag.session()
    assert session is not None
    assert session["operator"] == "Morag Campbell"
    stored = await service.database.fetchrow("select * from chassis.session")
    assert stored is not None
    assert (stored["role"], stored["hub_id"], stored["councils"]) == ("hub", "clyde-arc", None)
    assert (stored["account"], stored["subject"]) == ("morag@council.example", "morag")
    assert (stored["expires_at"] - stored["created_at"]) == timedelta(hours=14)
    device = await service.press()
    alarm_id = (await service.alarm(device))["alarm_id"]
    assert (await morag.post(f"/alarms/{alarm_id}/acknowledge")).status == 200
    assert (await service.alarm(device))["acknowledged_by"] == "Morag Campbell"


async def test_nothing_that_is_good_at_the_provider_is_stored_in_clear(
    service: Installation, person: MakePerson
) -> None:
    morag = person()
    back = await morag.way_back("morag")
    answer = await morag.come_back(back)
    cookie = SimpleCookie(answer.headers["Set-Cookie"])["telecare-session"].value
    stored = await service.database.fetchrow("select * from chassis.session")
    assert stored is not None
    assert stored["refresh_token_encrypted"].startswith(b"gAAAA")
    assert cookie not in repr(stored)
    assert back.partition("code=")[2].partition("&")[0] not in repr(stored)


async def test_an_engineer_of_two_councils_has_both_and_nobody_of_no_group_comes_in(
    service: Installation, person: MakePerson, canaille: IdentityProvider
) -> None:
    await canaille.person("ewan", "Ewan Ross", "telecare-fitters-glasgow", "telecare-fitters-fife", "cyclists")
    await canaille.person("rory", "Rory Bell", "cyclists")
    await person().sign_in_as("ewan")
    stored = await service.database.fetchrow("select role, councils from chassis.session")
    assert stored is not None
    assert (stored["role"], sorted(stored["councils"])) == ("engineer", ["fife", "glasgow-city"])
    rory = person()
    refused = await rory.sign_in_as("rory")
    assert refused.status == 403
    assert "Rory Bell has no role in this service" in await refused.text()
    assert await rory.session() is None


async def test_both_cookies_are_out_of_reach_of_scripts_and_only_the_one_for_the_way_back_comes_from_elsewhere(
    person: MakePerson,
) -> None:
    morag = person()
    began = SimpleCookie((await morag.begin()).headers["Set-Cookie"])["telecare-sign-in"]
    assert (began["httponly"], began["samesite"].lower(), began["max-age"]) == (True, "lax", "600")
    answer = await morag.sign_in_as("morag")
    kept, gone = (SimpleCookie(each) for each in answer.headers.getall("Set-Cookie"))
    assert kept["telecare-session"]["samesite"].lower() == "strict"
    assert kept["telecare-session"]["httponly"]
    assert gone["telecare-sign-in"]["max-age"] == "0"
    assert gone["telecare-sign-in"].value == ""


async def test_an_answer_that_this_browser_did_not_ask_for_opens_nothing(
    service: Installation, person: MakePerson
) -> None:
    """Login CSRF: an attacker has somebody else's browser take the way back of an account of his own."""
    attacker, victim = person(), person()
    his = await attacker.way_back("morag")
    assert (await victim.come_back(his)).status == 403  # began nothing
    await victim.begin()
    assert (await victim.come_back(his)).status == 403  # began something else
    hers = (await attacker.begin()).headers["Location"].partition("state=")[2].partition("&")[0]
    for state in ("", "x", hers + "x"):
        forged = await attacker.come_back(f"{attacker.url}{CALLBACK}?code=any&state={state}")
        assert forged.status == 403
        assert "Begin again" in await forged.text()
    assert await service.database.fetchval("select count(*) from chassis.session") == 0


async def test_an_answer_is_good_once_whoever_has_seen_it(service: Installation, person: MakePerson) -> None:
    morag, thief = person(), person()
    back = await morag.way_back("morag")
    stolen = {cookie.key: cookie.value for cookie in morag.http.cookie_jar}
    assert (await morag.come_back(back)).status == 200
    assert (await morag.come_back(back)).status == 403
    thief.http.cookie_jar.update_cookies(stolen)
    assert (await thief.come_back(back)).status == 403
    assert await thief.session() is None
    assert await service.database.fetchval("select count(*) from chassis.session") == 1


async def test_a_code_that_was_stolen_on_the_way_is_worth_nothing_in_another_sign_in(person: MakePerson) -> None:
    """PKCE: the thief has a sign-in of his own under way, and puts the stolen code into its way back."""
    morag, thief = person(), person()
    code = (await morag.way_back("morag")).partition("code=")[2].partition("&")[0]
    state = (await thief.begin()).headers["Location"].partition("state=")[2].partition("&")[0]
    refused = await thief.come_back(f"{thief.url}{CALLBACK}?code={code}&state={state}")
    assert refused.status == 403
    assert "could not be accepted" in await refused.text()
    assert await thief.session() is None


async def test_an_answer_in_the_name_of_another_provider_is_refused(person: MakePerson) -> None:
    morag = person()
    back = await morag.way_back("morag")
    other = back.replace("iss=http%3A%2F%2F127.0.0.1", "iss=http%3A%2F%2Fevil.example")
    assert other != back
    assert (await morag.come_back(other)).status == 403


async def test_nobody_is_sent_elsewhere_afterwards(person: MakePerson) -> None:
    for elsewhere in (
        "//evil.example",
        "https://evil.example/console/",
        "/docs",
        "/console/\\evil",
        "/console/../docs",
    ):
        text = await (await person().sign_in_as("morag", elsewhere)).text()
        assert 'content="0; url=/console/?from=sign-in"' in text, elsewhere


async def test_the_session_is_a_new_one_and_the_one_before_ends(service: Installation, person: MakePerson) -> None:
    """Fixation: what the browser had before, by whoever's hand, is not what it has afterwards."""
    morag = person()
    morag.http.cookie_jar.update_cookies({"telecare-session": "chosen-by-an-attacker"})
    await morag.sign_in_as("morag")
    cookies = {cookie.key: cookie.value for cookie in morag.http.cookie_jar}
    assert cookies["telecare-session"] != "chosen-by-an-attacker"
    await morag.sign_in_as("morag")
    again = {cookie.key: cookie.value for cookie in morag.http.cookie_jar}
    assert again["telecare-session"] != cookies["telecare-session"]
    assert await service.database.fetchval("select count(*) from chassis.session where ended_at is null") == 1
    thief = person()
    thief.http.cookie_jar.update_cookies({"telecare-session": cookies["telecare-session"]})
    assert await thief.session() is None


async def test_a_sign_in_is_begun_by_our_own_page_and_by_none_elsewhere(person: MakePerson) -> None:
    for site in ("cross-site", "same-site"):
        assert (await person().begin(**{"Sec-Fetch-Site": site})).status == 403
    for site in ("same-origin", "none"):
        assert (await person().begin(**{"Sec-Fetch-Site": site})).status == 303


async def test_who_turns_back_at_the_provider_is_at_the_door_again(person: MakePerson) -> None:
    morag = person()
    state = (await morag.begin()).headers["Location"].partition("state=")[2].partition("&")[0]
    answer = await morag.come_back(
        f"{morag.url}{CALLBACK}?error=access_denied&error_description=Call+0141+496+0000&state={state}"
    )
    text = await answer.text()
    assert answer.status == 403
    assert "The council did not let you in, or you turned back." in text
    assert "0141" not in text  # what anybody may write into an address is not said in our name
    assert "Access token" in text


async def test_a_role_that_was_taken_away_is_gone_when_the_provider_is_asked_again(
    service: Installation, person: MakePerson, canaille: IdentityProvider, recheck: Recheck
) -> None:
    morag = person()
    await morag.sign_in_as("morag")
    await recheck()
    assert await morag.session() is not None
    await canaille.person("morag", "Morag Campbell", "telecare-fitters-fife")
    await recheck()
    stored = await service.database.fetchrow("select role, hub_id, councils from chassis.session")
    assert stored is not None
    assert tuple(stored) == ("engineer", None, ["fife"])
    device = await service.press()
    alarm_id = (await service.alarm(device))["alarm_id"]
    assert (await morag.post(f"/alarms/{alarm_id}/acknowledge")).status == 403
    await canaille.person("morag", "Morag Campbell", "cyclists")
    await recheck()
    assert await morag.session() is None


async def test_a_stream_does_not_go_on_showing_what_a_role_of_before_could_see(
    person: MakePerson, canaille: IdentityProvider, recheck: Recheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.alerts.console.stream._CHECK_S", 0.1)
    morag = person()
    await morag.sign_in_as("morag")
    async with morag.http.get(f"{morag.url}/console/stream", headers=SCRIPT) as stream:
        assert stream.status == 200
        await stream.content.readline()
        await canaille.person("morag", "Morag Campbell", "telecare-fitters-fife")
        await recheck()
        assert b"event: signed_out" in await stream.content.read()
    assert await morag.session() is not None


async def test_whom_the_provider_has_shut_out_is_shut_out_here(
    person: MakePerson, canaille: IdentityProvider, recheck: Recheck
) -> None:
    morag = person()
    await morag.sign_in_as("morag")
    await canaille.revoke()
    await recheck()
    assert await morag.session() is None
    page = await morag.get("/", PAGE)
    assert (page.status, page.headers["Location"]) == (303, "/sign-in?next=/console/")


async def test_a_provider_that_signs_with_a_new_key_is_believed_at_once(
    person: MakePerson, canaille: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.chassis.oidc.discovery.AGAIN_AFTER_S", 0.0)
    assert (await person().sign_in_as("morag")).status == 200
    await canaille.rotate()
    assert (await person().sign_in_as("morag")).status == 200


async def test_a_session_that_nobody_uses_ends_after_an_hour_and_one_that_is_used_lasts_a_shift(
    service: Installation, person: MakePerson
) -> None:
    morag = person()
    await morag.sign_in_as("morag")
    age = "update chassis.session set seen_at = seen_at - $1::interval"
    await service.database.execute(age, timedelta(minutes=59))
    assert await morag.session() is not None
    await service.database.execute(age, timedelta(minutes=59))  # it was seen a moment ago
    assert await morag.session() is not None
    await service.database.execute(age, timedelta(minutes=61))
    assert await morag.session() is None
    await service.database.execute(
        "update chassis.session set seen_at = now(), expires_at = now() - interval '1 min', created_at = now() - interval '14 h'"
    )
    assert await morag.session() is None


async def test_while_the_provider_is_away_a_token_lets_in_and_whoever_is_in_stays(
    service: Installation, person: MakePerson, canaille: IdentityProvider, recheck: Recheck
) -> None:
    morag, isla = person(), person()
    await morag.sign_in_as("morag")
    canaille.stop()
    try:
        await recheck()
        assert await morag.session() is not None
        assert (await isla.sign_in(OPS, "Isla")).status == 200
        # It is known where the provider is, so that a browser is sent there, and sees for itself; a code can't be exchanged.
        state = (await isla.begin()).headers["Location"].partition("state=")[2].partition("&")[0]
        answer = await isla.come_back(f"{isla.url}{CALLBACK}?code=any&state={state}")
        assert answer.status == 503
        assert (
            "The council does not answer as it should just now. Try again, or sign in with a token."
            in await answer.text()
        )
    finally:
        await canaille.start()


async def test_a_refresh_token_that_was_given_before_the_provider_fell_silent_is_asked_with_again(
    service: Installation, person: MakePerson, canaille: IdentityProvider, recheck: Recheck
) -> None:
    """The one of before is worth nothing by then: whoever kept it would be signed out in the middle of a shift."""
    morag = person()
    await morag.sign_in_as("morag")
    await canaille.tells_of_people(False)
    try:
        await recheck()
        assert await morag.session() is not None
    finally:
        await canaille.tells_of_people(True)
    await canaille.person("morag", "Morag Campbell", "telecare-fitters-fife")
    await recheck()
    assert await morag.session() is not None
    assert await service.database.fetchval("select role from chassis.session") == "engineer"


async def test_a_service_that_starts_while_its_provider_is_away_says_so_at_the_door(
    service: Installation, person: MakePerson, canaille: IdentityProvider
) -> None:
    canaille.stop()
    try:
        answer = await person().begin()
        assert answer.status == 503
        assert "sign in with a token" in await answer.text()
    finally:
        await canaille.start()
    await canaille.knows(service.process.url)
    await canaille.person("morag", "Morag Campbell", "telecare-clyde")
    assert (await person().sign_in_as("morag")).status == 200


async def test_the_button_is_on_the_sign_in_page_and_leads_on_to_what_was_asked_for(person: MakePerson) -> None:
    text = await (await person().get("/sign-in?next=/console/kpis", PAGE)).text()
    assert "Sign in with the council" in text
    assert 'href="/sign-in/oidc?next=/console/kpis"' in text
    assert (await person().get("/session", SCRIPT)).status == 401
