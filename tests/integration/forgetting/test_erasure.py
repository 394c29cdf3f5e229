"""What is about a person is erased on request; the record of what happened stays, and an open alarm keeps what its hub needs."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from services.chassis.clock import DatabaseClock
from services.chassis.postgres import open_pool
from services.chassis.postgres.pool import connect
from services.chassis.secrets import Vault
from services.registry.idempotency import ERASED_ANSWER, KeyStore
from services.registry.idempotency.store import Answer
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


async def once(home: Home, path: str, body: object, key: str) -> tuple[int, str, bool]:
    """A request under a key: its status, what was answered, and whether it was answered before."""
    headers = home.ops.headers | {"Idempotency-Key": key}
    async with home.ops.session.post(home.ops.url + path, json=body, headers=headers) as answer:
        return answer.status, await answer.text(), answer.headers.get("Idempotent-Replay") == "true"


async def test_answers_that_are_kept_for_a_repeat_are_erased_and_the_repeat_still_does_nothing(home: Home) -> None:
    new = {"device_id": "TC-9", "council_id": "glasgow-city", "serial": "SN-9", "model": "hearth-4g"}
    new |= {"installation_ref": "GLA-9", "notes": "ring thrice"}
    other = new | {"device_id": "TC-8", "serial": "SN-8", "installation_ref": "GLA-8"}
    for body in (new, other):
        assert (await once(home, "/api/v1/devices", body, str(body["device_id"])))[0] == 201
    successor = {"device_id": "TC-10", "serial": "SN-10", "model": "hearth-4g"}
    replaced = await once(home, "/api/v1/devices/TC-8/replace", successor, "replace")
    assert replaced[0] in {200, 201}, replaced
    for device_id in ("TC-9", "TC-10"):
        await home.ops.post(f"/api/v1/devices/{device_id}/erase", EVERYTHING)
    for path, body, key, word in (
        ("/api/v1/devices", new, "TC-9", "ring thrice"),
        ("/api/v1/devices/TC-8/replace", successor, "replace", "GLA-8"),
    ):
        status, text, again = await once(home, path, body, key)
        assert (status in {200, 201}, again, word in text, "erased" in text) == (True, True, False, True)
    status, text, again = await once(home, "/api/v1/devices", other, "TC-8")
    assert (status, again, "GLA-8" in text) == (201, True, True), "another home's answer stays"
    assert "GLA-9" not in await home.everything()


async def test_an_answer_that_was_given_while_the_erasure_was_asked_for_is_kept_erased(home: Home) -> None:
    """It was made before, and would be written after: the erasure never saw it."""
    caller, digest = b"c" * 32, b"s" * 32
    pool = await open_pool(home.world.database_of.url, role="telecare_registry", name="test")
    try:
        keys = KeyStore(pool, DatabaseClock(), Vault("a passphrase"))
        await keys.reserve(caller, "k", digest)
        await home.ops.post("/api/v1/devices/TC-000123/erase", EVERYTHING)
        await keys.keep(caller, "k", Answer(200, {}, b'{"notes": "ring twice"}'), ["TC-000123"])
        found = await keys.reserve(caller, "k", digest)
    finally:
        await pool.close()
    assert isinstance(found, Answer)
    assert (found.status, found.body) == (200, ERASED_ANSWER)


async def test_the_reasons_that_people_gave_go_with_the_notes_and_the_rest_of_the_history_stays(home: Home) -> None:
    said = "Mrs M. is at her sister's in Partick"
    for path, body in (
        ("go-live", {"override": True, "reason": said}),
        ("suspend", {"reason": said}),
    ):
        moved = await home.ops.post(f"/api/v1/devices/TC-000123/{path}", body)
        assert moved.status == 200, moved
    assert said in await home.everything()
    await home.ops.post("/api/v1/devices/TC-000123/erase", EVERYTHING | {"what": ["text"]})
    assert said in await home.everything(), "the box's words were asked for, not the register's"
    await home.ops.post("/api/v1/devices/TC-000123/erase", EVERYTHING)
    assert said not in await home.everything()
    history = (await home.ops.get("/api/v1/devices/TC-000123")).body["history"]
    assert [(each["change"], each["reason"]) for each in history][:2] == [
        ("suspended", "(erased)"),
        ("live", "(erased)"),
    ]
    listed = (await home.ops.get("/api/v1/devices?overridden=true")).body["items"]
    assert [each["device_id"] for each in listed] == ["TC-000123"], "that it went live on a word is no secret"


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
