"""The audit log when it can't be written: nothing about a person or the register happens unseen, and no alarm waits for it."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.blackbox.api import Api
from tests.integration.authorisation.world import World
from tests.support.servers import until

HOME = {"device_id": "TC-1", "council_id": "glasgow-city", "serial": "SN-1", "model": "hearth-4g"}
UNWRITABLE = "revoke insert on chassis.audit_log from telecare_registry"
WRITABLE = "grant insert on chassis.audit_log to telecare_registry"


@pytest.fixture
def ops(world: World) -> Api:
    return Api(world.http, world.url, world.tokens["ops"])


async def rows(world: World, where: str, *arguments: object) -> list[dict[str, Any]]:
    while await world.audit.run_once():
        pass
    found = await world.database.fetch(f"select * from chassis.audit_log where {where} order by audit_id", *arguments)
    return [dict(row) for row in found]


async def test_a_change_of_the_register_that_cannot_be_audited_is_not_made(world: World, ops: Api) -> None:
    await world.database.execute(UNWRITABLE)
    answer = await ops.send("POST", "/api/v1/devices", HOME)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert "audit log" in answer.body["detail"]
    assert await world.database.fetchval("select count(*) from registry.device where device_id = 'TC-1'") == 0
    await world.database.execute(WRITABLE)
    assert (await ops.post("/api/v1/devices", HOME)).status == 201


async def test_nobody_looks_at_what_is_about_a_person_unseen(world: World, ops: Api) -> None:
    things = await world.fresh("own")
    await world.database.execute(UNWRITABLE)
    for path in (f"/api/v1/devices/{things['device_id']}", "/api/v1/devices", "/api/v1/audit"):
        answer = await ops.send("GET", path)
        assert answer.status == 503, path
        assert "ref-own" not in str(answer.body)
    assert (await ops.get("/api/v1/rollout")).status == 200  # figures are nobody's


async def test_an_alarm_is_taken_whatever_becomes_of_the_audit_log_and_the_row_follows(world: World, ops: Api) -> None:
    alarm_id = (await world.fresh("own"))["alarm_id"]
    await world.database.execute(UNWRITABLE)
    assert (await ops.get(f"/api/v1/alarms/{alarm_id}")).status == 200
    taken = await ops.post(f"/api/v1/alarms/{alarm_id}/acknowledge", {"operator": "Isla"})
    assert (taken.status, taken.body["acknowledged_by"]) == (200, "Isla")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await world.audit.run_once()
    await world.database.execute(WRITABLE)
    found = await rows(world, "subject = $1", alarm_id)
    assert [(row["action"].split("/")[-1], row["outcome"]) for row in found] == [
        ("{alarm_id}", "done"),
        ("acknowledge", "done"),
    ]


async def test_an_acknowledgement_does_not_wait_for_a_table_that_nobody_can_write_to(
    world: World, ops: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.chassis.audit.log._WRITE_TIMEOUT_S", 3600.0)  # whoever waited would wait for longer
    alarm_id = (await world.fresh("own"))["alarm_id"]
    await ops.get("/api/v1/councils")  # the token is known
    async with world.database.transaction():
        await world.database.execute("lock table chassis.audit_log in access exclusive mode")
        async with asyncio.timeout(60):
            for step in ("acknowledge", "release"):
                answer = await ops.post(f"/api/v1/alarms/{alarm_id}/{step}", {"operator": "Isla"})
                assert answer.status == 200, answer


async def test_that_it_was_asked_is_on_the_disk_before_it_is_done(world: World, ops: Api) -> None:
    """Killed in between, a change that was made has its row; what it has not is what became of it."""
    await world.database.execute("begin; select 1 from registry.council where council_id = 'glasgow-city' for update")
    asking = asyncio.create_task(ops.send("PUT", "/api/v1/councils/glasgow-city", {"telecare_users": 7}))
    other = await asyncpg.connect(world.database_of.url)
    try:

        async def asked() -> bool:
            query = "select outcome from chassis.audit_log where subject = 'glasgow-city'"
            return [row["outcome"] for row in await other.fetch(query)] == ["asked"]

        await until(asked, what="a row that says that it was asked for")
    finally:
        await other.close()
    assert not asking.done()
    await world.database.execute("rollback")
    assert (await asking).status == 200
    assert [row["outcome"] for row in await rows(world, "subject = 'glasgow-city'")] == ["asked", "done"]


async def test_whoever_may_not_is_on_record_too(world: World) -> None:
    viewer = Api(world.http, world.url, world.tokens["viewer"])
    assert (await viewer.put("/api/v1/councils/moray", {})).status == 403
    found = await rows(world, "subject = 'moray'")
    assert [(row["who"], row["outcome"], row["status"]) for row in found] == [
        ("the viewer", "asked", None),
        ("the viewer", "refused", 403),
    ]


async def test_a_stranger_fills_no_log(world: World) -> None:
    before = len(await rows(world, "true"))
    for token in (None, "tc_made_up"):
        await Api(world.http, world.url, token).post("/api/v1/devices", HOME)
    assert len(await rows(world, "true")) == before


async def test_a_page_that_looks_every_few_seconds_is_one_row_in_five_minutes(world: World, ops: Api) -> None:
    things = await world.fresh("own")
    for _ in range(5):
        await ops.get(f"/api/v1/devices/{things['device_id']}")
    assert len(await rows(world, "subject = $1", things["device_id"])) == 1


async def test_in_and_out_of_the_door_is_on_record_and_who_was_kept_out(world: World) -> None:
    await world.sign_in(world.tokens["hub"])
    async with world.http.post(
        f"{world.url}/sign-in", data={"token": "tc_wrong", "operator": "Mallory"}, headers={"Origin": world.url}
    ) as refused:
        assert refused.status == 403
    found = await rows(world, "action = 'sign in' and (outcome = 'refused' or who = 'the hub')")
    assert [(row["who"], row["operator"], row["outcome"], row["hub_id"]) for row in found][-2:] == [
        ("the hub", "Isla", "done", "own-arc"),
        ("nobody", "Mallory", "refused", None),
    ]


async def test_a_request_has_one_name_in_the_answer_and_in_the_log_and_no_caller_forges_another_line(
    world: World, ops: Api
) -> None:
    for given, kept in (("shift-7:42", True), ("x" * 65, False), ("a b", False), ("<script>", False)):
        async with world.http.get(f"{world.url}/healthz", headers={"X-Request-ID": given}) as answer:
            assert (answer.headers["X-Request-ID"] == given) is kept


async def test_the_audit_log_is_a_table_that_no_spreadsheet_runs(world: World, ops: Api) -> None:
    await world.database.execute(
        "insert into chassis.audit_log (at, request_id, via, who, action, outcome) "
        "select now() - n * interval '1 s', 'r' || n, 'api', '=cmd|calc', 'x', 'done' from generate_series(1, 2500) n"
    )
    answer = await ops.get("/api/v1/audit", format="csv", who="=cmd|calc")
    lines = answer.body.splitlines()
    assert (answer.status, answer.content_type, len(lines)) == (200, "text/csv", 2501)
    assert all(",'=cmd|calc," in line for line in lines[1:])
    first = await ops.get("/api/v1/audit", who="=cmd|calc", limit=500)
    second = await ops.get("/api/v1/audit", who="=cmd|calc", limit=500, cursor=first.body["next"])
    ids = [row["request_id"] for row in (*first.body["items"], *second.body["items"])]
    assert ids == [f"r{number}" for number in range(1, 1001)]
