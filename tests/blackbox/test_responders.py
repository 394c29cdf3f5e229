"""Responders of a council: who they are goes in, and comes out for nobody."""

from typing import Any

import pytest

from tests.blackbox import program
from tests.blackbox.api import PROBLEM, Api
from tests.blackbox.box import PRIVATE
from tests.blackbox.installation import Installation

STIRLING = "/api/v1/councils/stirling/responders"
# What must stand in no log: `Installation.assert_discreet` looks for it at the end.
WARDEN: dict[str, Any] = {"kind": "sms", "name": f"{PRIVATE} Kerr", "address": "07700 900461"}
NIGHTS = [{"days": ["fri", "sat"], "from": "22:00", "until": "06:00"}]


async def test_a_responder_is_added_changed_and_removed_and_shown_only_masked(api: Api) -> None:
    added = await api.post(STIRLING, WARDEN | {"rota": NIGHTS})
    path = f"{STIRLING}/{added.body['responder_id']}"
    assert (added.status, added.headers["Location"]) == (201, path)
    assert (added.body["kind"], added.body["address"], added.body["rota"]) == ("sms", "+44…461", NIGHTS)
    assert added.body["verified"] is False

    by_email = await api.put(path, {"kind": "email", "address": "warden@stirling.example", "verified": True})
    assert (by_email.status, by_email.body["address"], by_email.body["verified"]) == (200, "w…@stirling.example", True)
    assert (await api.put(path, by_email.body)).body == by_email.body
    assert (await api.get(STIRLING)).body == {"items": [by_email.body], "next": None}
    assert (await api.post(STIRLING, WARDEN | {"kind": "email", "address": "warden@stirling.example"})).status == 409

    assert (await api.send("DELETE", path)).status == 204
    assert (await api.send("DELETE", path)).status == 404
    assert (await api.get(STIRLING)).body["items"] == []


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"kind": "fax"}, "kind"),
        ({"address": "0141 496 0000"}, "address"),
        ({"address": "nobody at home"}, "address"),
        ({"kind": "email", "address": "nobody@localhost"}, "address"),
        ({"name": ""}, "name"),
        ({"rota": [{"days": ["someday"], "from": "09:00", "until": "17:00"}]}, "rota.0.days.0"),
        ({"street": "12 Port Street"}, "street"),
    ],
)
async def test_a_responder_that_nobody_could_call_is_refused_by_naming_the_field(
    api: Api, fault: dict[str, Any], field: str
) -> None:
    answer = await api.post(STIRLING, WARDEN | fault)
    assert (answer.status, answer.content_type) == (422, PROBLEM)
    assert answer.body["errors"][0]["field"] == field
    assert "900461" not in str(answer.body)


async def test_only_ops_see_or_change_who_is_called(installation: Installation, api: Api) -> None:
    for role, more in (("viewer", ()), ("engineer", ()), ("hub", ("--hub", "clyde-arc"))):
        caller = api.by(await installation.token(role, *more))
        for answer in (await caller.get(STIRLING), await caller.post(STIRLING, WARDEN)):
            assert (answer.status, answer.content_type) == (403, PROBLEM), role


async def test_responders_are_kept_from_a_terminal_in_the_order_of_their_calling(installation: Installation) -> None:
    settings = {**installation.settings, "API_URL": installation.api.url}
    contact = f"{PRIVATE} Ross\n07700 900462\n"
    hours = ("--hours", "fri-sun 22:00-06:00", "--hours", "mon 09:00-17:00")
    added = await program.run("responder", "add", "falkirk", "--sms", *hours, settings=settings, stdin=contact)
    assert added.code == 0, added.output
    responder_id = added.output.split()[0]
    contact = f"{PRIVATE} Reid\nreid@falkirk.example\n"
    first = ("responder", "add", "falkirk", "--email", "--position", "0", "--verified")
    assert (await program.run(*first, settings=settings, stdin=contact)).code == 0

    listed = await program.run("responder", "list", "falkirk", settings=settings)
    lines = listed.output.splitlines()
    assert "Reid" in lines[1]
    assert "r…@falkirk.example" in lines[1]
    assert responder_id in lines[2]
    assert "fri,sat,sun 22:00-06:00; mon 09:00-17:00" in lines[2]
    assert "900462" not in listed.output

    number = "07700 900464\n"
    changed = ("responder", "change", "falkirk", responder_id, "--address", "--always", "--position", "0")
    done = await program.run(*changed, settings=settings, stdin=number)
    assert (done.code, "position 0, at +44…464 (not verified)" in done.output) == (0, True), done.output
    (first_now, _) = (await installation.api.get("/api/v1/councils/falkirk/responders")).body["items"]
    assert (first_now["responder_id"], first_now["rota"]) == (responder_id, [])

    removed = await program.run("responder", "remove", "falkirk", responder_id, settings=settings)
    assert removed.code == 0, removed.output
    assert len((await installation.api.get("/api/v1/councils/falkirk/responders")).body["items"]) == 1
    for wrong, stdin, told in (
        (("--sms", "--hours", "someday 9-5"), contact, "--hours"),
        ((), contact, "--email or --sms"),
        (("--sms",), "Nobody\n0141 496 0000\n", "address"),
    ):
        refused = await program.run("responder", "add", "falkirk", *wrong, settings=settings, stdin=stdin)
        assert refused.code != 0
        assert told in refused.output
