"""The whole way of an alarm, tried all the time by a client of its own; and nobody else is troubled by it."""

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from tests.blackbox import program
from tests.blackbox.box import Box
from tests.blackbox.hub import Receiver
from tests.blackbox.installation import HUB, Installation
from tests.integration.canary.conftest import run_canary
from tests.support.servers import Database, until


async def test_presses_come_round_and_say_how_soon_more_often_than_a_real_devices_tests_may(
    installation: Installation, canary_file: Path
) -> None:
    async with aiohttp.ClientSession() as http, run_canary(canary_file, http) as canary:
        await canary.until_more("delivered", 15)  # of a device in ten minutes no more than ten are told
        metrics = await canary.metrics()
        assert metrics.value("telecare_canary_round_trip_seconds_count", shard="alarms") >= 15
        assert metrics.value("telecare_canary_presses_total", outcome="lost") == 0
        assert metrics.labels("telecare_canary_round_trip_seconds") == {"shard"}


async def test_when_the_broker_is_killed_or_alerts_is_it_shows_and_is_over_when_they_are_back(
    installation: Installation, canary_file: Path
) -> None:
    async with aiohttp.ClientSession() as http, run_canary(canary_file, http) as canary:
        await canary.until_more("delivered")
        await asyncio.to_thread(installation.broker.kill)
        await canary.until_more("unsent")
        await asyncio.to_thread(installation.broker.start)
        await canary.until_more("delivered")

        installation.programs["alerts"].kill()

        async def nothing_comes_round() -> bool:
            last = await canary.presses("delivered")
            await stored(installation, 3)
            return await canary.presses("delivered") == last

        await until(nothing_comes_round, 60)  # the broker may have told the canary of one that it has not looked at yet
        installation.programs["alerts"].start()
        await until(installation.ready, 180, what="alerts to be back")  # as long as it gives itself
        await canary.until_more("delivered")


async def stored(installation: Installation, count: int) -> None:
    """Wait until ingest has stored so many more presses."""

    async def presses() -> float:
        ingest = await installation.metrics("ingest")
        return ingest.value("telecare_messages_total", lane="alarm", outcome="stored")

    before = await presses()

    async def more() -> bool:
        return await presses() >= before + count

    await until(more, what=f"{count} more presses to be stored")


async def test_no_hub_and_no_figure_knows_of_the_canary_and_it_counts_as_no_hub(
    installation: Installation, canary_file: Path, database: Database
) -> None:
    receiver: Receiver = installation.receiver
    async with aiohttp.ClientSession() as http, run_canary(canary_file, http) as canary:
        await canary.until_more("delivered", 3)
        # A council that nobody serves: every hub is told, and the canary is none.
        stray = Box(installation.broker, "TC-stray", "orkney-islands")
        await stray.connect()
        stray.press("fall")
        await receiver.told("TC-stray")
        stray.close()
    connection = await asyncpg.connect(database.url)
    try:
        rows = await connection.fetch(
            "select distinct d.hub_id, a.council_id, a.test from alerts.delivery d join alerts.alarm a using (alarm_id) "
            "where d.kind <> 'receipt'"
        )
    finally:
        await connection.close()
    assert {tuple(row) for row in rows} == {("canary", "canary", True), (HUB, "orkney-islands", False)}
    api = installation.api
    rollout = (await api.get("/api/v1/rollout")).body
    assert rollout["live"] == 0
    assert "canary" not in json.dumps(rollout)
    councils = (await api.get("/api/v1/councils")).body["items"]
    assert len(councils) == 32
    month = (await installation.alarms_api.get("/api/v1/kpis")).body
    assert "canary" not in json.dumps(month)
    for council, hub in (("glasgow-city", "canary"), ("canary", HUB)):
        refused = await api.put(f"/api/v1/councils/{council}/routing", {"hubs": [hub]})
        assert refused.status == 422, refused
        assert "canary" in str(refused.body)

    async def counted() -> bool:
        return (await installation.metrics("alerts")).value("telecare_alarm_delivery_seconds_count") >= 1

    await until(counted, what="what the hub has to be written")
    alerts = await installation.metrics("alerts")
    for name, labels in (
        ("telecare_alarm_delivery_seconds_count", {}),
        ("telecare_deliveries_total", {"outcome": "delivered"}),
    ):
        assert alerts.value(name, channel="webhook", **labels) >= 1
        assert alerts.value(name, channel="mqtt", **labels) == 0


async def test_its_file_is_for_its_owner_alone_and_one_that_is_none_is_told_in_one_line(
    installation: Installation, canary_file: Path, tmp_path: Path
) -> None:
    written, mode = read(canary_file)
    assert mode == 0o600
    identity: dict[str, Any] = json.loads(written)
    assert [each["device_id"] for each in identity["devices"]] == ["canary-alarms"]
    spoilt = tmp_path / "spoilt.json"
    spoilt.write_text(json.dumps({**identity, "hub_mqtt_url": "http://user:secret@127.0.0.1"}))
    for file in (spoilt, tmp_path / "none.json"):
        ended = await program.run("canary", "run", "--file", str(file), settings={})
        assert (ended.code, ended.output.count("\n")) == (2, 1), ended.output
        assert "set-up" in ended.output
        assert "secret" not in ended.output


def read(file: Path) -> tuple[str, int]:
    return file.read_text(), stat.S_IMODE(file.stat().st_mode)
