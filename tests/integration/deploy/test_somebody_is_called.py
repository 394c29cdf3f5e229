"""From a fault of the running service, over Prometheus and Alertmanager as shipped, to the webhook that wakes somebody."""

import re
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
import yaml

from services.chassis.postgres import Connection
from tests.blackbox.installation import HUB, Installation
from tests.integration.deploy.town import homes
from tests.support import prometheus
from tests.support.alertmanager import RECEIVERS, SHIPPED, Alertmanager, alerting
from tests.support.servers import until
from tests.support.stack import DEPLOY, STACK

CALLED_WITHIN_S = 120.0
LOOP = pytest.mark.asyncio(loop_scope="module")

pytestmark = pytest.mark.timeout(600)


def config() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(SHIPPED.read_text())
    return loaded


def alert_names() -> set[str]:
    """Of every alert in the shipped rules."""
    return {
        name
        for path in (DEPLOY / "prometheus" / "rules").glob("*.rules.yml")
        for name in re.findall(r"- alert: (\w+)", path.read_text())
    }


def test_what_is_inhibited_and_by_what_are_alerts_that_there_are() -> None:
    named = set(re.findall(r"Telecare\w+", SHIPPED.read_text()))
    assert named
    assert named <= alert_names()


def test_every_address_stands_in_a_file_of_its_own() -> None:
    """Addresses hold secrets; and no host is named in what we ship."""
    receivers = {each["name"]: each["webhook_configs"][0] for each in config()["receivers"]}
    assert receivers.keys() == set(RECEIVERS)
    for name, webhook in receivers.items():
        assert webhook["url_file"] == f"/etc/prometheus/alertmanager/{name}.url"
    assert "://" not in SHIPPED.read_text()


@pytest.mark.real_stack
def test_amtool_accepts_the_file() -> None:
    result = STACK.run("/usr/bin/amtool", "check-config", "{files}/alertmanager.yml", files=SHIPPED.parent)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.real_stack
@pytest.mark.parametrize("severity", RECEIVERS)
def test_each_severity_has_its_own_receiver(severity: str) -> None:
    routed = (
        "config",
        "routes",
        "test",
        "--config.file={files}/alertmanager.yml",
        f"severity={severity}",
        "hub=clyde-arc",
    )
    result = STACK.run("/usr/bin/amtool", *routed, files=SHIPPED.parent)
    assert (result.returncode, result.stdout.strip()) == (0, severity), result.stderr


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def manager(installation: Installation) -> AsyncIterator[Alertmanager]:
    """Alertmanager, with a Prometheus that watches the installation and calls it."""
    session = installation.api.session
    address = installation.api.url.removeprefix("http://")
    async with (
        alerting(session) as manager,
        prometheus.watching(address, "one", http=session, alertmanager_port=manager.port),
    ):
        yield manager


@LOOP
@pytest.mark.real_stack
async def test_the_dead_mans_switch_is_fed_while_all_is_well(manager: Alertmanager) -> None:
    await until(lambda: manager.called.told("watchdog", "TelecareWatchdog"), CALLED_WITHIN_S)
    assert not manager.called.told("page", "TelecareWatchdog")


@LOOP
@pytest.mark.real_stack
async def test_a_canary_that_does_not_run_wakes_somebody(manager: Alertmanager) -> None:
    """It does not run here."""
    await until(lambda: manager.called.told("page", "TelecareCanaryAbsent"), CALLED_WITHIN_S)


@LOOP
@pytest.mark.real_stack
async def test_a_hub_that_takes_no_alarm_of_life_wakes_somebody_until_it_does(
    installation: Installation, manager: Alertmanager
) -> None:
    connection = await asyncpg.connect(installation.settings["DATABASE_URL"])
    try:
        async with homes(installation, 1) as (home,):
            installation.receiver.break_down(HUB, 503)
            await home.receipt(home.press("fall"))
            await until(lambda: two_minutes_ago(connection), CALLED_WITHIN_S, what="a first attempt")
            found = await until(lambda: manager.called.told("page", "TelecareDeliveryFailing"), CALLED_WITHIN_S)
            assert (found[0]["labels"]["hub"], found[0]["labels"]["severity"]) == (HUB, "page")
            runbook = f"{prometheus.PUBLIC_URL}/runbooks#telecaredeliveryfailing"
            assert found[0]["annotations"]["runbook_url"] == runbook

            installation.receiver.mend(HUB)
            await until(lambda: manager.called.told("page", "TelecareDeliveryFailing", "resolved"), CALLED_WITHIN_S)
    finally:
        await connection.close()


async def two_minutes_ago(connection: Connection) -> bool:
    """Whether it has been tried; it is so since two minutes now."""
    tried = await connection.execute(
        "update alerts.delivery set created_at = created_at - interval '121 s' "
        "where state = 'pending' and attempts > 0 and priority = 1 and hub_id = $1",
        HUB,
    )
    return bool(tried != "UPDATE 0")


@LOOP
@pytest.mark.real_stack
async def test_a_service_that_is_killed_wakes_somebody_and_holds_back_what_it_makes_us_believe_of_devices(
    installation: Installation, manager: Alertmanager
) -> None:
    silent = {"alertname": "TelecareSilentShare", "severity": "warn", "council": "moray"}
    (program,) = installation.programs.values()
    program.kill()
    try:
        await until(lambda: manager.called.told("page", "TelecareMonitoringBlind"), CALLED_WITHIN_S)
        await manager.post(silent)

        async def held_back() -> bool:
            (status,) = [each["status"] for each in await manager.alerts() if each["labels"] == silent]
            return status["state"] == "suppressed" and bool(status["inhibitedBy"])

        await until(held_back, CALLED_WITHIN_S)
        assert not manager.called.told("warn", "TelecareSilentShare")
    finally:
        program.start()
    await until(installation.ready, CALLED_WITHIN_S, what="the service to hear again")
    await until(lambda: manager.called.told("page", "TelecareMonitoringBlind", "resolved"), CALLED_WITHIN_S)
