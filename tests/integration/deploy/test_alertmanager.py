"""Alertmanager's file as shipped, and what the page says of who has been seen to be called."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.deploy.rules import shipped_rules
from tests.support.alertmanager import RECEIVERS, SHIPPED
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


def test_the_page_lists_as_seen_for_real_what_the_tests_wait_for_and_nothing_else() -> None:
    """And of the others it says that promtool alone has seen them."""
    waited = set(re.findall(r'await called\(manager, "\w+", "(\w+)"\)', SEEN.read_text()))
    page = (DEPLOY.parent / "docs" / "operations.md").read_text()
    for_real, _, figures_only = (
        page.partition("**Seen for real**")[2].partition("\n\n")[0].partition("**By promtool alone**")
    )
    assert set(re.findall(r"Telecare\w+", for_real)) == waited
    assert set(re.findall(r"Telecare\w+", figures_only)) == alert_names() - waited
