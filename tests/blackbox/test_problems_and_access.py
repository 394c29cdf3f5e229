"""Contract, "HTTP": errors, tokens and roles."""

import secrets

import pytest

from tests.blackbox.api import PROBLEM, Api
from tests.blackbox.hub import Receiver
from tests.blackbox.installation import HUB, Installation, MakeBox, new_id, registration

GUARDED = [
    ("GET", "/api/v1/councils"),
    ("PUT", "/api/v1/councils/fife"),
    ("PUT", "/api/v1/councils/fife/routing"),
    ("GET", "/api/v1/councils/fife/routing"),
    ("GET", "/api/v1/councils/fife/policies"),
    ("GET", "/api/v1/councils/fife/responders"),
    ("POST", "/api/v1/councils/fife/responders"),
    ("PUT", "/api/v1/councils/fife/responders/00000000-0000-4000-8000-000000000000"),
    ("DELETE", "/api/v1/councils/fife/responders/00000000-0000-4000-8000-000000000000"),
    ("POST", "/api/v1/councils/fife/responders/00000000-0000-4000-8000-000000000000/verification"),
    ("POST", "/api/v1/councils/fife/responders/00000000-0000-4000-8000-000000000000/verify"),
    ("POST", "/api/v1/hubs/clyde-arc/channels/00000000-0000-4000-8000-000000000000/verification"),
    ("POST", "/api/v1/hubs/clyde-arc/channels/00000000-0000-4000-8000-000000000000/verify"),
    ("GET", "/api/v1/hubs"),
    ("GET", "/api/v1/hubs/clyde-arc"),
    ("PUT", "/api/v1/hubs/clyde-arc"),
    ("POST", "/api/v1/devices"),
    ("GET", "/api/v1/devices"),
    ("GET", "/api/v1/devices/TC-1"),
    ("PATCH", "/api/v1/devices/TC-1"),
    ("GET", "/api/v1/alarms"),
    ("GET", "/api/v1/alarms/00000000-0000-4000-8000-000000000000"),
    ("GET", "/api/v1/alarms/stream"),
    ("POST", "/api/v1/alarms/00000000-0000-4000-8000-000000000000/acknowledge"),
    ("POST", "/api/v1/alarms/00000000-0000-4000-8000-000000000000/release"),
    ("POST", "/api/v1/alarms/00000000-0000-4000-8000-000000000000/close"),
]


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_without_a_token_or_with_a_wrong_one_nothing_is_told_and_nothing_is_done(
    api: Api, method: str, path: str
) -> None:
    for nobody in (None, secrets.token_urlsafe(32), "", "§"):
        answer = await api.by(nobody).send(method, path, {})
        assert (answer.status, answer.content_type) == (401, PROBLEM)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/v1/nothing-here", None, 404),
        ("DELETE", "/api/v1/devices", None, 405),
        ("POST", "/api/v1/devices", {}, 422),
        ("POST", "/api/v1/devices", [1, 2], 422),
        ("GET", "/api/v1/devices?limit=501", None, 422),
        ("GET", "/api/v1/devices?limit=many", None, 422),
    ],
)
async def test_every_error_is_a_problem_document(api: Api, method: str, path: str, body: object, status: int) -> None:
    answer = await api.send(method, path, body)
    assert (answer.status, answer.content_type) == (status, PROBLEM)
    assert answer.body["status"] == status
    assert answer.body["title"]
    assert answer.body["type"]


async def test_what_is_empty_in_the_query_of_any_list_was_not_asked_for(api: Api) -> None:
    """The contract prints `/api/v1/alarms?state=&priority=&council=&hub=&device=`, and people ask for that."""
    asked: dict[str, set[str]] = {}
    for path, operations in (await api.get("/openapi.json")).body["paths"].items():
        parameters = operations.get("get", {}).get("parameters", ())
        names = [each["name"] for each in parameters if each["in"] == "query"]
        if names and "{" not in path:
            plain, blank = await api.get(path), await api.get(path, **dict.fromkeys(names, ""))
            assert (
                (blank.status, blank.content_type) == (plain.status, plain.content_type) == (200, plain.content_type)
            ), path
            asked[path] = set(names)
    assert asked["/api/v1/alarms"] == {"limit", "cursor", "state", "priority", "council", "hub", "device", "canary"}
    assert {"/api/v1/devices", "/api/v1/kpis"} <= asked.keys()
    assert (await api.send("GET", "/api/v1/alarms?limit&state=open&priority=")).status == 200
    assert (await api.get("/api/v1/alarms", state="", priority="x")).status == 422


async def test_what_is_written_is_not_stored_because_an_answer_is_empty(api: Api) -> None:
    """A script whose variable is empty asks to be told what would happen, or nothing."""
    assert (await api.post("/api/v1/devices/import?dry_run=", [])).status == 422


async def test_a_body_that_is_no_json_is_a_problem_document(api: Api) -> None:
    headers = {**api.headers, "Content-Type": "application/json"}
    async with api.session.post(f"{api.url}/api/v1/devices", data=b"{", headers=headers) as answer:
        assert (answer.status, answer.content_type) == (422, PROBLEM)


async def test_a_viewer_reads_and_changes_nothing(installation: Installation, box: MakeBox) -> None:
    viewer = installation.api.by(await installation.token("viewer"))
    home = await box()
    home.press()
    path = f"/api/v1/alarms/{(await installation.alarm(home.device_id))['alarm_id']}"

    for reading in ("/api/v1/councils", "/api/v1/hubs", "/api/v1/devices", "/api/v1/alarms", path):
        assert (await viewer.get(reading)).status == 200, reading
    for answer in (
        await viewer.post(f"{path}/acknowledge", {"operator": "v"}),
        await viewer.post(f"{path}/close", {"operator": "v", "outcome": "attended"}),
        await viewer.post("/api/v1/devices", registration(new_id(), "fife")),
        await viewer.put("/api/v1/hubs/clyde-arc", {"name": "mine", "channels": []}),
        await viewer.put("/api/v1/councils/fife/routing", {"hubs": [HUB]}),
    ):
        assert (answer.status, answer.content_type) == (403, PROBLEM)
    assert (await installation.alarm(home.device_id))["state"] == "open"


async def test_a_hub_sees_and_takes_its_own_alarms_and_no_others(
    installation: Installation, box: MakeBox, receiver: Receiver
) -> None:
    await installation.make_hub("tweed-arc", "scottish-borders")
    tweed = installation.api.by(await installation.token("hub", "--hub", "tweed-arc"))
    own, foreign = await box(council="scottish-borders"), await box()
    for home in (own, foreign):
        home.press()
        await receiver.told(home.device_id)
    mine, theirs = [(await installation.alarm(home.device_id))["alarm_id"] for home in (own, foreign)]

    listed = {each["alarm_id"] for each in (await tweed.get("/api/v1/alarms")).body["items"]}
    assert mine in listed
    assert theirs not in listed
    assert (await tweed.get(f"/api/v1/alarms/{mine}")).status == 200
    assert (await tweed.get(f"/api/v1/alarms/{theirs}")).status in {403, 404}
    assert (await tweed.post(f"/api/v1/alarms/{theirs}/acknowledge", {"operator": "t"})).status in {403, 404}
    assert (await tweed.post(f"/api/v1/alarms/{mine}/acknowledge", {"operator": "t"})).status == 200
    assert (await tweed.put("/api/v1/hubs/tweed-arc", {"name": "Tweed", "channels": []})).status == 403
    assert (await installation.alarm(foreign.device_id))["state"] == "open"


async def test_an_engineer_works_in_the_councils_given_and_in_no_other(installation: Installation) -> None:
    engineer = installation.api.by(await installation.token("engineer", "--council", "fife"))
    device_id = new_id()
    assert (await engineer.post("/api/v1/devices", registration(device_id, "fife"))).status == 201
    assert (await engineer.post("/api/v1/devices", registration(new_id(), "angus"))).status == 403
    assert (await engineer.put("/api/v1/hubs/clyde-arc", {"name": "mine", "channels": []})).status == 403
    councils = {each["council_id"] for each in (await engineer.get("/api/v1/devices", limit=500)).body["items"]}
    assert councils == {"fife"}


async def test_a_token_that_was_made_is_an_ops_token_when_it_says_so(installation: Installation) -> None:
    ops = installation.api.by(await installation.token("ops"))
    assert (await ops.put("/api/v1/councils/fife", {"target": 12})).status == 200
