"""From a fault of the running service, over Prometheus and Alertmanager as shipped, to the webhook that wakes somebody."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from services.canary.identity import CanaryIdentity
from services.chassis.postgres import Connection
from tests.blackbox.installation import COUNCIL, HUB, Installation
from tests.integration.canary.conftest import run_canary, set_up_canary
from tests.integration.deploy.dashboards import panels
from tests.integration.deploy.faults import (
    a_minute_passes_for_events,
    aim,
    hold_what_becomes_of,
    make_older,
    nothing_is_added_to,
    probe_now,
    tell_of_past_weeks,
)
from tests.integration.deploy.rules import is_of_the_canary, shipped_rules
from tests.integration.deploy.town import go_live, homes, installed
from tests.support import prometheus, servers
from tests.support.alertmanager import Alertmanager, alerting
from tests.support.certificates import Authority
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus
from tests.support.servers import Broker, DatabaseServer, until

CALLED_WITHIN_S = 120.0
QUEUED_MAX = 20  # messages that wait for each who is away; nobody here has as many by himself
CANARY_PORT = free_port()  # Prometheus looks for it there before it runs

pytestmark = [pytest.mark.real_stack, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def installations_broker() -> Iterator[Broker]:
    """One with little room, that tells each second what it threw away."""
    broker = servers.make_broker()
    broker.start()
    broker.narrow(QUEUED_MAX)
    yield broker
    broker.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(
    database_server: DatabaseServer, installations_broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """`telecare up`. Others present certificates of two and of ten days, though the file was renewed; one is not there at all."""
    directory = tmp_path_factory.mktemp("telecare")
    authority = Authority(directory, "trial")
    async with AsyncExitStack() as others:

        async def presenting(*, days: int) -> str:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            hosts = ("localhost", "proxy.example")
            context.load_cert_chain(*authority.issue("broker", *hosts, good_for=timedelta(days=days)))
            other = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
            await others.enter_async_context(other)
            return f"mqtts://127.0.0.1:{other.sockets[0].getsockname()[1]}"

        ends, expires, nobody = await presenting(days=2), await presenting(days=10), f"mqtts://127.0.0.1:{free_port()}"
        certificate, _ = authority.issue("broker", "localhost", good_for=timedelta(days=300))
        met = ((ends, "localhost"), (ends, "telecare.example"), (expires, "proxy.example"), (nobody, "gone.example"))
        listeners = [f"{where}?name={name}&trust={authority.certificate}" for where, name in met]
        watched = {"WATCH_CERTIFICATES": str(certificate), "WATCH_LISTENERS": ",".join(listeners)}
        known = ("InsufficientPrivilegeError",)  # a right that one of the tests takes away
        async with installed(database_server, installations_broker, directory, but=known, **watched) as installation:
            yield installation


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def canary_file(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Who the canary is; it does not run yet."""
    file = tmp_path_factory.mktemp("canary") / "canary.json"
    token = installation.settings["BOOTSTRAP_TOKEN"]
    settings = {"MQTT_URL": installation.broker.url, "API_URL": installation.api.url, "API_TOKEN": token}
    await set_up_canary(file, settings)
    return file


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def manager(installation: Installation) -> AsyncIterator[Alertmanager]:
    """Alertmanager, whom nobody calls yet."""
    async with alerting(installation.api.session) as manager:
        yield manager


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def watching(installation: Installation, manager: Alertmanager) -> AsyncIterator[Prometheus]:
    """A Prometheus that sees the installation as if it were two processes, and the canary if it runs, and calls Alertmanager."""
    address = installation.api.url.removeprefix("http://")
    http = installation.api.session
    ports = {"alertmanager_port": manager.port, "canary_port": CANARY_PORT}
    async with prometheus.watching(address, "one", "standby", http=http, **ports) as server:
        yield server


async def called(manager: Alertmanager, receiver: str, alert: str, status: str = "firing") -> dict[str, Any]:
    """Wait until that receiver's webhook has been told so; the alert, as it was told first."""
    found = await until(lambda: manager.called.told(receiver, alert, status), CALLED_WITHIN_S, what=f"{alert} {status}")
    return found[0]


async def over(manager: Alertmanager, alert: str) -> None:
    """Wait until another test's is over, and forget it: while it lasted nobody would be called anew."""
    await until(lambda: not manager.called.stands(alert), CALLED_WITHIN_S, what=f"{alert} to be over")
    manager.called.forget(alert)


async def held_back(manager: Alertmanager, **labels: str) -> bool:
    """Whether Alertmanager has such an alert, and tells nobody because of another."""
    found = [each["status"] for each in await manager.alerts() if labels.items() <= each["labels"].items()]
    return bool(found) and all(each["state"] == "suppressed" and each["inhibitedBy"] for each in found)


async def shown_blind(prometheus: Prometheus) -> bool:
    """Whether the dashboard says so, too."""
    (hearing,) = (query for panel in panels() if panel.title == "Hearing" for query in panel.queries)
    return [series.last for series in await prometheus.query(hearing.expr)] == [1]


async def test_all_are_loaded_and_none_fires_while_all_is_well(watching: Prometheus) -> None:
    """But the watchdog, which always does, the canary's, which does not run yet, and those of who presents what he should not."""
    judged = {
        rule["alert"]
        for rule in shipped_rules("alert")
        if not is_of_the_canary(rule["expr"]) and rule["alert"] != "TelecareWatchdog"
    }

    async def quiet() -> bool:
        rules = await watching.rules()
        assert judged <= rules.keys()
        active = [alert["labels"] for name in judged for alert in rules[name]["alerts"]]
        return all(rules[name]["health"] == "ok" for name in judged) and all("listener" in each for each in active)

    await until(quiet, CALLED_WITHIN_S)


async def test_the_dead_mans_switch_is_fed_while_all_is_well(manager: Alertmanager) -> None:
    await called(manager, "watchdog", "TelecareWatchdog")
    assert not manager.called.told("page", "TelecareWatchdog")


async def test_a_canary_that_does_not_run_wakes_somebody(manager: Alertmanager) -> None:
    """It does not run yet."""
    await called(manager, "page", "TelecareCanaryAbsent")


async def test_a_certificate_that_was_renewed_and_not_loaded_wakes_somebody_and_so_does_one_for_another_name(
    manager: Alertmanager,
) -> None:
    ends = await called(manager, "page", "TelecareCertificateEnds")
    assert ends["labels"]["listener"].startswith("mqtts://")
    assert "file" not in ends["labels"]
    refused = await called(manager, "page", "TelecareCertificateRefused")
    assert refused["labels"]["listener"].startswith("mqtts://telecare.example:")
    assert "not for that name" in refused["annotations"]["summary"]


async def test_a_certificate_that_ends_in_some_days_is_told_and_not_again_of_one_that_somebody_was_woken_for(
    manager: Alertmanager,
) -> None:
    ends = await called(manager, "page", "TelecareCertificateEnds")
    expires = await called(manager, "ticket", "TelecareCertificateExpiring")
    assert expires["labels"]["listener"].startswith("mqtts://proxy.example:")
    woken_for = {"alertname": "TelecareCertificateExpiring", "listener": ends["labels"]["listener"]}
    await until(lambda: held_back(manager, **woken_for), CALLED_WITHIN_S)


async def test_a_listener_of_whom_nobody_sees_what_he_presents_wakes_somebody(manager: Alertmanager) -> None:
    unseen = await called(manager, "page", "TelecareListenerUnseen")
    assert unseen["labels"]["listener"].startswith("mqtts://gone.example:")


async def test_a_broker_that_throws_away_what_waits_for_who_is_away_wakes_somebody(
    installation: Installation, manager: Alertmanager
) -> None:
    async with homes(installation, 2) as (away, home):
        away.close()
        for _ in range(QUEUED_MAX + 5):
            home.client.publish(f"{away.topic}/receipt", b"{}", 1)
        await called(manager, "page", "TelecareBrokerDropping")


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


async def take(installation: Installation, alarm_id: str) -> None:
    taken = await installation.api.post(f"/api/v1/alarms/{alarm_id}/acknowledge", {"operator": "morag"})
    assert taken.status == 200, taken


async def two_minutes_ago(connection: Connection) -> bool:
    """Whether it has been tried; it is so since two minutes now."""
    tried = await connection.execute(
        "update alerts.delivery set created_at = created_at - interval '121 s' "
        "where state = 'pending' and attempts > 0 and priority = 1 and hub_id = $1",
        HUB,
    )
    return bool(tried != "UPDATE 0")


async def test_a_life_alarm_that_nobody_takes_is_told_after_a_minute_and_wakes_somebody_after_three_until_somebody_does(
    installation: Installation, watching: Prometheus, manager: Alertmanager
) -> None:
    for alert in ("TelecarePriority1Unacknowledged60s", "TelecarePriority1Unacknowledged180s"):
        await over(manager, alert)
    async with homes(installation, 1) as (home,):
        await home.receipt(home.press("fall"), "notified")
        alarm = await installation.alarm(home.device_id)
        await make_older(installation, alarm["alarm_id"], minutes=1)
        told = await called(manager, "warn", "TelecarePriority1Unacknowledged60s")
        assert (told["labels"]["severity"], told["labels"]["priority"]) == ("warn", "1")
        assert re.search(r"has waited [12]m", told["annotations"]["summary"])  # however long it took to be seen
        assert (await watching.rules())["TelecarePriority1Unacknowledged180s"]["state"] == "inactive"

        await make_older(installation, alarm["alarm_id"], minutes=2)
        await called(manager, "page", "TelecarePriority1Unacknowledged180s")
        await take(installation, alarm["alarm_id"])
        await called(manager, "page", "TelecarePriority1Unacknowledged180s", "resolved")
        await called(manager, "warn", "TelecarePriority1Unacknowledged60s", "resolved")


async def test_an_alarm_that_is_taken_while_nothing_can_be_written_of_it_wakes_somebody_until_it_is(
    installation: Installation, manager: Alertmanager
) -> None:
    async with homes(installation, 1) as (home,):
        await home.receipt(home.press("fall"), "notified")
        alarm = await installation.alarm(home.device_id)
        async with nothing_is_added_to(installation, "chassis.audit_log"):
            await take(installation, alarm["alarm_id"])
            await called(manager, "page", "TelecareAuditLogWaiting")
        await called(manager, "page", "TelecareAuditLogWaiting", "resolved")


async def test_an_alarm_that_no_hub_is_routed_for_wakes_somebody_until_it_is_dealt_with(
    installation: Installation, manager: Alertmanager
) -> None:
    async with homes(installation, 1, council="highland") as (home,):
        home.press("fall")
        await called(manager, "page", "TelecareAlarmsUnroutable")
    await called(manager, "page", "TelecareAlarmsUnroutable", "resolved")


async def test_an_event_that_becomes_no_alarm_is_told_and_wakes_somebody_until_it_does(
    installation: Installation, manager: Alertmanager
) -> None:
    await over(manager, "TelecareBacklogOld")
    connection = await asyncpg.connect(installation.settings["DATABASE_URL"])
    try:
        async with homes(installation, 1) as (home,):
            await hold_what_becomes_of(connection, home.device_id)
            await home.receipt(home.press("fall"))
            await a_minute_passes_for_events(connection)
            await called(manager, "page", "TelecareAuditViolation")
            old = await called(manager, "warn", "TelecareBacklogOld")
            assert old["labels"]["at"] == "alerts"
            ready = await installation.api.by(None).get("/readyz")
            assert "an event that was stored has not become an alarm" in str(ready.body["failing"])

            await connection.execute("select pg_advisory_unlock_all()")
            await called(manager, "page", "TelecareAuditViolation", "resolved")
    finally:
        await connection.close()


async def test_a_hub_that_takes_no_probe_wakes_somebody_until_it_does(
    installation: Installation, manager: Alertmanager
) -> None:
    connection = await asyncpg.connect(installation.settings["DATABASE_URL"])
    try:
        installation.receiver.break_down(HUB, 410)

        async def dead() -> bool:
            """Once more, if an alarm of the test before was told meanwhile: that counts as a probe that arrived."""
            await probe_now(connection, failures=2)
            return bool((await health())["failing"])

        async def well() -> bool:
            await probe_now(connection)
            return not (await health())["failing"]

        async def health() -> dict[str, Any]:
            channel: dict[str, Any]
            (channel,) = (await installation.api.get(f"/api/v1/hubs/{HUB}/channels/health")).body["items"]
            return channel

        await until(dead, CALLED_WITHIN_S)
        assert (await health())["last_error"] == "HTTP 410"
        told = await called(manager, "page", "TelecareChannelFailing")
        assert told["annotations"]["summary"] == f"Dead channels at {HUB}: 1"
        installation.receiver.mend(HUB)
        await until(well, CALLED_WITHIN_S)
        await called(manager, "page", "TelecareChannelFailing", "resolved")
    finally:
        await connection.close()


async def test_a_mail_server_that_responders_rely_on_and_nobody_can_hand_anything_to_wakes_somebody(
    installation: Installation, manager: Alertmanager
) -> None:
    """There is none: its settings were taken away when the host was set up anew. No hub is written to."""
    connection = await asyncpg.connect(installation.settings["DATABASE_URL"])
    body = {"kind": "email", "name": "Isla", "address": "isla@council.example"}
    try:
        added = await installation.api.post(f"/api/v1/councils/{COUNCIL}/responders", body)
        assert added.status == 201, added
        await connection.execute("update registry.responder set verified_at = now()")
        told = await called(manager, "page", "TelecareResponderWayFailing")
        assert told["annotations"]["summary"] == "Responders would not be reached by email"
        await connection.execute("update registry.responder set removed_at = now()")
        await called(manager, "page", "TelecareResponderWayFailing", "resolved")
    finally:
        await connection.execute("update registry.responder set removed_at = now()")
        await connection.close()


async def test_a_firmware_whose_heartbeats_cannot_be_read_is_told(
    installation: Installation, manager: Alertmanager
) -> None:
    async with homes(installation, 1) as (home,):
        for _ in range(100):
            home.say("heartbeat", b"no heartbeat")
        await called(manager, "warn", "TelecareQuarantineRate")


async def test_what_cannot_be_stored_gets_old_and_is_told_as_the_deafness_that_it_is(
    installation: Installation, manager: Alertmanager
) -> None:
    await over(manager, "TelecareMonitoringBlind")
    async with homes(installation, 1) as (home,):
        async with nothing_is_added_to(installation, "ingest.alarm_event"):
            pressed = home.press("fall")
            await called(manager, "page", "TelecareMonitoringBlind")
            await until(lambda: held_back(manager, alertname="TelecareBacklogOld", at="ingest"), CALLED_WITHIN_S)
        await home.receipt(pressed)
        await called(manager, "page", "TelecareMonitoringBlind", "resolved")


async def test_a_canary_of_which_nothing_comes_back_wakes_somebody_until_it_does(
    installation: Installation, manager: Alertmanager, canary_file: Path
) -> None:
    """From its start: what stood ten minutes ago, or three, promtool shows."""
    connection = await asyncpg.connect(installation.settings["DATABASE_URL"])
    try:
        for device in CanaryIdentity.read(canary_file).devices:
            await hold_what_becomes_of(connection, device.device_id)
        async with run_canary(canary_file, installation.api.session, CANARY_PORT):
            await called(manager, "page", "TelecareCanaryUnanswered")
            await connection.execute("select pg_advisory_unlock_all()")
            await called(manager, "page", "TelecareCanaryUnanswered", "resolved")
            await called(manager, "page", "TelecareCanaryAbsent", "resolved")
    finally:
        await connection.close()


async def test_a_rollout_that_stands_still_is_told_to_who_plans_it(
    installation: Installation, manager: Alertmanager
) -> None:
    await tell_of_past_weeks(installation, (20,) * 8 + (0,) * 4)
    await aim(installation, 1000, by=f"{datetime.now(UTC) + timedelta(days=7):%Y-%m-%d}")
    await called(manager, "ticket", "TelecareRolloutBehindForecast")
    await called(manager, "ticket", "TelecareRolloutTargetAtRisk")


async def test_homes_that_fall_silent_together_are_told_as_a_share_of_their_council_and_as_an_outage(
    installation: Installation, manager: Alertmanager
) -> None:
    promised = {"heartbeat_interval_s": 1, "late_after_missed": 1, "silent_after_s": 2}
    assert (await installation.api.put("/api/v1/models/default", promised)).status == 200
    async with homes(installation, 6) as boxes:
        for box in boxes:
            await go_live(installation, box)
            box.beat()
        share = await called(manager, "warn", "TelecareSilentShare")
        assert share["labels"]["council"] == COUNCIL
        await called(manager, "warn", "TelecareOutageOpen")


async def test_a_broker_that_dies_again_and_again_is_told_by_its_gaps_and_by_what_the_canary_could_not_send(
    installation: Installation, manager: Alertmanager, canary_file: Path
) -> None:
    async with run_canary(canary_file, installation.api.session, CANARY_PORT) as canary:
        for _ in range(3):
            await canary.until_more("delivered")
            await asyncio.to_thread(installation.broker.kill)
            await canary.until_more("unsent")
            await asyncio.to_thread(installation.broker.start)
            await until(installation.ready, CALLED_WITHIN_S, what="the service to hear again")
        await called(manager, "warn", "TelecareSessionGaps")
        await called(manager, "warn", "TelecareCanaryUnsteady")


async def test_a_loop_that_fails_is_told_though_every_other_figure_looks_well(
    installation: Installation, watching: Prometheus, manager: Alertmanager
) -> None:
    """Somebody took a right away: no device will be called silent any more, and what says how many are stands still."""
    await over(manager, "TelecareMonitoringBlind")

    def of_ingest() -> bool:
        told = manager.called.told("page", "TelecareUnready")
        return any(each["labels"]["service"] == "ingest" for each in told)

    async def is_heard() -> bool:
        """But for a moment in which a machine that stood still has cost it a lease."""
        return [each.last for each in await watching.query("telecare:monitoring_blind:max")] == [0]

    connection = await asyncpg.connect(installation.settings["DATABASE_URL"])
    try:
        await connection.execute("revoke select, update on ingest.sweep from telecare_ingest")
        await called(manager, "page", "TelecareUnready")
        await until(of_ingest, CALLED_WITHIN_S, what="ingest to be told of")
        await until(is_heard, CALLED_WITHIN_S, what="nobody to be called deaf")
    finally:
        await connection.execute("grant select, update on ingest.sweep to telecare_ingest")
        await connection.close()


async def test_a_process_that_ends_again_and_again_is_told(
    installation: Installation, watching: Prometheus, manager: Alertmanager
) -> None:
    (up,) = installation.programs.values()

    async def since() -> float | None:
        """When the process began, as Prometheus knows it."""
        found = await watching.query('process_start_time_seconds{job="telecare"}')
        return max((each.last for each in found), default=None)

    for _ in range(4):
        before = await until(since, CALLED_WITHIN_S, what="Prometheus to have seen it")
        await asyncio.to_thread(up.kill)
        await asyncio.to_thread(up.start)
        await until(installation.ready, CALLED_WITHIN_S, what="the service to hear again")

        async def seen_anew(before: float = before) -> bool:
            return (await since() or 0.0) > before

        await until(seen_anew, CALLED_WITHIN_S, what="Prometheus to have seen it anew")
    await called(manager, "warn", "TelecareProcessRestarts")


async def test_a_session_that_nobody_has_is_told_though_devices_are_heard(
    installation: Installation, manager: Alertmanager
) -> None:
    """Somebody's transaction holds its lease for a minute, so that nobody can keep it, or take it."""
    await over(manager, "TelecareMonitoringBlind")
    connection = await asyncpg.connect(installation.settings["DATABASE_URL"])
    try:
        async with connection.transaction():
            await connection.execute("set local idle_in_transaction_session_timeout = 0")  # the database would end it
            await connection.execute("select from chassis.shard where shard = 'hub-actions' for update")
            await called(manager, "warn", "TelecareSessionAway")
    finally:
        await connection.close()


async def test_deafness_wakes_somebody_until_the_broker_is_back(
    installation: Installation, watching: Prometheus, manager: Alertmanager
) -> None:
    await over(manager, "TelecareMonitoringBlind")
    await asyncio.to_thread(installation.broker.kill)
    await called(manager, "page", "TelecareMonitoringBlind")
    await until(lambda: shown_blind(watching), CALLED_WITHIN_S)
    await asyncio.to_thread(installation.broker.start)
    await called(manager, "page", "TelecareMonitoringBlind", "resolved")


async def test_a_service_that_is_killed_counts_as_deaf_and_holds_back_what_it_makes_us_believe_of_devices(
    installation: Installation, watching: Prometheus, manager: Alertmanager
) -> None:
    silent = {"alertname": "TelecareSilentShare", "severity": "warn", "council": "moray"}
    await over(manager, "TelecareMonitoringBlind")
    (up,) = installation.programs.values()
    up.kill()
    try:
        await called(manager, "page", "TelecareMonitoringBlind")
        await until(lambda: shown_blind(watching), CALLED_WITHIN_S)
        await called(manager, "warn", "TelecareProcessDown")
        await manager.post(silent)
        await until(lambda: held_back(manager, **silent), CALLED_WITHIN_S)
        assert silent not in [each["labels"] for each in manager.called.told("warn", "TelecareSilentShare")]
    finally:
        up.start()
    await until(installation.ready, CALLED_WITHIN_S, what="the service to hear again")
    await called(manager, "page", "TelecareMonitoringBlind", "resolved")


async def test_what_stands_when_the_service_is_killed_is_not_called_over_while_nobody_can_tell(
    installation: Installation, watching: Prometheus, manager: Alertmanager
) -> None:
    for alert in ("TelecareAlarmsUnroutable", "TelecareMonitoringBlind", "TelecareProcessDown"):
        await over(manager, alert)
    (up,) = installation.programs.values()
    async with homes(installation, 1, council="highland") as (home,):
        home.press("fall")
        await called(manager, "page", "TelecareAlarmsUnroutable")
        up.kill()
        try:
            await called(manager, "page", "TelecareMonitoringBlind")
            await called(manager, "warn", "TelecareProcessDown")
            assert await watching.query("telecare_alarms_unroutable") == []
            assert (await watching.rules())["TelecareAlarmsUnroutable"]["state"] == "firing"
            assert not manager.called.told("page", "TelecareAlarmsUnroutable", "resolved")
        finally:
            up.start()
        await called(manager, "page", "TelecareMonitoringBlind", "resolved")
    await called(manager, "page", "TelecareAlarmsUnroutable", "resolved")
