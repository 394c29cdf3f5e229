"""Who may do what: every route of the registry in every role, and tokens from their making to their revocation."""

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest

from services.chassis.http import access
from services.chassis.postgres.pool import connect
from services.registry.tokens import TokenError, create_token, list_tokens, revoke_token
from tests.blackbox.api import Api
from tests.integration.registry.running import GLASGOW, NOW, Registry, refused
from tests.support.servers import Database

HUB = {"name": "Clyde ARC", "channels": [{"kind": "mqtt"}]}
NOBODY = "00000000-0000-4000-8000-000000000000"
NEW = GLASGOW | {"device_id": "NEW", "serial": "NEW"}

# Stories of the registry (every route in every role: tests/integration/authorisation).
# Route, body, and what an engineer of Glasgow, the hub of Glasgow, and a viewer are answered. Ops may do everything.
MATRIX: list[tuple[str, str, object, int, int, int]] = [
    ("GET", "/api/v1/councils", None, 200, 200, 200),
    ("GET", "/api/v1/councils/fife", None, 200, 200, 200),
    ("PUT", "/api/v1/councils/fife", {}, 403, 403, 403),
    ("PUT", "/api/v1/councils/fife/routing", {"hubs": ["clyde-arc"]}, 403, 403, 403),
    ("GET", "/api/v1/councils/fife/routing", None, 200, 200, 200),
    ("GET", "/api/v1/councils/fife/policies", None, 200, 200, 200),
    ("GET", "/api/v1/councils/fife/responders", None, 403, 403, 403),
    ("POST", "/api/v1/councils/fife/responders", {}, 403, 403, 403),
    ("PUT", f"/api/v1/councils/fife/responders/{NOBODY}", {}, 403, 403, 403),
    ("DELETE", f"/api/v1/councils/fife/responders/{NOBODY}", None, 403, 403, 403),
    ("POST", f"/api/v1/councils/fife/responders/{NOBODY}/verification", None, 403, 403, 403),
    ("POST", f"/api/v1/councils/fife/responders/{NOBODY}/verify", {"code": "123456"}, 403, 403, 403),
    ("POST", f"/api/v1/hubs/forth-arc/channels/{NOBODY}/verification", None, 403, 403, 403),
    ("POST", f"/api/v1/hubs/forth-arc/channels/{NOBODY}/verify", {"code": "123456"}, 403, 403, 403),
    ("POST", f"/api/v1/hubs/clyde-arc/channels/{NOBODY}/verification", None, 403, 404, 403),
    ("POST", f"/api/v1/hubs/clyde-arc/channels/{NOBODY}/verify", {"code": "123456"}, 403, 404, 403),
    ("GET", "/api/v1/hubs", None, 403, 200, 200),
    ("GET", "/api/v1/hubs/clyde-arc", None, 403, 200, 200),
    ("GET", "/api/v1/hubs/forth-arc", None, 403, 403, 200),
    ("PUT", "/api/v1/hubs/clyde-arc", HUB, 403, 403, 403),
    ("GET", "/api/v1/devices", None, 200, 200, 200),
    ("POST", "/api/v1/devices/import", None, 422, 403, 403),
    ("GET", "/api/v1/devices/export", None, 200, 200, 200),
    ("GET", "/api/v1/devices/IN", None, 200, 200, 200),
    ("GET", "/api/v1/devices/OUT", None, 403, 403, 200),
    ("POST", "/api/v1/devices", NEW, 201, 403, 403),
    ("POST", "/api/v1/devices", NEW | {"council_id": "fife"}, 403, 403, 403),
    ("PATCH", "/api/v1/devices/IN", {"model": "other"}, 200, 403, 403),
    ("PATCH", "/api/v1/devices/IN", {"council_id": "fife"}, 403, 403, 403),
    ("PATCH", "/api/v1/devices/OUT", {"model": "other"}, 403, 403, 403),
    ("POST", "/api/v1/devices/OUT/claim", None, 403, 403, 403),
    ("POST", "/api/v1/devices/IN/register", None, 200, 403, 403),
    ("POST", "/api/v1/devices/IN/claim", None, 200, 403, 403),
    ("POST", "/api/v1/devices/IN/install", None, 200, 403, 403),
    ("POST", "/api/v1/devices/IN/commission", None, 200, 403, 403),
    ("POST", "/api/v1/devices/IN/report-now", None, 202, 403, 403),
    ("POST", "/api/v1/devices/OUT/report-now", None, 403, 403, 403),
    ("GET", "/api/v1/devices/IN/checklist", None, 200, 200, 200),
    ("GET", "/api/v1/devices/OUT/checklist", None, 403, 403, 200),
    ("GET", "/api/v1/devices/NONE/checklist/stream", None, 404, 404, 404),  # of one that is there it has no end
    ("GET", "/api/v1/heard-devices", None, 200, 403, 403),
    ("POST", "/api/v1/devices/IN/go-live", {"override": True, "reason": "tried by hand"}, 200, 403, 403),
    ("POST", "/api/v1/devices/IN/suspend", None, 200, 403, 403),
    ("POST", "/api/v1/devices/IN/resume", None, 200, 403, 403),
    ("POST", "/api/v1/devices/IN/replace", {"device_id": "OUT"}, 403, 403, 403),
    ("POST", "/api/v1/devices/OUT/replace", {"device_id": "IN"}, 403, 403, 403),
    ("POST", "/api/v1/devices/IN/withdraw", {"reason": "returned"}, 200, 403, 403),
    ("POST", "/api/v1/devices/IN/reinstate", {"reason": "another was meant"}, 403, 403, 403),
    ("GET", "/api/v1/models", None, 200, 200, 200),
    ("GET", "/api/v1/models/default", None, 200, 200, 200),
    ("PUT", "/api/v1/models/hearth-4g", {"heartbeat_interval_s": 60}, 403, 403, 403),
    ("DELETE", "/api/v1/models/hearth-4g", None, 403, 403, 403),
    ("GET", "/api/v1/rollout", None, 200, 200, 200),
    ("GET", "/api/v1/rollout/history", None, 200, 200, 200),
    ("GET", "/api/v1/rollout/target", None, 200, 200, 200),
    ("PUT", "/api/v1/rollout/target", {"target": 1}, 403, 403, 403),
]


async def test_every_route_answers_each_role_as_it_may(registry: Registry, subtests: pytest.Subtests) -> None:
    await registry.make_hub("clyde-arc", "glasgow-city")
    await registry.make_hub("forth-arc", "fife")
    await registry.register("IN", "glasgow-city")
    await registry.register("OUT", "fife")
    hub = await registry.caller("hub", hub_id="clyde-arc")
    viewer = await registry.caller("viewer")
    engineer = await registry.caller("engineer", councils=["glasgow-city"])
    for method, path, body, engineers, hubs, viewers in MATRIX:
        # The engineer last: what he may do, he does.
        for role, caller, expected in (
            ("hub", hub, hubs),
            ("viewer", viewer, viewers),
            ("engineer", engineer, engineers),
        ):
            with subtests.test(route=f"{method} {path}", role=role):
                answer = await caller.send(method, path, body)
                assert answer.status == expected, answer
                assert expected < 400 or answer.body["status"] == expected


async def test_no_route_answers_without_a_token_or_with_a_wrong_one(
    registry: Registry, subtests: pytest.Subtests
) -> None:
    for method, path, body, *_ in MATRIX:
        for token in (None, "wrong", "bootstrap-token-of-this-tesT"):
            with subtests.test(route=f"{method} {path}", token=token):
                answer = await registry.ops.by(token).send(method, path, body)
                refused(answer, 401)
                assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    for header in ("Basic b3BzOm9wcw==", "Bearer", "bootstrap-token-of-this-test"):
        async with registry.ops.session.get(
            registry.ops.url + "/api/v1/councils", headers={"Authorization": header}
        ) as response:
            assert response.status == 401


async def test_lists_hold_only_what_the_caller_may_see(registry: Registry) -> None:
    await registry.make_hub("clyde-arc", "glasgow-city")
    await registry.make_hub("forth-arc", "fife")
    await registry.register("IN", "glasgow-city")
    await registry.register("OUT", "fife")

    async def ids(caller: Api, path: str, key: str) -> list[Any]:
        return [item[key] for item in (await caller.get(path)).body["items"]]

    hub = await registry.caller("hub", hub_id="clyde-arc")
    engineer = await registry.caller("engineer", councils=["glasgow-city"])
    assert await ids(hub, "/api/v1/hubs", "hub_id") == ["clyde-arc"]
    assert await ids(hub, "/api/v1/devices", "device_id") == ["IN"]
    assert await ids(engineer, "/api/v1/devices", "device_id") == ["IN"]
    for anywhere in (await registry.caller("viewer"), await registry.caller("engineer", "a fitter of all Scotland")):
        assert await ids(anywhere, "/api/v1/devices", "device_id") == ["OUT", "IN"]
    assert (await engineer.get("/api/v1/devices", council="fife")).body["items"] == []
    idle = await registry.caller("hub", "an idle hub", hub_id="forth-arc")
    await registry.ops.put("/api/v1/councils/fife/routing", {"hubs": ["clyde-arc"]})
    assert await ids(idle, "/api/v1/devices", "device_id") == []


async def test_the_history_names_the_token_that_made_the_change(registry: Registry) -> None:
    engineer = await registry.caller("engineer", councils=["glasgow-city"])
    await engineer.post("/api/v1/devices", GLASGOW)
    (line,) = (await registry.ops.get("/api/v1/devices/TC-000123")).body["history"]
    assert line["actor"] == "the engineer"


async def test_a_token_works_from_its_making_until_it_expires(registry: Registry) -> None:
    viewer = await registry.caller("viewer", expires_at=NOW + timedelta(hours=1))
    assert (await viewer.get("/api/v1/councils")).status == 200
    registry.clock.advance(3599)
    assert (await viewer.get("/api/v1/councils")).status == 200
    registry.clock.advance(1)
    refused(await viewer.get("/api/v1/councils"), 401)


async def test_a_revoked_token_is_refused_once_it_is_no_longer_remembered(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert access.CACHED_S <= 5
    monkeypatch.setattr(access, "CACHED_S", -1.0)
    viewer = await registry.caller("viewer")
    assert (await viewer.get("/api/v1/councils")).status == 200
    connection = await connect(registry.database.url, name="test", role="telecare_registry")
    try:
        assert await revoke_token(connection, "the viewer", now=NOW) == 1
        assert await revoke_token(connection, "the viewer", now=NOW) == 0
        (token,) = await list_tokens(connection)
    finally:
        await connection.close()
    assert (token.name, token.role, token.revoked_at) == ("the viewer", "viewer", NOW)
    refused(await viewer.get("/api/v1/councils"), 401)


async def test_a_token_is_remembered_for_a_moment_and_the_memory_is_bounded(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "CACHED_MAX", 1)
    monkeypatch.setattr(access, "CACHED_S", 600.0)  # however long this machine stands still
    first, second = await registry.caller("viewer", "first"), await registry.caller("viewer", "second")
    assert (await first.get("/api/v1/councils")).status == 200
    await registry.execute("update registry.access_token set revoked_at = created_at")
    assert (await first.get("/api/v1/councils")).status == 200
    await registry.execute("update registry.access_token set revoked_at = null")
    assert (await second.get("/api/v1/councils")).status == 200  # and the first is forgotten
    await registry.execute("update registry.access_token set revoked_at = created_at")
    refused(await first.get("/api/v1/councils"), 401)


async def test_a_token_is_stored_as_a_digest_and_never_logged(
    registry: Registry, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    ops = await registry.caller("ops")
    token = ops.token
    assert token is not None
    assert (token[:3], len(token)) == ("tc_", 46)
    await ops.put("/api/v1/councils/fife", {})
    refused(await registry.ops.by(token + "x").get("/api/v1/councils"), 401)
    (row,) = await registry.rows("select * from registry.access_token")
    assert token[3:] not in str(row)
    assert token[3:] not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"name": "", "role": "ops"}, "needs a name"),
        ({"name": " ", "role": "ops"}, "needs a name"),
        ({"name": "x\x1b[2J", "role": "ops"}, "printable"),
        ({"name": "x\ny", "role": "ops"}, "printable"),
        ({"name": "x\0", "role": "ops"}, "printable"),
        ({"name": "x\u202e", "role": "ops"}, "printable"),
        ({"name": " x", "role": "ops"}, "no space before"),
        ({"name": "x" * 101, "role": "ops"}, "at most 100"),
        ({"name": "bootstrap", "role": "ops"}, "give another"),
        ({"name": "x", "role": "hub"}, "names its hub"),
        ({"name": "x", "role": "ops", "hub_id": "a-arc"}, "names its hub"),
        ({"name": "x", "role": "hub", "hub_id": "nowhere-arc"}, "no hub nowhere-arc"),
        ({"name": "x", "role": "viewer", "councils": ["fife"]}, "engineer"),
        ({"name": "x", "role": "engineer", "councils": []}, "one at least"),
        ({"name": "x", "role": "engineer", "councils": ["fife", "atlantis"]}, "no such council: atlantis"),
        ({"name": "x", "role": "ops", "expires_at": NOW}, "expired"),
    ],
)
async def test_a_token_that_makes_no_sense_is_not_made(database: Any, asked: dict[str, Any], told: str) -> None:
    connection = await connect(database.url, name="test", role="telecare_registry")
    try:
        with pytest.raises(TokenError, match=told):
            await create_token(connection, now=NOW, **asked)
        assert await list_tokens(connection) == []
    finally:
        await connection.close()


async def test_of_two_valid_tokens_none_bears_the_others_name(database: Database) -> None:
    first, second = [await connect(database.url, name="test", role="telecare_registry") for _ in range(2)]
    try:
        hour = NOW + timedelta(hours=1)
        made = await asyncio.gather(
            *(create_token(each, name="isla", role="ops", now=NOW, expires_at=hour) for each in (first, second)),
            return_exceptions=True,
        )
        assert sorted(type(each).__name__ for each in made) == ["TokenError", "str"]
        with pytest.raises(TokenError, match="revoke it first"):
            await create_token(first, name="isla", role="viewer", now=NOW)
        await create_token(first, name="isla", role="ops", now=hour)  # the other has expired
        assert await revoke_token(first, "isla", now=hour) == 2
        await create_token(first, name="isla", role="ops", now=hour)
    finally:
        await first.close()
        await second.close()
