"""From a fault of the running service, over Prometheus and Alertmanager as shipped, to the webhook that wakes somebody."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
import yaml

from services.chassis.postgres import Connection
from tests.blackbox.installation import HUB, Installation
from tests.integration.deploy.faults import a_minute_passes_for_events, hold_what_becomes_of, make_older, probe_now
from tests.integration.deploy.town import homes, installed
from tests.support import prometheus
from tests.support.alertmanager import RECEIVERS, SHIPPED, Alertmanager, alerting
from tests.support.certificates import Authority
from tests.support.servers import Broker, DatabaseServer, until
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
async def installation(
    database_server: DatabaseServer, installations_broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """`telecare up`, and somebody who presents a certificate of two days though the file has been renewed."""
    directory = tmp_path_factory.mktemp("telecare")
    authority = Authority(directory, "trial")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.load_cert_chain(*authority.issue("broker", "localhost", good_for=timedelta(days=2)))
    certificate, _ = authority.issue("broker", "localhost", good_for=timedelta(days=300))
    somebody = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=old)
    where = f"mqtts://127.0.0.1:{somebody.sockets[0].getsockname()[1]}"
    listeners = [f"{where}?name={name}&trust={authority.certificate}" for name in ("localhost", "telecare.example")]
    watched = {"WATCH_CERTIFICATES": str(certificate), "WATCH_LISTENERS": ",".join(listeners)}
    async with somebody, installed(database_server, installations_broker, directory, **watched) as installation:
        yield installation


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


async def called(manager: Alertmanager, receiver: str, alert: str, status: str = "firing") -> dict[str, Any]:
    """Wait until that receiver's webhook has been told so; the alert, as it was told first."""
    found = await until(lambda: manager.called.told(receiver, alert, status), CALLED_WITHIN_S, what=f"{alert} {status}")
    return found[0]


def test_the_page_lists_as_seen_for_real_what_these_tests_wait_for_and_nothing_else() -> None:
    """And of the others it says that promtool alone has seen them."""
    waited = set(re.findall(r'await called\(manager, "\w+", "(\w+)"\)', Path(__file__).read_text()))
    page = (DEPLOY.parent / "docs" / "operations.md").read_text()
    for_real, _, figures_only = (
        page.partition("**Seen for real**")[2].partition("\n\n")[0].partition("**By promtool alone**")
    )
    assert set(re.findall(r"Telecare\w+", for_real)) == waited
    assert set(re.findall(r"Telecare\w+", figures_only)) == alert_names() - waited


@LOOP
@pytest.mark.real_stack
async def test_the_dead_mans_switch_is_fed_while_all_is_well(manager: Alertmanager) -> None:
    await called(manager, "watchdog", "TelecareWatchdog")
    assert not manager.called.told("page", "TelecareWatchdog")


@LOOP
@pytest.mark.real_stack
async def test_a_canary_that_does_not_run_wakes_somebody(manager: Alertmanager) -> None:
    """It does not run here."""
    await called(manager, "page", "TelecareCanaryAbsent")


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
            told = await called(manager, "page", "TelecareDeliveryFailing")
            assert (told["labels"]["hub"], told["labels"]["severity"]) == (HUB, "page")
            runbook = f"{prometheus.PUBLIC_URL}/runbooks#telecaredeliveryfailing"
            assert told["annotations"]["runbook_url"] == runbook

            installation.receiver.mend(HUB)
            await called(manager, "page", "TelecareDeliveryFailing", "resolved")
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
async def test_a_certificate_that_was_renewed_and_not_loaded_wakes_somebody_and_so_does_one_for_another_name(
    manager: Alertmanager,
) -> None:
    ends = await called(manager, "page", "TelecareCertificateEnds")
    assert ends["labels"]["listener"].startswith("mqtts://")
    assert "file" not in ends["labels"]
    refused = await called(manager, "page", "TelecareCertificateRefused")
    assert refused["labels"]["listener"].startswith("mqtts://telecare.example:")
    assert "not for that name" in refused["annotations"]["summary"]


@LOOP
@pytest.mark.real_stack
async def test_a_life_alarm_that_nobody_takes_is_told_and_then_wakes_somebody_until_somebody_does(
    installation: Installation, manager: Alertmanager
) -> None:
    async with homes(installation, 1) as (home,):
        await home.receipt(home.press("fall"), "notified")
        alarm = await installation.alarm(home.device_id)
        await make_older(installation, alarm["alarm_id"], minutes=2)
        await called(manager, "warn", "TelecarePriority1Unacknowledged60s")
        await make_older(installation, alarm["alarm_id"], minutes=2)
        await called(manager, "page", "TelecarePriority1Unacknowledged180s")
        await installation.api.post(f"/api/v1/alarms/{alarm['alarm_id']}/acknowledge", {"operator": "morag"})
        await called(manager, "page", "TelecarePriority1Unacknowledged180s", "resolved")


@LOOP
@pytest.mark.real_stack
async def test_an_alarm_that_no_hub_is_routed_for_wakes_somebody(
    installation: Installation, manager: Alertmanager
) -> None:
    async with homes(installation, 1, council="highland") as (home,):
        home.press("fall")
        await called(manager, "page", "TelecareAlarmsUnroutable")
    await called(manager, "page", "TelecareAlarmsUnroutable", "resolved")


@LOOP
@pytest.mark.real_stack
async def test_an_event_that_becomes_no_alarm_wakes_somebody(installation: Installation, manager: Alertmanager) -> None:
    connection = await asyncpg.connect(installation.settings["DATABASE_URL"])
    try:
        async with homes(installation, 1) as (home,):
            await hold_what_becomes_of(connection, home.device_id)
            await home.receipt(home.press("fall"))
            await a_minute_passes_for_events(connection)
            await called(manager, "page", "TelecareAuditViolation")
            await connection.execute("select pg_advisory_unlock_all()")
            await called(manager, "page", "TelecareAuditViolation", "resolved")
    finally:
        await connection.close()


@LOOP
@pytest.mark.real_stack
async def test_a_hub_that_takes_no_probe_wakes_somebody(installation: Installation, manager: Alertmanager) -> None:
    connection = await asyncpg.connect(installation.settings["DATABASE_URL"])
    try:
        installation.receiver.break_down(HUB, 410)

        async def dead() -> bool:
            """Once more, if an alarm of the test before was told meanwhile: that counts as a probe that arrived."""
            await probe_now(connection, failures=2)
            (channel,) = (await installation.api.get(f"/api/v1/hubs/{HUB}/channels/health")).body["items"]
            return bool(channel["failing"])

        await until(dead, CALLED_WITHIN_S)
        await called(manager, "page", "TelecareChannelFailing")
        installation.receiver.mend(HUB)

        async def well() -> bool:
            await probe_now(connection)
            (channel,) = (await installation.api.get(f"/api/v1/hubs/{HUB}/channels/health")).body["items"]
            return not channel["failing"]

        await until(well, CALLED_WITHIN_S)
        await called(manager, "page", "TelecareChannelFailing", "resolved")
    finally:
        await connection.close()


@LOOP
@pytest.mark.real_stack
async def test_a_firmware_whose_heartbeats_cannot_be_read_is_told(
    installation: Installation, manager: Alertmanager
) -> None:
    async with homes(installation, 1) as (home,):
        for _ in range(50):
            home.say("heartbeat", b"no heartbeat")
        await called(manager, "warn", "TelecareQuarantineRate")


@LOOP
@pytest.mark.real_stack
async def test_a_service_that_is_killed_wakes_somebody_and_holds_back_what_it_makes_us_believe_of_devices(
    installation: Installation, manager: Alertmanager
) -> None:
    silent = {"alertname": "TelecareSilentShare", "severity": "warn", "council": "moray"}
    (program,) = installation.programs.values()
    program.kill()
    try:
        await called(manager, "page", "TelecareMonitoringBlind")
        await called(manager, "warn", "TelecareProcessDown")
        await manager.post(silent)

        async def held_back() -> bool:
            (status,) = [each["status"] for each in await manager.alerts() if each["labels"] == silent]
            return status["state"] == "suppressed" and bool(status["inhibitedBy"])

        await until(held_back, CALLED_WITHIN_S)
        assert not manager.called.told("warn", "TelecareSilentShare")
    finally:
        program.start()
    await until(installation.ready, CALLED_WITHIN_S, what="the service to hear again")
    await called(manager, "page", "TelecareMonitoringBlind", "resolved")
