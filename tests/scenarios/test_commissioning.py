"""A box is fitted in a home, and shows that it works; or it does not, and is not believed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import aiohttp
import aiomqtt
import pytest

from contracts.ids import BootId, CouncilId, DeviceId
from contracts.topics import device_topic
from services.chassis.mqtt import MqttUrl
from services.simulator.messages import alarm_payload
from tests.blackbox.api import Api
from tests.blackbox.hub import Misbehaviour
from tests.scenarios.field import MODEL, PENDANT, Field
from tests.scenarios.people import AT_LEISURE_S
from tests.support.servers import Broker, Database, until

BOX: Final = "TC-000901"
TEST: Final = replace(PENDANT, test=True)
PENDANT_ITEM: Final = "trigger:personal_trigger:pendant-1"


@pytest.fixture
async def field(database: Database, broker: Broker, tmp_path: Path) -> AsyncIterator[Field]:
    async with Field.open(database, broker, tmp_path) as opened:
        yield opened


async def test_a_box_that_shows_all_that_its_model_promises_goes_live(field: Field) -> None:
    box = await field.box(BOX)
    await field.commissioning(BOX)
    refused = await field.post(f"/api/v1/devices/{BOX}/go-live")
    assert (refused.status, refused.body["reason"]) == (409, "checks_missing")
    assert "Test: smoke detector" in refused.body["missing"]
    await field.try_out(box)

    async def complete() -> bool:
        return bool((await field.checklist(BOX))["complete"])

    await until(complete, AT_LEISURE_S, what="the checklist to be complete")
    found = await field.checklist(BOX)
    assert [each["key"] for each in found["items"]] == [
        "first_heartbeat",
        "steady_heartbeats",
        "signal",
        "mains",
        "path:ethernet",
        "path:mobile",
        "trigger:personal_trigger:pendant-1",
        "trigger:smoke",
    ]
    assert "Clyde ARC" in found["items"][-1]["say"]
    await field.move(BOX, "go-live")


async def test_a_box_that_is_live_on_a_word_needs_it_no_more_once_it_was_proved(field: Field) -> None:
    box = await field.box(BOX)
    await field.commissioning(BOX)
    word = {"override": True, "reason": "the hub's line is down today"}
    live = await field.post(f"/api/v1/devices/{BOX}/go-live", word)
    assert (live.status, live.body["overridden_by"]) == (200, "bootstrap")
    await field.try_out(box)

    async def complete() -> bool:
        return bool((await field.checklist(BOX))["complete"])

    await until(complete, AT_LEISURE_S, what="the checklist to be complete")
    proved = await field.post(f"/api/v1/devices/{BOX}/go-live")
    assert (proved.status, proved.body["overridden_by"]) == (200, None)


async def test_a_test_that_reaches_no_hub_keeps_a_box_from_going_live(field: Field) -> None:
    field.hub.break_down("clyde-arc", Misbehaviour.RESET)
    box = await field.box(BOX)
    await field.commissioning(BOX)
    await field.try_out(box)
    await field.says(BOX, "trigger:smoke", "on its way to the hub")
    refused = await field.post(f"/api/v1/devices/{BOX}/go-live")
    assert (refused.status, "Test: smoke detector" in refused.body["missing"]) == (409, True)


async def test_a_box_that_does_not_get_our_receipts_goes_on_repeating_and_is_not_believed(field: Field) -> None:
    """It hears nothing on its receipt topic: here, because a flaw of its own loses them all."""
    box = await field.box(BOX)
    object.__setattr__(box.device.flaws, "receipt_loss_share", 1.0)
    await field.commissioning(BOX)
    box.raise_alarm(TEST)
    await field.item(BOX, PENDANT_ITEM, "waiting")
    repeated = "select repeats from ingest.alarm_event"
    await until(lambda: field.database.fetchval(repeated), AT_LEISURE_S, what="the repeat to be counted")

    async def at_the_hub() -> bool:  # which may be later than the repeat
        return bool((await field.item(BOX, PENDANT_ITEM, "waiting"))["say"].startswith("The hub has it."))

    await until(at_the_hub, AT_LEISURE_S, what="the hub to have it")


@pytest.mark.real_stack
async def test_a_box_that_never_subscribed_is_told_so_by_the_broker(field: Field) -> None:
    """Mosquitto says of a receipt that nobody listens for it."""
    await field.commissioning(BOX)
    url = MqttUrl.parse(field.broker.url)
    async with aiomqtt.Client(url.host, url.port, identifier=BOX) as deaf:
        payload = alarm_payload(TEST, BootId("b-1"), 0, field.process.runtime.clock.now())
        await deaf.publish(device_topic(CouncilId("glasgow-city"), DeviceId(BOX), "alarm"), payload, qos=1)
        failed = await field.item(BOX, PENDANT_ITEM, "failed")
    assert "does not listen" in failed["say"]


async def test_a_box_is_told_to_report_often_and_afterwards_as_usual(field: Field) -> None:
    box = await field.box(BOX, interval_s=60)
    await field.commissioning(BOX, model="hearth-4g")
    await until(lambda: box.device.heartbeat_interval_s == 15, AT_LEISURE_S, what="the box to report often")
    commands = "select name, args, state from registry.command order by created_at, name desc"
    sent = await field.database.fetch(commands)
    assert [row["name"] for row in sent] == ["set_heartbeat_interval", "report_now"]
    assert sent[0]["args"]["for_s"] > 1700
    word = {"override": True, "reason": "tried by hand"}
    assert (await field.post(f"/api/v1/devices/{BOX}/go-live", word)).status == 200
    await until(lambda: box.device.heartbeat_interval_s == 60, AT_LEISURE_S, what="the box to report as usual again")
    assert await field.database.fetchval("select ended_at is not null from registry.commissioning")


async def test_a_box_that_restarted_is_told_again(field: Field) -> None:
    box = await field.box(BOX, interval_s=60)
    await field.commissioning(BOX, model="hearth-4g")
    await until(lambda: box.device.heartbeat_interval_s == 15, AT_LEISURE_S)
    box.reboot()
    await until(lambda: box.device.heartbeat_interval_s == 60, AT_LEISURE_S)
    await until(lambda: box.device.heartbeat_interval_s == 15, AT_LEISURE_S, what="the box to be told again")


async def test_a_box_that_nobody_registered_is_heard_and_registered_with_what_is_known(field: Field) -> None:
    await field.box(BOX)
    await field.box("TC-000902", "fife")
    glasgow, _ = await field.engineer("glasgow-city")

    async def heard(api: Api) -> list[str]:
        answer = await api.get("/api/v1/heard-devices")
        assert answer.status == 200, answer
        return [each["device_id"] for each in answer.body["items"]]

    async def both() -> bool:
        return sorted(await heard(field.ops)) == [BOX, "TC-000902"]

    await until(both, AT_LEISURE_S, what="both to be heard")
    assert await heard(glasgow) == [BOX]
    await field.registered(BOX)
    assert await heard(glasgow) == []
    assert await heard(field.ops) == ["TC-000902"]


async def test_a_box_that_only_ever_sent_an_alarm_is_heard_too(field: Field) -> None:
    box = await field.box("TC-000903", interval_s=86_400)
    box.raise_alarm(PENDANT)

    async def kinds() -> list[str]:
        items = (await field.ops.get("/api/v1/heard-devices")).body["items"]
        return next((each["kinds"] for each in items if each["device_id"] == "TC-000903"), [])

    async def told() -> bool:
        return "personal_trigger" in await kinds()

    await until(told, AT_LEISURE_S, what="the alarm to be listed")


async def test_a_checklist_is_followed_as_it_fills(field: Field) -> None:
    box = await field.box(BOX)
    await field.commissioning(BOX)
    url = f"{field.process.url}/api/v1/devices/{BOX}/checklist/stream"
    async with aiohttp.ClientSession() as http, http.get(url, headers=field.ops.headers) as stream:
        seen: list[dict[str, Any]] = []
        async for line in stream.content:
            if line.startswith(b'data: {"device_id'):
                if not seen:
                    box.lose_mains()  # so there is news to come, however full it was when it was opened
                seen.append(json.loads(line[6:]))
                items = {each["key"]: each for each in seen[-1]["items"]}
                if items["steady_heartbeats"]["state"] == "passed" and "on its battery" in items["mains"]["say"]:
                    break
        assert len(seen) >= 2
        await field.ops.patch(f"/api/v1/devices/{BOX}", {"council_id": "fife"})
        async with asyncio.timeout(AT_LEISURE_S):  # it has an end: who follows it may see it no more
            await stream.content.read()


async def test_an_engineer_of_another_council_sees_no_checklist(field: Field) -> None:
    await field.commissioning(BOX)
    fife, _ = await field.engineer("fife")
    for path in (f"/api/v1/devices/{BOX}/checklist", f"/api/v1/devices/{BOX}/checklist/stream"):
        answer = await fife.get(path)
        assert answer.status == 403, answer
    assert (await fife.post(f"/api/v1/devices/{BOX}/report-now")).status == 403
    assert (await field.ops.get("/api/v1/devices/TC-none/checklist")).status == 404


async def test_a_box_is_not_proved_by_what_it_showed_under_another_models_name(field: Field) -> None:
    box = await field.box(BOX)
    await field.commissioning(BOX)
    await field.try_out(box)

    async def complete() -> bool:
        return bool((await field.checklist(BOX))["complete"])

    await until(complete, AT_LEISURE_S, what="the checklist to be complete")
    for model in ("easy-1", MODEL):
        changed = await field.ops.patch(f"/api/v1/devices/{BOX}", {"model": model})
        assert changed.status == 200, changed
    refused = await field.post(f"/api/v1/devices/{BOX}/go-live")
    assert (refused.status, refused.body["reason"]) == (409, "checks_missing")
    assert {"Mains pulled and put back", "Test: smoke detector"} <= set(refused.body["missing"])
