"""A proof is of one unit of one model: in no stage does another come under it, by a change or by a file."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from services.chassis.postgres import Connection
from services.chassis.postgres.pool import connect
from tests.blackbox.api import Api
from tests.integration.registry.running import Registry, fields, refused
from tests.integration.registry.sheets import HEADER, send, sheet
from tests.support.servers import until

BOX = "/api/v1/devices/TC-1"
BEFORE = "2026-11-21T09:00:00Z"
AFTER = "2026-11-21T09:10:00Z"


@dataclass
class Place:
    registry: Registry
    engineer: Api

    async def commissioning(self) -> None:
        await self.registry.register("TC-1")
        for move in ("claim", "install", "commission"):
            assert (await self.engineer.post(f"{BOX}/{move}")).status == 200
        self.registry.clock.advance(600)

    async def live(self, *, suspended: bool = False) -> None:
        """As if its checklist had been complete; that takes a real box, see the scenarios."""
        await self.commissioning()
        word = {"override": True, "reason": "tried by hand"}
        assert (await self.registry.ops.post(f"{BOX}/go-live", word)).status == 200
        await self.registry.execute(
            "update registry.device set overridden_at = null, overridden_by = null, override_reason = null, "
            "override_missing = null"
        )
        if suspended:
            assert (await self.registry.ops.post(f"{BOX}/suspend")).status == 200

    async def device(self) -> dict[str, Any]:
        return dict((await self.registry.ops.get(BOX)).body)

    async def began_at(self) -> object:
        return (await self.registry.ops.get(f"{BOX}/checklist")).body["began_at"]

    async def imported(self, serial: str, model: str) -> Any:
        return await send(
            self.registry.ops, sheet(("TC-1", "glasgow-city", serial, model, "", ""), header=HEADER), update="true"
        )


@pytest.fixture
async def place(registry: Registry) -> Place:
    return Place(registry, await registry.caller("engineer", councils=["glasgow-city"]))


@pytest.mark.parametrize("change", [{"serial": "SN-OTHER"}, {"model": "easy-1"}], ids=str)
@pytest.mark.parametrize("by_file", [False, True], ids=["by hand", "by a file"])
async def test_another_unit_or_model_while_it_is_tried_begins_the_proof_anew(
    place: Place, change: dict[str, str], *, by_file: bool
) -> None:
    await place.commissioning()
    assert await place.began_at() == BEFORE
    if by_file:
        row = {"serial": "SN-TC-1", "model": "Chiptech SEVEN"} | change
        assert (await place.imported(**row)).body["updated"] == 1
    else:
        assert (await place.engineer.patch(BOX, change)).status == 200
    assert await place.began_at() == AFTER
    history = (await place.device())["history"]
    assert [line["change"] for line in history[:2]] == ["proof-begins-anew", "patched"]
    assert history[0]["after"] == {"proof_since": "2026-11-21T09:10:00+00:00"}


async def test_the_same_model_in_other_letters_is_no_other(place: Place) -> None:
    await place.commissioning()
    same = await place.engineer.patch(BOX, {"model": "CHIPTECH Seven", "notes": "green case"})
    assert (same.status, same.body["model"]) == (200, "CHIPTECH Seven")
    assert await place.began_at() == BEFORE


@pytest.mark.parametrize("suspended", [False, True], ids=["live", "suspended"])
async def test_no_other_unit_comes_under_the_proof_of_one_that_is_live(place: Place, *, suspended: bool) -> None:
    await place.live(suspended=suspended)
    before = await place.device()
    for caller in (place.registry.ops, place.engineer):
        problem = refused(await caller.patch(BOX, {"serial": "SN-OTHER", "notes": "exchanged"}), 409)
        assert (problem["reason"], fields(problem)) == ("was_proved", {"serial"})
        assert "Replace the device by it" in problem["detail"]
    by_file = refused(await place.imported("SN-OTHER", "Chiptech SEVEN"), 422)
    assert fields(by_file) == {"serial"}
    assert await place.device() == before


@pytest.mark.parametrize("suspended", [False, True], ids=["live", "suspended"])
async def test_a_live_device_that_is_called_another_model_is_live_on_the_word_of_ops(
    place: Place, *, suspended: bool
) -> None:
    await place.live(suspended=suspended)
    problem = refused(await place.engineer.patch(BOX, {"model": "easy-1"}), 409)
    assert (problem["reason"], fields(problem)) == ("was_proved", {"model"})
    assert fields(refused(await place.imported("SN-TC-1", "easy-1"), 422)) == {"model"}
    changed = await place.registry.ops.patch(BOX, {"model": "easy-1"})
    assert (changed.status, changed.body["stage"]) == (200, "suspended" if suspended else "live")
    assert changed.body["override_reason"] == "model changed after it was proved"
    assert changed.body["overridden_by"] == "bootstrap"
    assert "First heartbeat" in changed.body["override_missing"]
    listed = (await place.registry.ops.get("/api/v1/devices", overridden="true")).body["items"]
    assert [each["device_id"] for each in listed] == ["TC-1"]
    line = (await place.device())["history"][0]
    assert (line["change"], line["reason"]) == ("overridden", "model changed after it was proved")
    assert line["after"] == {"overridden": changed.body["override_missing"]}
    back = await place.registry.ops.patch(BOX, {"model": "Chiptech SEVEN"})
    assert back.body["override_reason"] == "model changed after it was proved", "and back is no proof either"


@asynccontextmanager
async def changing(place: Place) -> AsyncIterator[Connection]:
    """Somebody changes the device: it is locked, as every change begins."""
    connection = await connect(place.registry.database.url, name="changing", role="telecare_registry")
    try:
        async with connection.transaction():
            await connection.execute("select from registry.device where device_id = 'TC-1' for update")
            yield connection
            # Whose trigger goes on to the session.
            await connection.execute(
                "update registry.device set model = 'easy-1', changed_at = changed_at + interval '1 s' where device_id = 'TC-1'"
            )
    finally:
        await connection.close()


async def test_whoever_changes_a_device_and_the_loop_that_tells_it_to_report_never_wait_for_each_other(
    place: Place,
) -> None:
    await place.commissioning()
    [telling] = [loop for loop in place.registry.service.loops if loop.name == "commissioning-commands"]
    ordered = "select name from registry.command where device_id = 'TC-1' and state <> 'expired'"
    async with changing(place):
        async with asyncio.timeout(60):
            await telling.run_once()
        assert await place.registry.rows(ordered) == []
    await telling.run_once()
    assert await place.registry.rows(ordered) != []


async def test_whoever_changes_a_device_and_whoever_asks_it_to_report_never_wait_for_each_other(place: Place) -> None:
    await place.commissioning()

    async def waits() -> bool:
        blocked = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        return bool(await place.registry.rows(blocked))

    async with changing(place):
        asking = asyncio.create_task(place.engineer.post(f"{BOX}/report-now"))
        await until(waits, what="whoever asks to wait for the change")
    assert (await asking).status == 202
