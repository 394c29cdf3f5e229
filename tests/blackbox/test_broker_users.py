"""Hubs' users of the broker and councils' enrolment: by the command and the API, shown once, and on record."""

from tests.blackbox import program
from tests.blackbox.api import Api
from tests.blackbox.installation import Installation

PROBLEM = "application/problem+json"


async def test_a_hubs_user_is_made_shown_once_and_revoked_by_the_command(installation: Installation, api: Api) -> None:
    await installation.make_hub("coll-arc")
    settings = {**installation.settings, "API_URL": installation.api.url}
    made = await program.run("broker", "hub", "create", "coll-arc", settings=settings)
    assert (made.code, "user and client id hub:coll-arc, password " in made.output) == (0, True), made.output
    password = made.output.split()[-1]
    again = await program.run("broker", "hub", "create", "coll-arc", settings=settings)
    assert again.output.split()[-1] != password
    assert password not in str((await api.get("/api/v1/hubs/coll-arc")).body)

    revoked = await program.run("broker", "hub", "revoke", "coll-arc", settings=settings)
    assert (revoked.code, revoked.output.strip()) == (0, "revoked"), revoked.output
    gone = await program.run("broker", "hub", "revoke", "coll-arc", settings=settings)
    assert (gone.code, "coll-arc has no user of the broker" in gone.output) == (1, True), gone.output
    nobody = await program.run("broker", "hub", "create", "nobodys-arc", settings=settings)
    assert (nobody.code, "There is no hub nobodys-arc" in nobody.output) == (1, True), nobody.output


async def test_a_councils_enrolment_is_made_shown_once_and_revoked_by_the_command(
    installation: Installation, api: Api
) -> None:
    settings = {**installation.settings, "API_URL": installation.api.url}
    made = await program.run("broker", "enrolment", "create", "fife", settings=settings)
    assert (made.code, "user enrolment:fife, password " in made.output) == (0, True), made.output
    revoked = await program.run("broker", "enrolment", "revoke", "fife", settings=settings)
    assert (revoked.code, revoked.output.strip()) == (0, "revoked"), revoked.output
    for wrong in ("fife", "atlantis"):
        answer = await api.send("DELETE", f"/api/v1/councils/{wrong}/enrolment")
        assert (answer.status, answer.content_type) == (404, PROBLEM)
    assert (await api.post("/api/v1/councils/atlantis/enrolment")).status == 404
    password = made.output.split()[-1]
    audited = await api.get("/api/v1/audit", limit=500)
    assert any("enrolment" in str(each) for each in audited.body["items"])
    assert password not in str(audited.body)
