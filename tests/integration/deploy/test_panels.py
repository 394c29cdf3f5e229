"""Panels that could be green while there is nothing to see: their own queries, put to promtool with invented figures."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.integration.deploy.dashboards import Panel, panels
from tests.integration.deploy.rules import shipped_rules
from tests.support.prometheus import SHIPPED
from tests.support.stack import STACK

TRIED = 'telecare_canary_last_success_timestamp_seconds{shard="alarms"}'
THERE = 'telecare_shard_info{lane="alarm", shard="alarms", instance="one"}'
ALSO_THERE = 'telecare_shard_info{lane="alarm", shard="north", instance="one"}'
UP = 'up{job="telecare", instance="%s"}'


def panel(title: str) -> Panel:
    (found,) = (each for each in panels() if each.title == title)
    return found


def red(steps: list[dict[str, object]]) -> list[object]:
    """From where on a panel with these thresholds is red."""
    return [step["value"] for step in steps if step["color"] == "red"]


def promtool_says(directory: Path, expr: str, series: Mapping[str, str], value: float | None) -> None:
    """With a value for each minute of these series, after half an hour the query has this one (None: nothing)."""
    shutil.copyfile(SHIPPED / "rules" / "recording.rules.yml", directory / "recording.rules.yml")
    expected = [] if value is None else [{"labels": "{}", "value": value}]
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": expr, "eval_time": "30m", "exp_samples": expected}],
    }
    tests = {"rule_files": ["recording.rules.yml"], "evaluation_interval": "1m", "tests": [case]}
    (directory / "panel.yml").write_text(yaml.safe_dump(tests))
    said = STACK.run("/usr/bin/promtool", "test", "rules", "{files}/panel.yml", files=directory)
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.real_stack
@pytest.mark.parametrize(
    ("series", "value"),
    [
        pytest.param({THERE: "1x40", TRIED: "0+60x40"}, 0, id="each shard is tried"),
        pytest.param({THERE: "1x40", ALSO_THERE: "1x40", TRIED: "0+60x40"}, 1, id="one is not"),
        pytest.param({THERE: "1x40", ALSO_THERE: "1x40"}, 2, id="no canary runs"),
        pytest.param({}, 1, id="nobody tells of shards nor of a canary"),
        pytest.param({THERE: "1x20 stale", TRIED: "0+60x20 stale"}, 1, id="both are gone"),
        pytest.param({TRIED: "0+60x40"}, None, id="alerts is away: nobody knows"),
    ],
)
def test_without_a_canary_is_nought_only_where_each_shard_has_one(
    tmp_path: Path, series: Mapping[str, str], value: float | None
) -> None:
    without = panel("Without a canary")
    assert red(without.body["fieldConfig"]["defaults"]["thresholds"]["steps"]) == [1]
    promtool_says(tmp_path, without.queries[0].expr, series, value)


@pytest.mark.real_stack
@pytest.mark.parametrize(
    ("series", "value"),
    [
        pytest.param({UP % "one": "1x40", UP % "two": "1x40"}, 1, id="all"),
        pytest.param({UP % "one": "1x40", UP % "two": "1x20 0x20"}, 0.5, id="one can't be asked"),
        pytest.param({UP % "one": "1x40", UP % "two": "1x20 stale"}, 0.5, id="one has left the DNS"),
        pytest.param({UP % "one": "1x40", UP % "two": "_x28 1x12"}, 1, id="there is one more since two minutes"),
        pytest.param({UP % "one": "1x20 stale"}, 0, id="there is nobody to ask"),
        pytest.param({}, 0, id="there never was"),
    ],
)
def test_processes_scraped_are_green_only_if_all_of_them_are(
    tmp_path: Path, series: Mapping[str, str], value: float
) -> None:
    scraped = panel("Processes scraped")
    first, last = scraped.body["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert (first["color"], last["color"], last["value"]) == ("red", "green", 1)
    promtool_says(tmp_path, scraped.queries[0].expr, series, value)


def test_the_newest_backup_of_either_kind_is_red_from_when_on_somebody_is_woken() -> None:
    (expr,) = (rule["expr"] for rule in shipped_rules("alert") if rule["alert"] == "TelecareBackupOld")
    assert "> 26 * 3600" in expr
    assert 'what="without-heartbeats"}) > 6 * 3600' in expr
    config = panel("Newest backup").body["fieldConfig"]
    (hourly,) = config["overrides"]
    assert red(config["defaults"]["thresholds"]["steps"]) == [26 * 3600]
    assert hourly["matcher"] == {"id": "byName", "options": "without-heartbeats"}
    ((thresholds,),) = (hourly["properties"],)
    assert red(thresholds["value"]["steps"]) == [6 * 3600]
