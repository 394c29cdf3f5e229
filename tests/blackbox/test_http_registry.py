"""Contract, "HTTP", the registry."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.blackbox.api import PROBLEM, Api
from tests.blackbox.hub import Receiver
from tests.blackbox.installation import Installation, new_id, registration

DEVICES = "/api/v1/devices"


async def test_scotlands_32_councils_are_there_from_the_start(api: Api) -> None:
    councils = (await api.get("/api/v1/councils")).body
    assert (len(councils["items"]), councils["next"]) == (32, None)
    assert {"glasgow-city", "na-h-eileanan-siar"} <= {each["council_id"] for each in councils["items"]}


async def test_a_council_keeps_what_it_told_of_its_telecare(api: Api) -> None:
    facts = {
        "telecare_users": 3100,
        "analogue_units": 1200,
        "target": 400,
        "target_date": "2027-01-31",
        "source": "survey of the council",
        "as_of": "2026-11-01",
    }
    put = await api.put("/api/v1/councils/orkney-islands", facts)
    assert put.status == 200
    assert facts.items() <= (await api.get("/api/v1/councils/orkney-islands")).body.items()


@pytest.mark.parametrize(
    ("facts", "field"),
    [({"telecare_users": -1}, "telecare_users"), ({"target": "many"}, "target"), ({"as_of": "soon"}, "as_of")],
)
async def test_what_a_council_cannot_mean_is_refused_by_naming_the_field(
    api: Api, facts: dict[str, object], field: str
) -> None:
    answer = await api.put("/api/v1/councils/orkney-islands", facts)
    assert (answer.status, answer.content_type) == (422, PROBLEM)
    assert field in str(answer.body)


async def test_a_misspelt_figure_of_a_council_is_refused_and_wipes_nothing(api: Api) -> None:
    path = "/api/v1/councils/na-h-eileanan-siar"
    told = (await api.put(path, {"target": 40, "target_date": "2027-01-31", "telecare_users": 900})).body

    misspelt: list[dict[str, object]] = [
        {"targets": 50},
        {"sources": {"target": {"sauce": "board"}}},
        {"sources": {"users": {}}},
    ]
    for wrong in misspelt:
        answer = await api.put(path, told | wrong)
        assert (answer.status, answer.content_type) == (422, PROBLEM), wrong
    assert (await api.get(path)).body == told
    changed = await api.put(path, told | {"target": 50})  # an answer, sent back changed
    assert (changed.status, changed.body) == (200, told | {"target": 50})


# An alarm is not left lying because a hub's program says one thing more; the last is GOV.UK Notify's, who may say what it likes.
TOLERANT = {"OperatorBody", "CloseBody", "NotifyReceipt"}


async def test_no_other_body_may_hold_what_nobody_knows(api: Api) -> None:
    document = (await api.get("/openapi.json")).body
    taken = {
        found["schema"]["$ref"].rpartition("/")[2]
        for operations in document["paths"].values()
        for operation in operations.values()
        for kind, found in operation.get("requestBody", {}).get("content", {}).items()
        if kind == "application/json" and "$ref" in found["schema"]
    }
    assert {"CouncilBody", "HubBody", "ModelBody", "DeviceBody", "RoutingBody", "ResponderBody"} <= taken
    schemas = document["components"]["schemas"]
    assert {name for name in taken if schemas[name].get("additionalProperties") is not False} <= TOLERANT


async def test_what_is_misspelt_of_a_hub_changes_nothing_and_an_answer_may_be_sent_back(
    api: Api, receiver: Receiver
) -> None:
    path = "/api/v1/hubs/uist-arc"
    made = (await api.put(path, {"name": "Uist", "channels": [receiver.channel("uist-arc")]})).body
    (channel,) = made["channels"]
    misspelt: list[dict[str, object]] = [{"chanels": []}, {"channels": [channel | {"sekret": "whsec_x"}]}]
    for wrong in misspelt:
        assert (await api.put(path, made | wrong)).status == 422
    assert (await api.put(path, made)).body == made


async def test_a_council_sends_its_alarms_only_to_hubs_that_exist(
    installation: Installation, api: Api, receiver: Receiver
) -> None:
    await installation.make_hub("lerwick-arc")
    await installation.make_hub("unst-arc")
    path = "/api/v1/councils/shetland-islands/routing"
    wrong = await api.put(path, {"hubs": ["lerwick-arc", "nobodys-arc"]})
    right = await api.put(path, {"hubs": ["lerwick-arc", "unst-arc"]})
    assert (wrong.status, right.status) == (422, 200)
    assert "nobodys-arc" in str(wrong.body)
    assert right.body["hubs"] == ["lerwick-arc", "unst-arc"]
    assert (await api.put("/api/v1/councils/atlantis/routing", {"hubs": ["lerwick-arc"]})).status == 404


async def test_a_hub_is_kept_and_its_secret_never_comes_back(api: Api, receiver: Receiver) -> None:
    channel = receiver.channel("skye-arc")
    body = {"name": "Skye ARC", "channels": [channel, {"kind": "mqtt"}]}

    put = await api.put("/api/v1/hubs/skye-arc", body)
    answers = [put, await api.get("/api/v1/hubs/skye-arc"), await api.get("/api/v1/hubs")]

    assert put.status in {200, 201}
    listed = next(each for each in answers[2].body["items"] if each["hub_id"] == "skye-arc")
    for hub in (put.body, answers[1].body, listed):
        assert hub["name"] == "Skye ARC"
        assert [each["kind"] for each in hub["channels"]] == ["webhook", "mqtt"]
        assert [each["verified"] for each in hub["channels"]] == [True, False]
        assert hub["channels"][0]["url"] == channel["url"]
    assert not any(channel["secret"].removeprefix("whsec_") in str(each.body) for each in answers)


async def test_a_webhook_may_not_reach_into_a_private_network_that_was_not_allowed(
    api: Api, receiver: Receiver
) -> None:
    secret = receiver.channel("nosy-arc")["secret"]
    for url in (
        "http://10.0.0.1/hook",
        "https://169.254.169.254/latest",
        "https://[::1]/hook",
        "ftp://127.0.0.1/hook",
        "no url",
    ):
        body = {"name": "Nosy", "channels": [{"kind": "webhook", "url": url, "secret": secret}]}
        answer = await api.put("/api/v1/hubs/nosy-arc", body)
        assert (answer.status, answer.content_type) == (422, PROBLEM), url
        assert "url" in str(answer.body)
        assert secret not in str(answer.body)


async def test_a_device_is_created_once_and_the_same_again_is_no_error(api: Api) -> None:
    body = registration(new_id(), "fife")

    created = await api.post(DEVICES, body)
    again = await api.post(DEVICES, body)
    other = await api.post(DEVICES, {**body, "model": "another model"})

    assert (created.status, again.status) == (201, 200)
    assert (other.status, other.content_type) == (409, PROBLEM)
    device = (await api.get(f"{DEVICES}/{body['device_id']}")).body
    assert body.items() <= device.items()


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"device_id": "Mrs MacKay"}, "device_id"),
        ({"device_id": "x" * 65}, "device_id"),
        ({"device_id": None}, "device_id"),
        ({"council_id": "Glasgow"}, "council_id"),
        ({"council_id": "atlantis"}, "council_id"),
        ({"serial": ""}, "serial"),
        ({"model": 3}, "model"),
        ({"postcode_district": "G12 8QQ"}, "postcode_district"),
        ({"sim_operator": "O2"}, "sim_operator"),
    ],
)
async def test_a_device_that_cannot_be_registered_is_refused_by_naming_the_field(
    api: Api, fault: dict[str, object], field: str
) -> None:
    body = {name: value for name, value in {**registration(new_id(), "fife"), **fault}.items() if value is not None}
    answer = await api.post(DEVICES, body)
    assert (answer.status, answer.content_type) == (422, PROBLEM)
    assert field in str(answer.body)


async def test_devices_are_found_by_council_by_stage_and_by_what_one_remembers(api: Api) -> None:
    device_id = new_id("find-me")
    await api.post(DEVICES, registration(device_id, "stirling"))

    async def found(**query: str) -> list[str]:
        return [each["device_id"] for each in (await api.get(DEVICES, **query)).body["items"]]

    assert device_id in await found(council="stirling")
    assert device_id not in await found(council="moray")
    assert device_id in await found(stage="registered", council="stirling")
    assert device_id not in await found(stage="live")
    assert await found(q=device_id) == [device_id]


async def test_the_newest_devices_come_first_in_pages_without_gap_or_overlap(api: Api) -> None:
    ids = [new_id() for _ in range(5)]
    for device_id in ids:
        await api.post(DEVICES, registration(device_id, "clackmannanshire"))

    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await api.get(DEVICES, council="clackmannanshire", limit=2, **cursor)).body
        assert len(page["items"]) <= 2
        found += [each["device_id"] for each in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}

    assert found == ids[::-1]


async def test_a_device_is_changed_and_the_change_is_seen(api: Api) -> None:
    device_id = new_id()
    await api.post(DEVICES, registration(device_id, "fife"))
    changed = await api.patch(f"{DEVICES}/{device_id}", {"council_id": "stirling", "installation_ref": "moved-house"})
    assert (changed.status, changed.body["council_id"]) == (200, "stirling")
    device = (await api.get(f"{DEVICES}/{device_id}")).body
    assert (device["council_id"], device["installation_ref"], device["model"]) == (
        "stirling",
        "moved-house",
        "Careline 3",
    )


async def test_what_is_not_registered_is_not_found(api: Api) -> None:
    for path in (f"{DEVICES}/{new_id()}", "/api/v1/hubs/no-such-arc", "/api/v1/councils/atlantis"):
        answer = await api.get(path)
        assert (answer.status, answer.content_type) == (404, PROBLEM), path


async def test_times_carry_an_offset(api: Api) -> None:
    device_id = new_id()
    await api.post(DEVICES, registration(device_id, "fife"))
    device = (await api.get(f"{DEVICES}/{device_id}")).body
    age = datetime.now(UTC) - datetime.fromisoformat(device["registered_at"])
    assert abs(age) < timedelta(minutes=10)  # by two clocks; of another offset it would be hours
