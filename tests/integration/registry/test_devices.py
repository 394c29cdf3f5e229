"""Devices over HTTP: registered once, found again, changed with a history, moved only as their stage allows."""

from typing import Any

import pytest

from tests.integration.registry.running import GLASGOW, NOW, Registry, fields, refused


async def test_a_device_is_registered_once_and_the_same_again_is_the_same(registry: Registry) -> None:
    first = await registry.ops.post("/api/v1/devices", GLASGOW | {"postcode_district": "g12", "sim_operator": "23410"})
    assert first.status == 201
    assert first.headers["Location"] == "/api/v1/devices/TC-000123"
    assert first.body["postcode_district"] == "G12"
    assert first.body["stage"] == "registered"
    registry.clock.advance(60)
    again = await registry.ops.post("/api/v1/devices", GLASGOW | {"postcode_district": "G12", "sim_operator": "23410"})
    assert (again.status, again.body) == (200, without_claim(first.body))
    assert len(await registry.rows("select from registry.device_change")) == 1


async def test_ingest_is_told_of_a_registration_in_its_transaction_and_once(registry: Registry) -> None:
    await registry.ops.post("/api/v1/devices", GLASGOW)
    await registry.ops.post("/api/v1/devices", GLASGOW)
    (event,) = await registry.rows("select stream, key, body, created_at from chassis.event_log")
    assert event == {
        "stream": "devices",
        "key": "TC-000123",
        "body": {"device_id": "TC-000123", "council_id": "glasgow-city", "change": "registered"},
        "created_at": NOW,
    }


async def test_a_device_registered_otherwise_is_a_conflict_naming_what_differs(registry: Registry) -> None:
    await registry.ops.post("/api/v1/devices", GLASGOW)
    other = GLASGOW | {"model": "Tunstall", "council_id": "fife"}
    problem = refused(await registry.ops.post("/api/v1/devices", other), 409)
    assert fields(problem) == {"model", "council_id"}


async def test_a_serial_belongs_to_one_device(registry: Registry) -> None:
    await registry.ops.post("/api/v1/devices", GLASGOW)
    problem = refused(await registry.ops.post("/api/v1/devices", GLASGOW | {"device_id": "TC-2"}), 409)
    assert fields(problem) == {"serial"}
    await registry.register("TC-2")
    assert fields(refused(await registry.ops.patch("/api/v1/devices/TC-2", {"serial": "SN-123"}), 409)) == {"serial"}


def without_claim(body: dict[str, Any]) -> dict[str, Any]:
    """A claim is shown once: the same again, asked for again, comes without it or with another."""
    return {name: value for name, value in body.items() if not name.startswith("claim")}


WRONG: list[tuple[str, object, str]] = [
    ("device_id", "TC 1", ""),
    ("device_id", "TC-1\n", ""),
    ("council_id", "atlantis", "no such council"),
    ("council_id", "Glasgow", ""),
    ("serial", "", ""),
    ("serial", None, ""),
    ("model", "x" * 65, ""),
    ("model", "a\x00b", ""),
    ("model", "\ud800", ""),
    ("postcode_district", "G12 8QQ", "give the district only (G12)"),
    ("postcode_district", "eh11aa", "give the district only (EH1)"),
    ("postcode_district", "somewhere", "not a postcode district"),
    ("sim_operator", "O2", ""),
    ("installation_ref", "x" * 129, ""),
    ("person", "Mrs Smith", ""),
]


async def test_a_registration_that_is_wrong_is_refused_naming_the_field(
    registry: Registry, subtests: pytest.Subtests
) -> None:
    for field, value, told in WRONG:
        with subtests.test(field=field, value=value):
            problem = refused(await registry.ops.post("/api/v1/devices", GLASGOW | {field: value}), 422)
            assert fields(problem) == {field}
            assert told in problem["errors"][0]["message"]
            assert "Value error" not in problem["detail"]
    assert await registry.rows("select from registry.device") == []


async def test_what_is_missing_is_named(registry: Registry) -> None:
    assert fields(refused(await registry.ops.post("/api/v1/devices", {"model": "x"}), 422)) == {
        "device_id",
        "council_id",
        "serial",
    }
    assert fields(refused(await registry.ops.post("/api/v1/devices", ["no", "object"]), 422)) == {"body"}


async def test_devices_are_listed_newest_first_and_no_page_repeats_or_skips_one(registry: Registry) -> None:
    for number in range(5):
        await registry.register(f"TC-{number}")
        registry.clock.advance(number % 2)  # some are of the same instant
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        query: dict[str, str | int] = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = await registry.ops.get("/api/v1/devices", **query)
        seen += [device["device_id"] for device in page.body["items"]]
        if page.body["next"] is None:
            break
        cursor = page.body["next"]
        await registry.register(f"LATER-{len(seen)}")  # a list that grows meanwhile
    assert seen == ["TC-4", "TC-3", "TC-2", "TC-1", "TC-0"]


async def test_devices_are_found_by_council_stage_and_text(registry: Registry) -> None:
    await registry.register("TC-1", "fife")
    await registry.register("TC-2", "moray")
    await registry.ops.post("/api/v1/devices/TC-2/claim")
    await registry.ops.patch("/api/v1/devices/TC-1", {"installation_ref": "Ref-100%"})

    async def found(**query: str) -> list[str]:
        answer = await registry.ops.get("/api/v1/devices", **query)
        assert answer.status == 200, answer
        return [device["device_id"] for device in answer.body["items"]]

    assert await found(council="fife") == ["TC-1"]
    assert await found(stage="claimed") == ["TC-2"]
    assert await found(council="fife", stage="claimed") == []
    assert await found(q="sn-tc-2") == ["TC-2"]
    assert await found(q="100%") == ["TC-1"]
    assert await found(q="%") == ["TC-1"]
    assert await found(council="atlantis") == []


async def test_a_question_that_is_wrong_is_refused_naming_the_field(
    registry: Registry, subtests: pytest.Subtests
) -> None:
    for field, value in (
        ("stage", "lost"),
        ("limit", "0"),
        ("limit", "501"),
        ("limit", "many"),
        ("cursor", "nonsense"),
        ("cursor", "W251bGwsImZpZmUiXQ"),  # of the list of councils
        ("q", "a\x00"),
        ("council", "Glasgow"),
    ):
        with subtests.test(field=field, value=value):
            assert fields(refused(await registry.ops.get("/api/v1/devices", **{field: value}), 422)) == {field}


async def test_a_change_is_kept_in_the_history_with_who_made_it(registry: Registry) -> None:
    await registry.register("TC-1")
    registry.clock.advance(60)
    changed = await registry.ops.patch("/api/v1/devices/TC-1", {"postcode_district": "eh1", "sole_trigger": "pendant"})
    assert changed.status == 200
    assert changed.body["postcode_district"] == "EH1"
    unchanged = await registry.ops.patch("/api/v1/devices/TC-1", {"postcode_district": "EH1"})
    assert unchanged.body == changed.body
    cleared = await registry.ops.patch("/api/v1/devices/TC-1", {"postcode_district": None})
    assert cleared.body["postcode_district"] is None
    history = (await registry.ops.get("/api/v1/devices/TC-1")).body["history"]
    assert [(line["change"], line["actor"]) for line in history] == [
        ("patched", "bootstrap"),
        ("patched", "bootstrap"),
        ("registered", "bootstrap"),
    ]
    assert history[1]["before"] == {"postcode_district": None, "sole_trigger": None}
    assert history[1]["after"] == {"postcode_district": "EH1", "sole_trigger": "pendant"}
    assert history[1]["at"] == "2026-11-21T09:01:00Z"


async def test_what_may_not_be_changed_or_cleared_is_refused_naming_the_field(
    registry: Registry, subtests: pytest.Subtests
) -> None:
    await registry.register("TC-1")
    bodies: list[dict[str, Any]] = [{"serial": None}, {"council_id": None}, {"stage": "live"}, {"device_id": "TC-2"}]
    for body in bodies:
        with subtests.test(body=body):
            assert fields(refused(await registry.ops.patch("/api/v1/devices/TC-1", body), 422)) == set(body)


async def test_a_device_that_moves_to_another_council_takes_ingest_along(registry: Registry) -> None:
    await registry.register("TC-1", "fife")
    assert (await registry.ops.patch("/api/v1/devices/TC-1", {"council_id": "moray"})).status == 200
    assert fields(refused(await registry.ops.patch("/api/v1/devices/TC-1", {"council_id": "mars"}), 422)) == {
        "council_id"
    }
    bodies = [row["body"] for row in await registry.rows("select body from chassis.event_log order by event_log_id")]
    assert [(body["council_id"], body["change"]) for body in bodies] == [("fife", "registered"), ("moray", "moved")]


async def test_a_device_goes_from_the_claim_to_live_and_through_a_suspension(registry: Registry) -> None:
    await registry.register("TC-1")
    stages = []
    for move in ("claim", "install", "commission", "go-live", "suspend", "resume", "withdraw"):
        registry.clock.advance(60)
        word = {"override": True, "reason": "tried by hand"} if move == "go-live" else {"reason": "as agreed"}
        answer = await registry.ops.post(f"/api/v1/devices/TC-1/{move}", word if move != "claim" else None)
        assert answer.status == 200, answer
        stages.append(answer.body["stage"])
        if move == "go-live":
            live_at = answer.body["live_at"]
    assert stages == ["claimed", "installed", "commissioning", "live", "suspended", "live", "withdrawn"]
    assert answer.body["live_at"] == live_at == "2026-11-21T09:04:00Z"


async def test_an_illegal_move_is_a_conflict_that_says_which_are_legal(registry: Registry) -> None:
    await registry.register("TC-1")
    problem = refused(await registry.ops.post("/api/v1/devices/TC-1/resume"), 409)
    assert problem["reason"] == "illegal_move"
    assert problem["legal_moves"] == ["claim", "replace", "withdraw", "go-live"]
    await registry.ops.post("/api/v1/devices/TC-1/withdraw", {"reason": "returned"})
    assert refused(await registry.ops.post("/api/v1/devices/TC-1/claim"), 409)["legal_moves"] == ["reinstate"]


async def test_a_move_repeated_over_a_poor_line_changes_nothing(registry: Registry) -> None:
    await registry.register("TC-1")
    first = await registry.ops.post("/api/v1/devices/TC-1/claim")
    registry.clock.advance(60)
    again = await registry.ops.post("/api/v1/devices/TC-1/claim")
    assert (again.status, without_claim(again.body)) == (200, without_claim(first.body))
    assert len(await registry.rows("select from registry.device_change where change = 'claimed'")) == 1


async def test_ops_put_a_registered_device_live_only_with_a_reason(registry: Registry) -> None:
    await registry.register("TC-1")
    assert fields(refused(await registry.ops.post("/api/v1/devices/TC-1/go-live"), 422)) == {"reason"}
    answer = await registry.ops.post("/api/v1/devices/TC-1/go-live", {"reason": "migrated from the old platform"})
    assert (answer.status, answer.body["stage"]) == (200, "live")
    history = (await registry.ops.get("/api/v1/devices/TC-1")).body["history"]
    assert (history[0]["change"], history[0]["reason"]) == ("live", "migrated from the old platform")
    engineer = await registry.caller("engineer", councils=["glasgow-city"])
    await registry.register("TC-2")
    problem = refused(await engineer.post("/api/v1/devices/TC-2/go-live", {"reason": "trust me"}), 409)
    assert problem["legal_moves"] == ["claim", "replace", "withdraw"]


async def test_a_device_that_does_not_exist_is_not_found(registry: Registry) -> None:
    for method, path in (
        ("GET", "/api/v1/devices/NONE"),
        ("PATCH", "/api/v1/devices/NONE"),
        ("POST", "/api/v1/devices/NONE/claim"),
    ):
        body: object = {} if method == "PATCH" else None
        assert "NONE" in refused(await registry.ops.send(method, path, body), 404)["detail"]
    refused(await registry.ops.get("/api/v1/devices/%00"), 422)
    refused(await registry.ops.post("/api/v1/devices/NONE/explode"), 404)
