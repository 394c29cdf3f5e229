"""Alertmanager's file as shipped, and what the page says of who has been seen to be called."""

import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.integration.deploy.rules import shipped_rules
from tests.support.alertmanager import RECEIVERS, SHIPPED, Alertmanager, alerting
from tests.support.servers import until
from tests.support.stack import DEPLOY, STACK

SEEN = Path(__file__).with_name("test_somebody_is_called.py")


def config() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(SHIPPED.read_text())
    return loaded


def alert_names() -> set[str]:
    """Of every alert in the shipped rules."""
    return {rule["alert"] for rule in shipped_rules("alert")}


def test_what_is_inhibited_and_by_what_are_alerts_that_there_are() -> None:
    named = set(re.findall(r"Telecare\w+", SHIPPED.read_text()))
    assert named
    assert named <= alert_names()


def test_what_holds_others_back_outlasts_them() -> None:
    """Else somebody is called for each of them when all is well again."""
    lasts_s = {rule["alert"]: seconds(rule.get("keep_firing_for", "0s")) for rule in shipped_rules("alert")}
    pairs = [
        (source, target)
        for rule in config()["inhibit_rules"]
        for source in re.findall(r"Telecare\w+", str(rule["source_matchers"]))
        for target in re.findall(r"Telecare\w+", str(rule["target_matchers"]))
    ]
    assert len(pairs) > 5
    assert [pair for pair in pairs if lasts_s[pair[0]] < lasts_s[pair[1]]] == []
    of_deafness = {lasts_s[target] for source, target in pairs if source == "TelecareMonitoringBlind"}
    assert lasts_s["TelecareMonitoringBlind"] > max(of_deafness) > 0  # it may end first, and they be asked for anew


def seconds(duration: str) -> int:
    """As Prometheus writes it, with one unit."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[duration[-1]]


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


HELD_BACK_BY_DEAFNESS = [
    {"alertname": "TelecareSilentShare", "severity": "warn", "council": "moray"},
    {"alertname": "TelecareOutageOpen", "severity": "warn"},
    {"alertname": "TelecareSessionGaps", "severity": "warn"},
    {"alertname": "TelecareSessionAway", "severity": "warn", "shard": "hub-actions"},
    {"alertname": "TelecareUnready", "severity": "page", "service": "ingest"},
    {"alertname": "TelecareDatabaseUnwatched", "severity": "warn"},
    {"alertname": "TelecareBacklogOld", "severity": "warn", "at": "ingest"},
]
TOLD_ALL_THE_SAME = [
    {"alertname": "TelecareBacklogOld", "severity": "warn", "at": "alerts"},
    {"alertname": "TelecareCanaryLate", "severity": "page", "shard": "alarms"},
    {"alertname": "TelecareCanaryUnanswered", "severity": "page", "shard": "alarms"},
    {"alertname": "TelecareCanaryUnsteady", "severity": "warn", "shard": "alarms"},
    {"alertname": "TelecareCanaryAbsent", "severity": "page", "shard": "alarms"},
    {"alertname": "TelecarePriority1Unacknowledged180s", "severity": "page", "priority": "1", "council": "fife"},
]


@pytest.mark.real_stack
@pytest.mark.parametrize("silenced", [False, True], ids=["told", "silenced"])
async def test_deafness_holds_back_what_is_about_silence_and_no_press_that_does_not_come_out_at_a_hub(
    silenced: bool,
) -> None:
    """Nor does it matter to either whether somebody has silenced the deafness."""
    async with aiohttp.ClientSession() as http, alerting(http) as manager:
        if silenced:
            await manager.silence("TelecareMonitoringBlind")
        blind = {"alertname": "TelecareMonitoringBlind", "severity": "page"}
        await manager.post(blind)
        await until(lambda: judged(manager, [blind]), what="the deafness to be known")
        await manager.post(*HELD_BACK_BY_DEAFNESS, *TOLD_ALL_THE_SAME)

        async def told() -> bool:
            found = [each["labels"] for call in manager.called.by_receiver.values() for each in call]
            assert not [each for each in HELD_BACK_BY_DEAFNESS if each in found]
            return all(each in found for each in TOLD_ALL_THE_SAME) and (blind in found) != silenced

        await until(told, what="all the others to be told")
        await until(lambda: judged(manager, HELD_BACK_BY_DEAFNESS))
        state = {tuple(sorted(each["labels"].items())): each["status"] for each in await manager.alerts()}
        assert all(state[tuple(sorted(each.items()))]["inhibitedBy"] for each in HELD_BACK_BY_DEAFNESS)
        assert not any(state[tuple(sorted(each.items()))]["inhibitedBy"] for each in TOLD_ALL_THE_SAME)
        assert bool(state[tuple(sorted(blind.items()))]["silencedBy"]) == silenced


async def judged(manager: Alertmanager, labels: list[dict[str, str]]) -> bool:
    """Whether it has made up its mind about each: to tell it, or not to."""
    known = [each["labels"] for each in await manager.alerts() if each["status"]["state"] != "unprocessed"]
    return all(each in known for each in labels)


def test_the_page_says_what_deafness_holds_back() -> None:
    page = (DEPLOY.parent / "docs" / "operations.md").read_text()
    about = page.partition("### TelecareMonitoringBlind\n")[2].partition("\n### ")[0]
    said = set(re.findall(r"Telecare\w+", about.partition("*Held back*")[2].partition("*First*")[0]))
    assert said == {each["alertname"] for each in HELD_BACK_BY_DEAFNESS}


def test_the_page_lists_as_seen_for_real_what_the_tests_wait_for_and_nothing_else() -> None:
    """And of the others it says that promtool alone has seen them."""
    waited = set(re.findall(r'await called\(manager, "\w+", "(\w+)"\)', SEEN.read_text()))
    page = (DEPLOY.parent / "docs" / "operations.md").read_text()
    for_real, _, figures_only = (
        page.partition("**Seen for real**")[2].partition("\n\n")[0].partition("**By promtool alone**")
    )
    assert set(re.findall(r"Telecare\w+", for_real)) == waited
    assert set(re.findall(r"Telecare\w+", figures_only)) == alert_names() - waited
