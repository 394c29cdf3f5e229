"""The shipped Prometheus files: promtool accepts them, and each alert has been seen to fire and to keep quiet."""

from typing import Any

import pytest
import yaml

from tests.support.stack import DEPLOY, STACK

PROMETHEUS = DEPLOY / "prometheus"


def alerts() -> set[str]:
    rules = yaml.safe_load((PROMETHEUS / "rules" / "telecare.rules.yml").read_text())
    return {rule["alert"] for group in rules["groups"] for rule in group["rules"]}


def cases() -> list[dict[str, Any]]:
    tests = yaml.safe_load((PROMETHEUS / "rules" / "telecare_test.yml").read_text())["tests"]
    return [case for test in tests for case in test["alert_rule_test"]]


def test_every_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    assert {case["alertname"] for case in cases() if case.get("exp_alerts")} == alerts()
    assert {case["alertname"] for case in cases() if not case.get("exp_alerts")} == alerts()


@pytest.mark.real_stack
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "{files}/prometheus.yml"),
        ("check", "rules", "--lint-fatal", "{files}/rules/telecare.rules.yml"),
        ("test", "rules", "{files}/rules/telecare_test.yml"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_promtool_accepts_the_shipped_files(arguments: tuple[str, ...]) -> None:
    result = STACK.run("/usr/bin/promtool", *arguments, files=PROMETHEUS)
    assert result.returncode == 0, result.stdout + result.stderr
