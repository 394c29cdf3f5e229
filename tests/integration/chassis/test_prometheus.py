"""The shipped Prometheus files: promtool accepts them, and each alert has been seen to fire and to keep quiet, and leads on."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.chassis.settings import Settings
from services.cli.runbooks import page
from tests.support.stack import DEPLOY, STACK

PROMETHEUS = DEPLOY / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.rules.yml"))
TESTS = sorted((PROMETHEUS / "rules" / "tests").glob("*.yml"))
SEVERITIES = {"page", "warn", "ticket", "watchdog"}
PUBLIC = "{{ $externalLabels.public_url }}"
NEVER_QUIET = {"TelecareWatchdog"}


def rules(kind: str) -> list[dict[str, Any]]:
    """All that are recorded (`record`), or all alerts (`alert`)."""
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def alerts() -> set[str]:
    return {rule["alert"] for rule in rules("alert")}


def cases() -> list[dict[str, Any]]:
    tests = [test for path in TESTS for test in yaml.safe_load(path.read_text())["tests"]]
    return [case for test in tests for case in test["alert_rule_test"]]


def anchors() -> set[str]:
    """What links may name on the page that they lead to."""
    return set(re.findall(r'<h\d id="([^"]+)">', page()))


def test_every_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    assert {case["alertname"] for case in cases() if case.get("exp_alerts")} == alerts()
    assert {case["alertname"] for case in cases() if not case.get("exp_alerts")} == alerts() - NEVER_QUIET


# What tells of these can't be away with us, or its being away is what they tell, or they look back over minutes as it is.
NOT_TOLD_BY_OUR_GAUGES = {
    "TelecareWatchdog",
    "TelecareNotificationsFailing",
    "TelecareProcessDown",
    "TelecareProcessMissing",
    "TelecareProcessRestarts",
    "TelecareMonitoringFlaps",
    "TelecareCanaryAbsent",
    "TelecareCanaryUnanswered",
    "TelecareCanaryUnsteady",
    "TelecareQuarantineRate",
}


def test_nothing_that_our_gauges_tell_is_over_because_nobody_tells_it() -> None:
    """Either what was told last is looked at, so that its end is told at once, or it is kept firing for some minutes."""
    held = {rule["alert"] for rule in rules("alert") if "keep_firing_for" in rule or "last_over_time" in rule["expr"]}
    assert alerts() - held <= NOT_TOLD_BY_OUR_GAUGES <= alerts()
    assert not (held - {"TelecareCanaryAbsent"}) & NOT_TOLD_BY_OUR_GAUGES


def test_no_two_alerts_share_a_name() -> None:
    assert len(rules("alert")) == len(alerts())


@pytest.mark.parametrize("rule", rules("alert"), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_urgent_it_is_and_where_to_read_on(rule: dict[str, Any]) -> None:
    annotations = rule["annotations"]
    assert rule["labels"]["severity"] in SEVERITIES
    assert annotations.keys() == {"summary", "description", "runbook_url", "dashboard_url"}
    assert len(annotations["description"].split()) > 4
    # With no beginning a link leads nowhere: it is whoever installs that says it (TELECARE_PUBLIC_URL).
    assert annotations["runbook_url"] == f"{PUBLIC}/runbooks#{rule['alert'].lower()}"
    assert rule["alert"].lower() in anchors()
    assert annotations["dashboard_url"].startswith(f"{PUBLIC}/grafana/d/")


def test_the_beginning_of_links_is_the_setting_that_the_services_have() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    assert config["global"]["external_labels"] == {"public_url": "${TELECARE_PUBLIC_URL}"}
    assert "public_url" in Settings.model_fields


@pytest.mark.real_stack
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "{files}/prometheus.yml"),
        *(("check", "rules", "--lint-fatal", f"{{files}}/rules/{path.name}") for path in RULES),
        *(("test", "rules", f"{{files}}/rules/tests/{path.name}") for path in TESTS),
    ],
    ids=lambda arguments: f"{arguments[0]} {arguments[-1].rsplit('/', 1)[-1]}",
)
def test_promtool_accepts_the_shipped_files(arguments: tuple[str, ...]) -> None:
    result = STACK.run("/usr/bin/promtool", *arguments, files=PROMETHEUS)
    assert result.returncode == 0, result.stdout + result.stderr


SCRAPED = sorted(DEPLOY.glob("*/scrape.yml"))


@pytest.mark.parametrize("path", SCRAPED, ids=lambda path: path.parent.name)
def test_each_job_bears_our_name_and_says_how_often(path: Path) -> None:
    """Into a Prometheus with jobs of its own: two of one name and it does not start; by its minute we would be two late."""
    ours = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["global"]
    for job in yaml.safe_load(path.read_text())["scrape_configs"]:
        assert job["job_name"].startswith("telecare")
        assert (job["scrape_interval"], job["scrape_timeout"]) == (ours["scrape_interval"], "10s"), job["job_name"]


def test_each_group_of_rules_bears_our_name_and_says_how_often() -> None:
    ours = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["global"]
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    assert {group["interval"] for group in groups} == {ours["evaluation_interval"]}
    assert all(group["name"].startswith("telecare-") for group in groups)


@pytest.mark.real_stack
@pytest.mark.parametrize("path", SCRAPED, ids=lambda path: path.parent.name)
def test_debians_own_prometheus_takes_ours_beside_its_own_jobs(path: Path, tmp_path: Path) -> None:
    """As the page has it, which names the files in a prometheus.yml that is there."""
    theirs = yaml.safe_load((STACK.root / "etc" / "prometheus" / "prometheus.yml").read_text())
    assert {job["job_name"] for job in theirs["scrape_configs"]} >= {"prometheus"}
    theirs |= {"scrape_config_files": ["telecare/scrape.yml"], "rule_files": ["telecare/rules/*.rules.yml"]}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(theirs))
    shutil.copytree(PROMETHEUS / "rules", tmp_path / "telecare" / "rules")
    shutil.copy(path, tmp_path / "telecare")
    checked = STACK.run("/usr/bin/promtool", "check", "config", "{files}/prometheus.yml", files=tmp_path)
    assert checked.returncode == 0, checked.stderr
