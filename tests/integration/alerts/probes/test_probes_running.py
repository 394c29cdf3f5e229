"""Probes as alerts runs: a hub on MQTT, and what ops and hubs see of their channels' health."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.blackbox.hub import MqttHub, Receiver
from tests.integration.alerts.running import Installation, add_hub, run_alerts
from tests.support.servers import Broker, Database, until


@pytest.fixture
async def alerts(database: Database, broker: Broker, receiver: Receiver, tmp_path: Path) -> AsyncIterator[Installation]:
    async with run_alerts(database, broker, tmp_path) as installation:
        await add_hub(installation.database, "clyde-arc", "glasgow-city", webhook=receiver.channel("clyde-arc"))
        await add_hub(installation.database, "moray-arc", "moray", mqtt=True)
        yield installation


@pytest.fixture
async def mqtt_hub(alerts: Installation, broker: Broker) -> AsyncIterator[MqttHub]:
    hub = MqttHub(broker, "moray-arc")
    await hub.connect()
    await alerts.hears_hubs()
    yield hub
    hub.close()


def poke(alerts: Installation, name: str) -> None:
    """Its loop looks now, and not within five seconds."""
    for service in alerts.process.services:
        for loop in service.loops:
            if loop.name == name:
                loop.poke()


async def probe_now(alerts: Installation, hub_id: str) -> None:
    """Its next probe is due, whatever its five minutes say."""

    async def made_due() -> bool:
        poke(alerts, "prober")
        done = await alerts.database.execute(
            "update alerts.channel_health set look_at = now() where hub_id = $1 and probe_id is null", hub_id
        )
        return bool(done == "UPDATE 1")

    await until(made_due, what=f"{hub_id} to be watched")
    poke(alerts, "prober")


async def channel(alerts: Installation, hub_id: str) -> dict[str, Any]:
    answer = await alerts.api.get(f"/api/v1/hubs/{hub_id}/channels/health")
    assert answer.status == 200, answer
    (found,) = answer.body["items"]
    return dict(found)


async def is_alive(alerts: Installation, hub_id: str) -> dict[str, Any] | None:
    await alerts.database.execute("update alerts.channel_health set look_at = now() where probe_id is not null")
    poke(alerts, "prober")
    found = await channel(alerts, hub_id)
    return found if found["last_alive_at"] else None


async def test_a_webhook_that_takes_its_probe_is_alive(alerts: Installation, receiver: Receiver) -> None:
    before = await channel(alerts, "clyde-arc")
    assert (before["last_alive_at"], before["probed_at"], before["failing"]) == (None, None, False)
    await probe_now(alerts, "clyde-arc")
    await until(lambda: receiver.probes("clyde-arc"))
    after = await until(lambda: is_alive(alerts, "clyde-arc"))
    assert (after["kind"], after["failing"], after["failures"], after["last_error"]) == ("webhook", False, 0, None)


@pytest.mark.parametrize("status", [503, 404], ids=["tried again", "refused for good"])
async def test_a_channel_on_which_alarms_fail_says_so_before_any_probe_has(
    alerts: Installation, receiver: Receiver, status: int
) -> None:
    before = await channel(alerts, "clyde-arc")
    assert (before["undelivered"], before["last_error"]) == (0, None)
    receiver.break_down("clyde-arc", status)
    device = await alerts.press("fall")

    async def fails() -> dict[str, Any] | None:
        found = await channel(alerts, "clyde-arc")
        return found if found["undelivered"] else None

    found = await until(fails)
    assert (found["undelivered"], found["failures"], found["last_error"]) == (1, 0, f"HTTP {status}")

    def undelivered_s() -> float | None:
        poke(alerts, "health-gauges")
        return alerts.process.runtime.metrics.get_sample_value("telecare_hub_undelivered_seconds", {"hub": "clyde-arc"})

    await until(undelivered_s)  # more than nought
    alarm = await alerts.alarm(device)
    taken = await alerts.api.post(f"/api/v1/alarms/{alarm['alarm_id']}/acknowledge", {"operator": "morag"})
    assert taken.status == 200
    if status == 404:  # what may still arrive is not over before it has
        await until(lambda: undelivered_s() == 0)


async def test_a_hub_on_mqtt_is_alive_when_it_says_received_and_not_before(
    alerts: Installation, mqtt_hub: MqttHub
) -> None:
    await probe_now(alerts, "moray-arc")
    await until(mqtt_hub.probes)
    assert (await channel(alerts, "moray-arc"))["last_alive_at"] is None
    answer = await mqtt_hub.act("received", notification_id=mqtt_hub.probes()[0]["id"])
    assert answer["result"] == "accepted"
    await until(lambda: is_alive(alerts, "moray-arc"))


async def test_a_hub_sees_its_own_channels_health_ops_see_all_and_nobody_else_any(alerts: Installation) -> None:
    path = "/api/v1/hubs/clyde-arc/channels/health"
    own, other = await alerts.token("hub", "clyde-arc"), await alerts.token("hub", "moray-arc")
    engineer, viewer = await alerts.token("engineer", councils=["glasgow-city"]), await alerts.token("viewer")
    asked = [(await api.get(path)).status for api in (alerts.api, own, viewer, other, engineer, alerts.api.by(None))]
    assert asked == [200, 200, 200, 403, 403, 401]
    assert (await alerts.api.get("/api/v1/hubs/no-such-arc/channels/health")).status == 404


async def test_prometheus_is_told_which_hub_has_a_dead_channel(alerts: Installation) -> None:
    def failing(hub_id: str) -> float | None:
        poke(alerts, "health-gauges")
        return alerts.process.runtime.metrics.get_sample_value("telecare_channel_failing", {"hub": hub_id})

    poke(alerts, "prober")
    await until(lambda: failing("clyde-arc") == 0)
    await until(lambda: is_watched(alerts, "clyde-arc"))
    await alerts.database.execute(
        "update alerts.channel_health set failures = 3, failing_since = now(), alarm_at = now() where hub_id = 'clyde-arc'"
    )
    await until(lambda: failing("clyde-arc") == 1)
    assert failing("moray-arc") == 0


async def is_watched(alerts: Installation, hub_id: str) -> bool:
    query = "select exists (select from alerts.channel_health where hub_id = $1)"
    return bool(await alerts.database.fetchval(query, hub_id))
