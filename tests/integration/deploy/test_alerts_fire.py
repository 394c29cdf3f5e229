"""The alerts, as shipped, against faults of the running service: whom they wake, and that they let him sleep again."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from tests.blackbox.installation import HUB, Installation
from tests.integration.deploy.dashboards import panels
from tests.integration.deploy.faults import a_minute_passes_for_events, hold_what_becomes_of, make_older, probe_now
from tests.integration.deploy.rules import is_of_the_canary, shipped_rules
from tests.integration.deploy.town import homes
from tests.support.prometheus import Prometheus
from tests.support.servers import until

pytestmark = [pytest.mark.real_stack, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]

LATE = "TelecarePriority1Unacknowledged60s"
VERY_LATE = "TelecarePriority1Unacknowledged180s"
UNROUTABLE = "TelecareAlarmsUnroutable"
BLIND = "TelecareMonitoringBlind"
AUDIT = "TelecareAuditViolation"
CHANNEL = "TelecareChannelFailing"
WATCHDOG = "TelecareWatchdog"
SEEN_WITHIN_S = 90.0  # a second or two, but for a machine that is busy starting the service


def in_state(prometheus: Prometheus, name: str, *states: str) -> Callable[[], Awaitable[bool]]:
    """Whether the alert is in one of them."""

    async def is_in_state() -> bool:
        rule = (await prometheus.rules())[name]
        assert rule["health"] in {"ok", "unknown"}, rule
        return rule["state"] in states

    return is_in_state


async def test_all_are_loaded_and_none_fires_while_all_is_well(watching: Prometheus) -> None:
    """But the watchdog, which always does, and the canary's, which does not run here."""
    assert {LATE, VERY_LATE, UNROUTABLE, BLIND, AUDIT, CHANNEL, WATCHDOG} <= (await watching.rules()).keys()

    async def quiet() -> bool:
        rules = await watching.rules()
        assert rules[WATCHDOG]["state"] in {"firing", "inactive"}
        canary = {rule["alert"] for rule in shipped_rules("alert") if is_of_the_canary(rule["expr"])}
        judged = [rule for name, rule in rules.items() if name not in {WATCHDOG, *canary}]
        return all((rule["health"], rule["state"]) == ("ok", "inactive") for rule in judged)

    await until(quiet, SEEN_WITHIN_S)


async def test_a_life_alarm_that_nobody_takes_is_told_after_a_minute_and_pages_after_three_until_somebody_does(
    installation: Installation, watching: Prometheus
) -> None:
    async with homes(installation, 1) as (home,):
        await home.receipt(home.press("fall"), "notified")
        alarm = await installation.alarm(home.device_id)
        await make_older(installation, alarm["alarm_id"], minutes=1)
        await until(in_state(watching, LATE, "firing"), SEEN_WITHIN_S)
        rules = await watching.rules()
        (firing,) = rules[LATE]["alerts"]
        assert (firing["labels"]["severity"], firing["labels"]["priority"]) == ("warn", "1")
        assert re.search(r"has waited [12]m", firing["annotations"]["summary"])  # however long it took to be seen
        assert rules[VERY_LATE]["state"] == "inactive"

        await make_older(installation, alarm["alarm_id"], minutes=2)
        await until(in_state(watching, VERY_LATE, "firing"), SEEN_WITHIN_S)

        path = f"/api/v1/alarms/{alarm['alarm_id']}/acknowledge"
        await installation.api.post(path, {"operator": "morag"})
        for alert in (LATE, VERY_LATE):
            await until(in_state(watching, alert, "inactive"), SEEN_WITHIN_S)


async def test_an_alarm_that_no_hub_is_routed_for_pages_until_it_is_dealt_with(
    installation: Installation, watching: Prometheus
) -> None:
    async with homes(installation, 1, council="highland") as (home,):
        home.press("fall")
        await until(in_state(watching, UNROUTABLE, "firing"), SEEN_WITHIN_S)
    await until(in_state(watching, UNROUTABLE, "inactive"), SEEN_WITHIN_S)


async def test_an_event_that_becomes_no_alarm_pages_until_it_does(
    installation: Installation, watching: Prometheus
) -> None:
    connection = await asyncpg.connect(installation.settings["DATABASE_URL"])
    try:
        async with homes(installation, 1) as (home,):
            await hold_what_becomes_of(connection, home.device_id)
            await home.receipt(home.press("fall"))
            await a_minute_passes_for_events(connection)
            await until(in_state(watching, AUDIT, "firing"), SEEN_WITHIN_S)
            ready = await installation.api.by(None).get("/readyz")
            assert "an event that was stored has not become an alarm" in str(ready.body["failing"])

            await connection.execute("select pg_advisory_unlock_all()")
            await until(in_state(watching, AUDIT, "inactive"), SEEN_WITHIN_S)
    finally:
        await connection.close()


async def test_a_hub_that_takes_no_probe_pages_until_it_does(installation: Installation, watching: Prometheus) -> None:
    connection = await asyncpg.connect(installation.settings["DATABASE_URL"])
    try:
        installation.receiver.break_down(HUB, 410)
        await until(lambda: probe_now(connection, failures=2), SEEN_WITHIN_S)
        await until(in_state(watching, CHANNEL, "firing"), SEEN_WITHIN_S)
        (firing,) = (await watching.rules())[CHANNEL]["alerts"]
        assert firing["annotations"]["summary"] == f"Dead channels at {HUB}: 1"
        (channel,) = (await installation.api.get(f"/api/v1/hubs/{HUB}/channels/health")).body["items"]
        assert (channel["failing"], channel["last_error"]) == (True, "HTTP 410")

        installation.receiver.mend(HUB)
        await until(lambda: probe_now(connection), SEEN_WITHIN_S)
        await until(in_state(watching, CHANNEL, "inactive"), SEEN_WITHIN_S)
    finally:
        await connection.close()


async def test_deafness_is_noticed_at_once_and_over_when_the_broker_is_back(
    installation: Installation, watching: Prometheus
) -> None:
    """It pages after half a minute, so that a restart may pass; the cases of promtool show that."""
    await asyncio.to_thread(installation.broker.kill)
    await until(in_state(watching, BLIND, "pending", "firing"), SEEN_WITHIN_S)
    await until(lambda: shown_blind(watching), SEEN_WITHIN_S)
    await asyncio.to_thread(installation.broker.start)
    await until(in_state(watching, BLIND, "inactive"), SEEN_WITHIN_S)


async def test_a_service_that_cannot_be_scraped_counts_as_deaf(
    installation: Installation, watching: Prometheus
) -> None:
    (program,) = installation.programs.values()
    assert await program.stop() == 0
    await until(in_state(watching, BLIND, "pending", "firing"), SEEN_WITHIN_S)
    await until(lambda: shown_blind(watching), SEEN_WITHIN_S)
    program.start()
    await until(in_state(watching, BLIND, "inactive"), SEEN_WITHIN_S)


async def shown_blind(prometheus: Prometheus) -> bool:
    """Whether the dashboard says so, too."""
    (hearing,) = (query for panel in panels() if panel.title == "Hearing" for query in panel.queries)
    return [series.last for series in await prometheus.query(hearing.expr)] == [1]
