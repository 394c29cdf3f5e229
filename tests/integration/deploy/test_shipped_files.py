"""Dashboards, rules and provisioning hang together: they name only what exists, and say what they show."""

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.deploy.dashboards import FILES, GRAFANA, Panel, boxes, load, panels
from tests.support.listed_metrics import LATER, LISTED, SOMETIMES, family_of
from tests.support.stack import DEPLOY, REPOSITORY

ETC_GRAFANA = Path("/etc/grafana")  # where deploy/grafana lies on a host
GRID_WIDTH = 24
# Roles in the database, and a figure of a council.
NOT_METRICS = {"telecare_ingest", "telecare_alerts", "telecare_registry", "telecare_users"}

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
    assert panel.body["fieldConfig"]["defaults"]["unit"]
    assert panel.queries
    for shown in (panel.body, *panel.body["targets"]):
        assert shown["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize(
    "path",
    [*FILES, *(DEPLOY / "prometheus").rglob("*.yml"), *PAPERS],
    ids=lambda path: str(path.relative_to(REPOSITORY)),
)
def test_only_metrics_that_the_service_has_are_named(path: Path) -> None:
    named = {family_of(name) for name in metrics_named_in(path.read_text())}
    assert named <= LISTED.keys() | SOMETIMES


def test_every_dashboard_and_rule_names_a_metric_at_all() -> None:
    """Else the test above could not fail."""
    for path in (*FILES, *(DEPLOY / "prometheus" / "rules").glob("*.rules.yml")):
        assert metrics_named_in(path.read_text()), path


def test_every_metric_of_today_is_on_a_dashboard() -> None:
    shown = {family_of(name) for panel in panels() for query in panel.queries for name in metrics_named_in(query.expr)}
    assert LISTED.keys() - LATER <= shown <= LISTED.keys() | SOMETIMES


def test_the_dashboards_use_the_datasource_that_is_provisioned() -> None:
    (datasource,) = provisioned("datasources")
    for path in FILES:
        (variable,) = load(path)["templating"]["list"]
        assert (variable["name"], variable["type"], variable["query"]) == (
            "datasource",
            "datasource",
            datasource["type"],
        )
        assert variable["current"] == {"text": datasource["name"], "value": datasource["uid"]}


def test_the_provisioned_folder_is_the_one_that_holds_the_dashboards() -> None:
    (provider,) = provisioned("dashboards")
    folder = GRAFANA / Path(provider["options"]["path"]).relative_to(ETC_GRAFANA)
    assert set(folder.glob("*.json")) == set(FILES)
