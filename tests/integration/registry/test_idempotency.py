"""A phone in a hallway sends everything twice, for it never knows whether the first was heard."""

from __future__ import annotations

import asyncio
from typing import Any

from contracts.access import Principal
from contracts.ids import CouncilId
from services.registry.idempotency import caller_of
from tests.blackbox.api import Answer, Api
from tests.integration.registry.running import GLASGOW, Registry, fields, refused

DEVICES = "/api/v1/devices"


async def send(api: Api, path: str, body: object = None, key: str | None = "a-key-of-this-phone") -> Answer:
    headers = api.headers | ({"Idempotency-Key": key} if key else {})
    async with api.session.post(api.url + path, json=body, headers=headers) as response:
        return Answer(response.status, await response.json(content_type=None), response.headers.copy())


async def test_the_same_request_again_has_the_same_answer_and_does_nothing(registry: Registry) -> None:
    first = await send(registry.ops, DEVICES, GLASGOW)
    registry.clock.advance(3600)
    again = await send(registry.ops, DEVICES, GLASGOW)
    assert (first.status, again.status) == (201, 201)
    assert again.headers["Idempotent-Replay"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert without_claim(again.body) == without_claim(first.body)
    assert first.body["claim"]["code"]
    assert again.body["claim"] is None, "a claim is shown once"
    kept = await registry.rows("select answer from registry.idempotency_key")
    assert first.body["claim"]["code"].encode() not in kept[0]["answer"]
    assert len(await registry.rows("select from registry.device_change")) == 1


def without_claim(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if not name.startswith("claim")}


async def test_another_request_under_the_same_key_is_refused_and_not_done(registry: Registry) -> None:
    await send(registry.ops, DEVICES, GLASGOW)
    other = GLASGOW | {"device_id": "TC-2", "serial": "SN-2"}
    assert fields(refused(await send(registry.ops, DEVICES, other), 422)) == {"Idempotency-Key"}
    assert fields(refused(await send(registry.ops, f"{DEVICES}/TC-000123/claim"), 422)) == {"Idempotency-Key"}
    assert len(await registry.rows("select from registry.device")) == 1


async def test_a_refusal_is_told_again_as_it_was(registry: Registry) -> None:
    await registry.register("TC-1")
    first = refused(await send(registry.ops, f"{DEVICES}/TC-1/resume"), 409)
    again = await send(registry.ops, f"{DEVICES}/TC-1/resume")
    assert refused(again, 409) == first
    assert again.headers["Idempotent-Replay"] == "true"


async def test_a_key_is_its_senders_own(registry: Registry) -> None:
    await registry.register("TC-1")
    glasgow = await registry.caller("engineer", "Ewan", councils=["glasgow-city"])
    mairi = await registry.caller("engineer", "Mairi", councils=["glasgow-city"])
    await send(glasgow, f"{DEVICES}/TC-1/claim")
    assert "Idempotent-Replay" not in (await send(mairi, f"{DEVICES}/TC-1/claim")).headers


async def test_a_later_token_of_the_same_name_is_answered_nothing_that_the_one_before_was_told(
    registry: Registry,
) -> None:
    await registry.register("TC-1")
    before = await registry.caller("engineer", "Ewan", councils=["glasgow-city"])
    assert (await send(before, f"{DEVICES}/TC-1/claim")).status == 200
    await registry.execute("update registry.access_token set revoked_at = $1 where name = 'Ewan'", registry.clock.now())
    elsewhere = await registry.caller("engineer", "Ewan", councils=["fife"])
    answer = await send(elsewhere, f"{DEVICES}/TC-1/claim")
    assert "Idempotent-Replay" not in answer.headers
    refused(answer, 403)


def test_a_person_who_signs_in_again_has_their_keys_unless_they_are_of_other_councils_by_now() -> None:
    def keys(*councils: str) -> bytes:
        return caller_of(Principal("Ewan", "engineer", councils=frozenset(map(CouncilId, councils))), "Ewan R")

    assert keys("fife", "angus") == keys("angus", "fife")
    assert keys("fife") != keys("fife", "angus")


async def test_who_may_not_is_not_answered_from_what_another_was_told(registry: Registry) -> None:
    await send(registry.ops, DEVICES, GLASGOW)
    refused(await send(registry.ops.by(None), DEVICES, GLASGOW), 401)
    refused(await send(registry.ops.by("wrong"), DEVICES, GLASGOW), 401)
    viewer = await registry.caller("viewer")
    refused(await send(viewer, DEVICES, GLASGOW), 403)


async def test_two_at_once_do_it_once(registry: Registry) -> None:
    await registry.register("TC-1")
    told = await asyncio.gather(*(send(registry.ops, f"{DEVICES}/TC-1/claim") for _ in range(8)))
    assert {each.status for each in told} <= {200, 409}
    assert sum(each.status == 200 and "Idempotent-Replay" not in each.headers for each in told) == 1
    assert all(each.body.get("reason") == "being_answered" for each in told if each.status == 409)
    assert len(await registry.rows("select from registry.device_change where change = 'claimed'")) == 1


async def test_a_request_whose_process_was_killed_is_done_by_the_next_after_a_minute(registry: Registry) -> None:
    await registry.register("TC-1")
    await send(registry.ops, f"{DEVICES}/TC-1/claim")
    await registry.execute(
        "update registry.idempotency_key set answered_at = null, status = null, headers = null, answer = null"
    )
    assert (await send(registry.ops, f"{DEVICES}/TC-1/claim")).body["reason"] == "being_answered"
    registry.clock.advance(61)
    answer = await send(registry.ops, f"{DEVICES}/TC-1/claim")
    assert (answer.status, answer.body["stage"]) == (200, "claimed")


async def test_a_body_that_cannot_be_read_uses_no_key_up(registry: Registry) -> None:
    assert (await send(registry.ops, DEVICES, {"device_id": 1})).status == 422
    assert (await send(registry.ops, DEVICES, GLASGOW)).status == 201


async def test_a_key_of_another_shape_is_refused(registry: Registry) -> None:
    assert fields(refused(await send(registry.ops, DEVICES, GLASGOW, key="two words"), 422)) == {"Idempotency-Key"}
    assert fields(refused(await send(registry.ops, DEVICES, GLASGOW, key="x" * 129), 422)) == {"Idempotency-Key"}


async def test_what_was_answered_is_kept_for_a_week_and_can_be_read_by_nobody_else(registry: Registry) -> None:
    await send(registry.ops, DEVICES, GLASGOW | {"installation_ref": "INST-4711"})
    (row,) = await registry.rows("select answer, headers::text as headers from registry.idempotency_key")
    assert b"INST-4711" not in row["answer"]
    forget = next(loop for loop in registry.service.loops if loop.name == "idempotency-forgets")
    registry.clock.advance(6 * 24 * 3600)
    await forget.run_once()
    assert len(await registry.rows("select from registry.idempotency_key")) == 1
    registry.clock.advance(2 * 24 * 3600)
    await forget.run_once()
    assert await registry.rows("select from registry.idempotency_key") == []


async def test_a_claim_is_not_told_twice_by_a_replay(registry: Registry) -> None:
    """Whose answer was lost claims again, for a claim is kept nowhere that it could be told from."""
    await registry.register("TC-1")
    first = await send(registry.ops, f"{DEVICES}/TC-1/claim")
    again = await send(registry.ops, f"{DEVICES}/TC-1/claim")
    assert first.body["claim"]["code"]
    assert (again.status, again.body["claim"]) == (200, None)
    assert "claim the device again" in again.body["claim_problem"]
    anew = await send(registry.ops, f"{DEVICES}/TC-1/claim", key="another-key")
    assert anew.body["claim"]["code"] not in {None, first.body["claim"]["code"]}


async def test_the_documents_tell_of_the_key_where_it_is_heeded_and_nowhere_else(registry: Registry) -> None:
    document = (await registry.ops.get("/openapi.json")).body
    heeding = {
        f"{method.upper()} {path}": [each["name"] for each in operation.get("parameters", [])].count("Idempotency-Key")
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    told = {name for name, times in heeding.items() if times}
    assert set(heeding.values()) == {0, 1}, "told once"
    device = f"{DEVICES}/{{device_id}}"
    assert told >= {
        f"POST {DEVICES}",
        f"PATCH {device}",
        f"POST {device}/claim",
        f"POST {device}/go-live",
        f"POST {device}/replace",
    }
    assert not any(name.startswith("GET ") for name in told)
    assert f"POST {device}/erase" not in told
