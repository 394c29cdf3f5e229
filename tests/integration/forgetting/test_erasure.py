"""What is about a person is erased on request; the record of what happened stays, and an open alarm keeps what its hub needs."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from services.chassis.postgres.pool import connect
from tests.integration.authorisation.world import make_world
from tests.integration.forgetting.conftest import SAID, Home

EVERYTHING = {"what": ["installation_ref", "notes", "text", "operator_notes"], "reason": "The family asked."}
LOOPS = ("ingest-erasing", "alerts-erasing")
WORDS = ("GLA-4711", "GLA-4712", "ring twice", SAID, "Main St", "on the floor")


async def test_what_is_about_a_person_is_nowhere_any_more_and_what_happened_still_is(home: Home) -> None:
    alarm_id = await home.event()
    before = await home.everything()
    assert all(word in before or word.encode().hex() in before for word in WORDS)
    asked = await home.ops.post("/api/v1/devices/TC-000123/erase", EVERYTHING)
    assert (asked.status, asked.body["state"], asked.body["waits_for"]) == (202, "under_way", None)
    await home.world.run(*LOOPS)
    (erasure,) = (await home.ops.get("/api/v1/devices/TC-000123/erasures")).body["items"]
    assert (erasure["state"], erasure["asked_by"]) == ("done", "the ops")
    assert erasure["done_at"] is not None
    after = await home.everything()
    for word in WORDS:
        assert word not in after, word
        assert word.encode().hex() not in after, word
    alarm = (await home.ops.get(f"/api/v1/alarms/{alarm_id}")).body
    assert (alarm["kind"], alarm["state"], alarm["outcome"], alarm["installation_ref"]) == (
        "fall",
        "closed",
        "attended",
        None,
    )
    assert [each["event"] for each in alarm["history"]] == ["raised"]
    changes = (await home.ops.get("/api/v1/devices/TC-000123")).body["history"]
    assert [each["change"] for each in changes] == ["patched", "registered"]
    assert changes[0]["before"] == {"installation_ref": "(erased)"}
    assert await home.value("select location from ingest.alarm_event") == "bathroom"  # a word of the contract's


async def test_only_what_was_asked_for_is_erased(home: Home) -> None:
    await home.event()
    await home.ops.post("/api/v1/devices/TC-000123/erase", {"what": ["operator_notes"], "reason": "asked"})
    await home.world.run(*LOOPS)
    after = await home.everything()
    assert "on the floor" not in after
    assert all(word in after for word in ("GLA-4712", "ring twice", SAID))


async def test_an_open_alarm_keeps_what_its_hub_needs_until_it_is_closed(home: Home) -> None:
    alarm_id = await home.event(state="open")
    asked = await home.ops.post("/api/v1/devices/TC-000123/erase", EVERYTHING)
    await home.world.run(*LOOPS)
    (erasure,) = (await home.ops.get("/api/v1/devices/TC-000123/erasures")).body["items"]
    assert (erasure["state"], erasure["waits_for"], asked.status) == ("waits_for_alarm", alarm_id, 202)
    assert (await home.ops.get(f"/api/v1/alarms/{alarm_id}")).body["installation_ref"] == "GLA-4711"
    closed = await home.ops.post(f"/api/v1/alarms/{alarm_id}/close", {"operator": "Isla", "outcome": "attended"})
    assert closed.status == 200, closed
    await home.world.run(*LOOPS)
    (erasure,) = (await home.ops.get("/api/v1/devices/TC-000123/erasures")).body["items"]
    assert (erasure["state"], erasure["waits_for"]) == ("done", None)
    assert "GLA-4711" not in await home.everything()


async def test_what_comes_later_is_not_meant(home: Home) -> None:
    await home.ops.post("/api/v1/devices/TC-000123/erase", EVERYTHING)
    await home.event(age="-1 hour")
    await home.world.run(*LOOPS)
    assert SAID in await home.everything()


async def test_killed_in_the_middle_it_goes_on_where_it_was(home: Home, tmp_path: Path) -> None:
    for _ in range(230):  # more than one step takes
        await home.event()
    await home.ops.post("/api/v1/devices/TC-000123/erase", EVERYTHING)
    (loop,) = [loop for service in home.world.services for loop in service.loops if loop.name == "alerts-erasing"]
    assert await loop.run_once() == 200
    assert await home.value("select count(*) from alerts.alarm where note is not null") == 30
    assert await home.value("select done_at from alerts.erasure") is None
    database = home.world.database_of
    async with make_world(database, tmp_path / "again") as successor:  # the process before is never heard of again
        await successor.run(*LOOPS)
    assert await home.value("select rows from alerts.erasure where done_at is not null") == 230
    assert "on the floor" not in await home.everything()


async def test_a_step_that_fails_leaves_all_as_it_was(home: Home) -> None:
    await home.event()
    await home.ops.post("/api/v1/devices/TC-000123/erase", EVERYTHING)
    await home.world.database.execute("alter table alerts.notification add constraint stop check (body like '%GLA%')")
    with pytest.raises(asyncpg.CheckViolationError):
        await home.world.run("alerts-erasing")
    assert await home.value("select count(*) from alerts.alarm where installation_ref is null") == 0
    await home.world.database.execute("alter table alerts.notification drop constraint stop")
    await home.world.run(*LOOPS)
    assert "GLA-4711" not in await home.everything()


async def test_nobody_erases_what_was_not_asked_for(home: Home) -> None:
    """The functions act by their owner's right: so they take an erasure that stands in the register, and nothing else."""
    await home.event()
    alerts = await connect(home.world.database_of.url, name="test", role="telecare_alerts")
    try:
        assert await alerts.fetchval("select alerts.erase(gen_random_uuid(), '{}')") == 0
        for statement in (
            "update alerts.notification set body = ''",
            "select alerts.erase_alarm(gen_random_uuid(), '{text}', '{}')",
            "insert into registry.erasure values (gen_random_uuid(), 'TC-000123', '{text}', 'x', 'x', now())",
            "select registry.erase_history(gen_random_uuid())",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await alerts.execute(statement)
    finally:
        await alerts.close()
    assert SAID in await home.everything()
