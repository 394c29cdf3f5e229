"""Dashboards, rules and provisioning hang together: they name only what exists, and say what they show."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana.source.__main__ import stale
from tests.integration.deploy.dashboards import DATABASE, FILES, GRAFANA, METRICS, Panel, boxes, load, panels
from tests.integration.deploy.rules import shipped_rules
from tests.support.listed_metrics import LISTED, SOMETIMES, family_of
from tests.support.stack import DEPLOY, REPOSITORY

ETC_GRAFANA = Path("/etc/grafana")  # where deploy/grafana lies on a host
GRID_WIDTH = 24
# Roles in the database, and a figure of a council.
NOT_METRICS = {"telecare_ingest", "telecare_alerts", "telecare_registry", "telecare_users", "telecare_grafana"}

PAPERS = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md"), *DEPLOY.rglob("*.md")]


def metrics_named_in(text: str) -> set[str]:
    """Words that are a metric's name; a file's name, which goes on with a dot, is none."""
    return set(re.findall(r"\btelecare_[a-z0-9_]+\b(?!\.\w)", text)) - NOT_METRICS


def provisioned(what: str) -> list[dict[str, Any]]:
    """All entries of that kind."""
    (file,) = (GRAFANA / "provisioning" / what).iterdir()
    entries: list[dict[str, Any]] = yaml.safe_load(file.read_text())["providers" if what == "dashboards" else what]
    return entries


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_two_panels_of_a_dashboard_share_an_id_or_a_place(path: Path) -> None:
    found = list(boxes(load(path)["panels"]))
    assert len({each["id"] for each in found}) == len(found)
    for each in found:
        assert each["gridPos"]["x"] + each["gridPos"]["w"] <= GRID_WIDTH, each["title"]
    for one, other in combinations(found, 2):
        assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "w"), ("y", "h"))
    )


def test_no_two_dashboards_share_a_uid() -> None:
    assert FILES
    assert len({load(path)["uid"] for path in FILES}) == len(FILES)


@pytest.mark.parametrize("panel", panels(), ids=str)
def test_a_panel_says_what_it_shows_and_in_which_unit(panel: Panel) -> None:
    assert panel.title
    assert len(panel.body["description"].split()) > 2
    defaults = panel.body["fieldConfig"]["defaults"]
    assert defaults["unit"]
    assert defaults["thresholds"]["steps"][0]["value"] is None
    assert len(panel.queries) + len(panel.statements) == len(panel.body["targets"]) > 0
    assert panel.body["datasource"] in (METRICS, DATABASE)


@pytest.mark.parametrize(
    "panel", [panel for panel in panels() if panel.body["fieldConfig"]["defaults"]["unit"] == "ops"], ids=str
)
def test_a_panel_of_so_many_a_second_shows_rates_only(panel: Panel) -> None:
    """A gauge among them would be read as so many a second."""
    for query in panel.queries:
        assert "rate(" in query.expr or ":rate" in query.expr, query.expr


def test_the_dashboards_are_what_the_code_says() -> None:
    assert stale() == []


def links_of_alerts() -> list[tuple[str, str]]:
    return [(rule["alert"], rule["annotations"]["dashboard_url"]) for rule in shipped_rules("alert")]


@pytest.mark.parametrize(("alert", "link"), links_of_alerts(), ids=[alert for alert, _ in links_of_alerts()])
def test_an_alert_leads_to_the_panel_that_shows_it(alert: str, link: str) -> None:
    """What it asks for first is what it tells: the panel asks for that, or for what is recorded of it; of what is missed, all."""
    uid, _, panel_id = link.rpartition("/grafana/d/")[2].partition("?viewPanel=")
    (panel,) = (each for each in panels() if each.file == uid and each.body["id"] == int(panel_id))
    (expr,) = (rule["expr"] for rule in shipped_rules("alert") if rule["alert"] == alert)
    told, shown = asked_for(expr), {name for query in panel.queries for name in asked_for(query.expr)}
    of_recorded = {
        name for rule in shipped_rules("record") if rule["record"] in shown for name in asked_for(rule["expr"])
    }
    if alert == "TelecareWatchdog":
        assert not told
    else:
        wanted = set(told) if "absent(" in expr else {told[0]}
        assert wanted <= shown | of_recorded, str(panel)


def asked_for(expr: str) -> list[str]:
    """What is measured or recorded, as a query names it, in its order."""
    return re.findall(r"\btelecare[_:][a-z0-9_:]+|\b(?:alertmanager|process)_[a-z_]+|\bup(?={)", expr)


def test_what_is_recorded_is_asked_for() -> None:
    """By an alert, by another record or by a panel: else it costs, and nobody looks."""
    files = [path.read_text() for path in (DEPLOY / "prometheus" / "rules").glob("*.rules.yml")]
    recorded = {name for text in files for name in re.findall(r"record: (\S+)", text)}
    asked = " ".join(line for text in files for line in text.splitlines() if "record:" not in line)
    asked += " ".join(query.expr for panel in panels() for query in panel.queries)
    assert {name for name in recorded if name not in asked} == set()


@pytest.mark.parametrize(
    "path",
    [*FILES, *(DEPLOY / "prometheus").rglob("*.yml"), *PAPERS],
    ids=lambda path: str(path.relative_to(REPOSITORY)),
)
def test_only_metrics_that_the_service_has_are_named(path: Path) -> None:
    named = {family_of(name) for name in metrics_named_in(path.read_text())}
    assert named <= LISTED.keys() | SOMETIMES


def test_every_dashboard_and_rule_names_a_metric_at_all_and_what_is_recorded_as_it_is_recorded() -> None:
    """Else the test above could not fail."""
    recorded = {rule["record"] for rule in shipped_rules("record")}
    for path in (*FILES, *(DEPLOY / "prometheus" / "rules").glob("*.rules.yml")):
        text = path.read_text()
        of_records = set(re.findall(r"\btelecare:[a-z0-9_:]+", text))
        assert metrics_named_in(text) | of_records, path
        assert of_records <= recorded, path


def test_every_metric_of_today_is_on_a_dashboard() -> None:
    """By itself, or in what is recorded of it."""
    recorded = (DEPLOY / "prometheus" / "rules" / "recording.rules.yml").read_text()
    asked = " ".join([recorded, *(query.expr for panel in panels() for query in panel.queries)])
    shown = {family_of(name) for name in metrics_named_in(asked)}
    assert LISTED.keys() <= shown <= LISTED.keys() | SOMETIMES


def test_the_dashboards_use_the_datasources_that_are_provisioned() -> None:
    """By variables, so that a Grafana whose sources have other names can import them."""
    provided = {each["type"]: each for each in provisioned("datasources")}
    for path in FILES:
        used = {
            json.dumps(target["datasource"]) for box in boxes(load(path)["panels"]) for target in box.get("targets", [])
        }
        variables = load(path)["templating"]["list"]
        assert used == {json.dumps({"type": each["query"], "uid": f"${{{each['name']}}}"}) for each in variables}
        for variable in variables:
            source = provided[variable["query"]]
            assert variable["type"] == "datasource"
            assert (variable["current"]["text"], variable["current"]["value"]) == (source["name"], source["uid"])


def test_a_grafana_that_has_a_default_source_already_is_given_no_second() -> None:
    """It would not start. That of the containers is ours alone."""
    assert not any(each.get("isDefault") for each in provisioned("datasources"))
    alone = yaml.safe_load((DEPLOY / "compose" / "datasources.yaml").read_text())["datasources"]
    assert sum(each.get("isDefault", False) for each in alone) == 1


def test_the_provisioned_folder_is_the_one_that_holds_the_dashboards() -> None:
    (provider,) = provisioned("dashboards")
    folder = GRAFANA / Path(provider["options"]["path"]).relative_to(ETC_GRAFANA)
    assert set(folder.glob("*.json")) == set(FILES)


def test_no_page_restarts_both_of_a_pair_at_once_and_every_command_of_ours_is_installed() -> None:
    said = "\n".join(path.read_text() for path in PAPERS if path.parent.name != "decisions")
    assert not re.findall(r"systemctl (?:try-|reload-or-)?restart '?telecare-\S*\*", said)
    named = set(re.findall(r"\btelecare-(?:re|back|cert)\w+(?![\w@])", said))
    installed = set(re.findall(r"/usr/local/sbin/(telecare-\w+)", (DEPLOY / "debian" / "install").read_text()))
    assert "telecare-restart" in named
    assert named <= installed


@pytest.mark.parametrize("path", [*PAPERS, *DEPLOY.rglob("*.env")], ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_setting_has_a_comment_behind_it(path: Path) -> None:
    """systemd's EnvironmentFile takes it for a part of the value; what is pasted from a page must be good as it stands."""
    assert re.findall(r"^#?TELECARE_\w+=.*[ \t]#.*$", path.read_text(), re.MULTILINE) == []
