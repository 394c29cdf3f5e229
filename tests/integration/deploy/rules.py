"""The shipped rules, as the tests read them."""

from typing import Any

import yaml

from tests.support.listed_metrics import OF_THE_CANARY
from tests.support.prometheus import SHIPPED


def shipped_rules(kind: str) -> list[dict[str, Any]]:
    """All that are recorded (`record`), or all alerts (`alert`)."""
    files = sorted(SHIPPED.glob("rules/*.rules.yml"))
    rules = [rule for path in files for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
    return [rule for rule in rules if kind in rule]


def is_of_the_canary(expr: str) -> bool:
    """Whether it asks for what the canary tells, or for what is recorded of that."""
    recorded = {
        rule["record"] for rule in shipped_rules("record") if any(each in rule["expr"] for each in OF_THE_CANARY)
    }
    return any(each in expr for each in OF_THE_CANARY | recorded)
