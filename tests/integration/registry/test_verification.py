"""Before a channel or a responder counts: a code is sent to it, and entered."""

import asyncio
import json
from typing import Any

import pytest

from tests.integration.registry.running import Registry, fields, refused

EMAIL = {"kind": "email", "address": "night.desk@arc.example"}
ISLA = {"kind": "sms", "name": "Isla", "address": "07700 900123"}


async def channel(registry: Registry, hub_id: str = "clyde-arc") -> str:
    """The path of a hub's channel that has not been verified."""
    made = await registry.ops.put(f"/api/v1/hubs/{hub_id}", {"name": hub_id, "channels": [EMAIL]})
    return f"/api/v1/hubs/{hub_id}/channels/{made.body['channels'][0]['channel_id']}"


async def told(registry: Registry) -> list[dict[str, Any]]:
    """What alerts was told to send, oldest first."""
    rows = await registry.rows(
        "select key, body::text as body from chassis.event_log where stream = 'verifications' order by event_log_id"
    )
    bodies = [json.loads(row["body"]) for row in rows]
    assert [row["key"] for row in rows] == [body["channel_id"] for body in bodies]
    return bodies


async def code(registry: Registry) -> str:
    sent: str = (await told(registry))[-1]["code"]
    return sent


def other_than(sent: str) -> str:
    return f"{(int(sent) + 1) % 1_000_000:06}"


async def verified(registry: Registry) -> bool:
    return (await registry.ops.get("/api/v1/hubs/clyde-arc")).body["channels"][0]["verified"] is True


async def test_a_code_is_sent_over_the_channel_and_entering_it_makes_the_channel_count(registry: Registry) -> None:
    path = await channel(registry)
    sent = await registry.ops.post(f"{path}/verification")
    assert (sent.status, sent.body["attempts_left"]) == (202, 5)
    (body,) = await told(registry)
    assert (body["owner"], body["hub_id"], body["channel_id"]) == ("hub", "clyde-arc", path.rpartition("/")[2])
    assert body["expires_at"] == sent.body["expires_at"]
    assert body["code"] not in str(sent)
    assert not await verified(registry)
    entered = await registry.ops.post(f"{path}/verify", {"code": body["code"]})
    assert (entered.status, entered.body["verified"]) == (200, True)
    assert await verified(registry)


async def test_a_responder_is_verified_likewise(registry: Registry) -> None:
    made = (await registry.ops.post("/api/v1/councils/fife/responders", ISLA)).body
    path = f"/api/v1/councils/fife/responders/{made['responder_id']}"
    assert (await registry.ops.post(f"{path}/verification")).status == 202
    (body,) = await told(registry)
    assert (body["owner"], body["hub_id"], body["channel_id"]) == ("responder", None, made["responder_id"])
    spaced = f"{body['code'][:3]} {body['code'][3:]} "
    assert (await registry.ops.post(f"{path}/verify", {"code": spaced})).status == 200
    (listed,) = (await registry.ops.get("/api/v1/councils/fife/responders")).body["items"]
    assert listed["verified"]
    elsewhere = path.replace("fife", "angus")
    refused(await registry.ops.post(f"{elsewhere}/verification"), 404)


async def test_a_hub_verifies_its_own_channels_and_no_others(registry: Registry) -> None:
    own, foreign = await channel(registry), await channel(registry, "forth-arc")
    hub = await registry.caller("hub", hub_id="clyde-arc")
    assert (await hub.post(f"{own}/verification")).status == 202
    assert (await hub.post(f"{own}/verify", {"code": await code(registry)})).status == 200
    refused(await hub.post(f"{foreign}/verification"), 403)
    # Nor by naming another's channel as one's own.
    stolen = f"{own.rpartition('/')[0]}/{foreign.rpartition('/')[2]}"
    refused(await hub.post(f"{stolen}/verification"), 404)
    refused(await hub.post(f"{stolen}/verify", {"code": "123456"}), 404)
    assert len(await told(registry)) == 1


async def test_a_wrong_code_is_told_and_five_of_them_void_it(registry: Registry) -> None:
    path = await channel(registry)
    await registry.ops.post(f"{path}/verification")
    right = await code(registry)
    for left in ("4 more", "3 more", "2 more", "1 more", "void"):
        problem = refused(await registry.ops.post(f"{path}/verify", {"code": other_than(right)}), 422)
        assert fields(problem) == {"code"}
        assert left in problem["detail"]
    assert "another" in refused(await registry.ops.post(f"{path}/verify", {"code": right}), 429)["detail"]
    registry.clock.advance(60)
    await registry.ops.post(f"{path}/verification")
    assert (await registry.ops.post(f"{path}/verify", {"code": await code(registry)})).status == 200


async def test_what_cannot_be_a_code_is_no_attempt(registry: Registry, subtests: pytest.Subtests) -> None:
    path = await channel(registry)
    await registry.ops.post(f"{path}/verification")
    for wrong in ("12345", "1234567", "12345x", "", "١٢٣٤٥٦", 123456, None):
        with subtests.test(code=wrong):
            assert fields(refused(await registry.ops.post(f"{path}/verify", {"code": wrong}), 422)) == {"code"}
    (row,) = await registry.rows("select attempts from registry.verification")
    assert row == {"attempts": 0}


async def test_guesses_made_at_the_same_time_count_each(registry: Registry) -> None:
    path = await channel(registry)
    await registry.ops.post(f"{path}/verification")
    wrong = {"code": other_than(await code(registry))}
    answers = await asyncio.gather(*(registry.ops.post(f"{path}/verify", wrong) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [422] * 5 + [429] * 3


async def test_a_code_expires(registry: Registry) -> None:
    path = await channel(registry)
    assert "sends one" in refused(await registry.ops.post(f"{path}/verify", {"code": "123456"}), 409)["detail"]
    await registry.ops.post(f"{path}/verification")
    registry.clock.advance(15 * 60)
    assert (
        "another" in refused(await registry.ops.post(f"{path}/verify", {"code": await code(registry)}), 410)["detail"]
    )


async def test_only_the_latest_code_counts(registry: Registry) -> None:
    path = await channel(registry)
    await registry.ops.post(f"{path}/verification")
    first = await code(registry)
    registry.clock.advance(60)
    await registry.ops.post(f"{path}/verification")
    second = await code(registry)
    if first != second:  # once in a million they are the same
        refused(await registry.ops.post(f"{path}/verify", {"code": first}), 422)
    assert (await registry.ops.post(f"{path}/verify", {"code": second})).status == 200


async def test_codes_are_sent_one_a_minute_and_five_an_hour(registry: Registry) -> None:
    path = await channel(registry)
    for _ in range(5):
        assert (await registry.ops.post(f"{path}/verification")).status == 202
        registry.clock.advance(59)
        answer = await registry.ops.post(f"{path}/verification")
        refused(answer, 429)
        registry.clock.advance(1)
    wait_s = int(answer.headers["Retry-After"])
    assert wait_s == 3600 - 4 * 60 - 59
    answer = await registry.ops.post(f"{path}/verification")
    assert answer.headers["Retry-After"] == str(wait_s - 1)
    registry.clock.advance(wait_s - 1)
    assert (await registry.ops.post(f"{path}/verification")).status == 202
    assert len(await told(registry)) == 6


async def test_what_is_verified_already_gets_no_code(registry: Registry) -> None:
    made = await registry.ops.put("/api/v1/hubs/clyde-arc", {"name": "C", "channels": [EMAIL | {"verified": True}]})
    path = f"/api/v1/hubs/clyde-arc/channels/{made.body['channels'][0]['channel_id']}"
    refused(await registry.ops.post(f"{path}/verification"), 409)
    refused(await registry.ops.post(f"{path}/verify", {"code": "123456"}), 409)
    assert await told(registry) == []


async def test_a_code_for_the_address_before_verifies_no_other(registry: Registry) -> None:
    path = await channel(registry)
    await registry.ops.post(f"{path}/verification")
    moved = {"channel_id": path.rpartition("/")[2], "kind": "email", "address": "other@arc.example"}
    await registry.ops.put("/api/v1/hubs/clyde-arc", {"name": "C", "channels": [moved]})
    refused(await registry.ops.post(f"{path}/verify", {"code": await code(registry)}), 409)
    await registry.ops.put("/api/v1/hubs/clyde-arc", {"name": "C", "channels": []})
    refused(await registry.ops.post(f"{path}/verify", {"code": await code(registry)}), 404)

    made = (await registry.ops.post("/api/v1/councils/fife/responders", ISLA)).body
    responder = f"/api/v1/councils/fife/responders/{made['responder_id']}"
    await registry.ops.post(f"{responder}/verification")
    await registry.ops.put(responder, {"address": "07700 900124"})
    refused(await registry.ops.post(f"{responder}/verify", {"code": await code(registry)}), 409)
    assert await registry.rows("select from registry.verification") == []


async def test_a_change_of_the_hub_that_leaves_the_address_keeps_the_code(registry: Registry) -> None:
    path = await channel(registry)
    await registry.ops.post(f"{path}/verification")
    await registry.ops.put("/api/v1/hubs/clyde-arc", {"name": "Clyde", "channels": [{"kind": "mqtt"}, EMAIL]})
    assert (await registry.ops.post(f"{path}/verify", {"code": await code(registry)})).status == 200


async def test_a_code_that_is_entered_while_the_hub_is_changed_is_not_lost(registry: Registry) -> None:
    path = await channel(registry)
    await registry.ops.post(f"{path}/verification")
    right = {"code": await code(registry)}
    change = {"name": "Clyde", "channels": [EMAIL]}
    changes = [registry.ops.put("/api/v1/hubs/clyde-arc", change) for _ in range(6)]
    entered, *_ = await asyncio.gather(registry.ops.post(f"{path}/verify", right), *changes)
    assert entered.status == 200
    assert await verified(registry)


async def test_a_code_is_kept_as_a_digest_and_never_logged(
    registry: Registry, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    path = await channel(registry)
    await registry.ops.post(f"{path}/verification")
    sent = await code(registry)
    wrong = other_than(sent)
    await registry.ops.post(f"{path}/verify", {"code": wrong})
    await registry.ops.post(f"{path}/verify", {"code": sent})
    logged = caplog.text + "".join(capfd.readouterr())
    assert "channel_verified" in logged
    assert sent not in logged
    assert wrong not in logged


async def test_two_channels_are_verified_each_for_itself(registry: Registry) -> None:
    paths = [await channel(registry), await channel(registry, "forth-arc")]
    for path in paths:
        await registry.ops.post(f"{path}/verification")
    first, second = [body["code"] for body in await told(registry)]
    if first != second:
        refused(await registry.ops.post(f"{paths[0]}/verify", {"code": second}), 422)
    assert (await registry.ops.post(f"{paths[0]}/verify", {"code": first})).status == 200
