"""What is written down already, and comes with what it measures."""

import yaml

from tests.support.listed_metrics import LATER
from tests.support.prometheus import SHIPPED


def shipped_rules() -> list[dict[str, str]]:
    """All rules, recording and alerting."""
    files = sorted(SHIPPED.glob("rules/*.rules.yml"))
    return [rule for path in files for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def is_of_later(expr: str) -> bool:
    """Whether it asks for a metric that is still to come, or for what is recorded of one."""
    recorded = {
        rule["record"] for rule in shipped_rules() if "record" in rule and any(each in rule["expr"] for each in LATER)
    }
    return any(each in expr for each in LATER | recorded)
