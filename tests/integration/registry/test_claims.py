"""Claims over HTTP: shown once, issued again when asked for, for those who fit devices in that council."""

import re
from typing import Any

import pytest

from tests.integration.registry.running import GLASGOW, Registry, fields, refused

CODE = re.compile(r"[A-Z2-7]{5}(-[A-Z2-7]{5}){3}-[A-Z2-7]{6}")


async def test_registering_a_device_shows_its_claim_once(registry: Registry) -> None:
    first = await registry.ops.post("/api/v1/devices", GLASGOW)
    claim = first.body["claim"]
    assert CODE.fullmatch(claim["code"])
    assert (claim["username"], claim["expires_at"]) == ("claim:SN-123", "2026-11-21T10:00:00Z")
    for again in (
        await registry.ops.post("/api/v1/devices", GLASGOW),
        await registry.ops.get("/api/v1/devices/TC-000123"),
        await registry.ops.get("/api/v1/devices"),
        await registry.ops.get("/api/v1/devices/export"),
    ):
        assert claim["code"] not in str(again.body)


async def test_a_device_that_is_only_ordered_has_no_claim_yet(registry: Registry) -> None:
    ordered = await registry.ops.post("/api/v1/devices", GLASGOW | {"stage": "ordered"})
    assert (ordered.status, "claim" in ordered.body) == (201, False)
    assert (await registry.ops.post("/api/v1/devices/TC-000123/claim")).body["claim"] is not None


async def test_a_device_is_claimed_again_in_any_stage_and_stays_in_it(registry: Registry) -> None:
    await registry.register("TC-1")
    codes = set()
    for stage, move in (("claimed", "install"), ("installed", "commission"), ("commissioning", None)):
        answer = await registry.ops.post("/api/v1/devices/TC-1/claim", {"reason": "the unit was reset"})
        assert (answer.status, answer.body["stage"]) == (200, stage)
        codes.add(answer.body["claim"]["code"])
        if move is not None:
            await registry.ops.post(f"/api/v1/devices/TC-1/{move}")
    assert len(codes) == 3
    valid = await registry.rows("select from registry.claim where revoked_at is null")
    assert len(valid) == 1


@pytest.mark.parametrize(("lives_s", "until"), [(60, "09:01"), (7 * 24 * 3600, "2026-11-28T09:00")])
async def test_a_claim_lives_as_long_as_is_asked_for(registry: Registry, lives_s: int, until: str) -> None:
    await registry.register("TC-1")
    answer = await registry.ops.post("/api/v1/devices/TC-1/claim", {"lives_s": lives_s})
    assert until in answer.body["claim"]["expires_at"]


@pytest.mark.parametrize("lives_s", [0, 59, 7 * 24 * 3600 + 1, -1, "for ever"])
async def test_no_claim_lives_longer_than_a_week_or_shorter_than_a_minute(registry: Registry, lives_s: Any) -> None:
    await registry.register("TC-1")
    problem = refused(await registry.ops.post("/api/v1/devices/TC-1/claim", {"lives_s": lives_s}), 422)
    assert fields(problem) == {"lives_s"}


async def test_a_serial_that_cannot_be_part_of_a_topic_gets_no_claim_and_says_why(registry: Registry) -> None:
    """Nothing else is kept from it: it may be installed, by a credential that somebody gives it otherwise."""
    answer = await registry.ops.post("/api/v1/devices", GLASGOW | {"serial": "SN/123 #4"})
    assert (answer.status, answer.body["claim"]) == (201, None)
    assert "serial" in answer.body["claim_problem"]
    claimed = await registry.ops.post("/api/v1/devices/TC-000123/claim")
    assert (claimed.status, claimed.body["stage"], claimed.body["claim"]) == (200, "claimed", None)


async def test_a_claim_is_for_whoever_fits_devices_in_that_council(registry: Registry) -> None:
    await registry.make_hub("clyde-arc", "glasgow-city")
    await registry.register("TC-1")
    here = await registry.caller("engineer", councils=["glasgow-city"])
    assert (await here.post("/api/v1/devices/TC-1/claim")).body["claim"] is not None
    for other in (
        await registry.caller("engineer", "of fife", councils=["fife"]),
        await registry.caller("viewer"),
        await registry.caller("hub", hub_id="clyde-arc"),
    ):
        refused(await other.post("/api/v1/devices/TC-1/claim"), 403)


async def test_a_withdrawn_device_is_not_claimed_and_its_claim_is_void(registry: Registry) -> None:
    await registry.register("TC-1")
    await registry.ops.post("/api/v1/devices/TC-1/withdraw")
    assert refused(await registry.ops.post("/api/v1/devices/TC-1/claim"), 409)["legal_moves"] == ["reinstate"]
    assert await registry.rows("select from registry.claim where revoked_at is null") == []


async def test_a_request_repeated_under_its_key_is_answered_without_the_claim(registry: Registry) -> None:
    """Nothing that lets anybody in is kept, not even so that it can be said again."""
    url = f"{registry.ops.url}/api/v1/devices"
    headers = registry.ops.headers | {"Idempotency-Key": "the-phone-tried-again"}
    answers = []
    for _ in range(2):
        async with registry.ops.session.post(url, json=GLASGOW, headers=headers) as response:
            assert response.status == 201
            answers.append(await response.json())
    first, again = answers
    assert first["claim"] is not None
    assert again["claim"] is None
    assert "claim the device again" in again["claim_problem"]
