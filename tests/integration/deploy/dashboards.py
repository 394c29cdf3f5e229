"""The shipped Grafana dashboards, as the tests read them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.stack import DEPLOY

GRAFANA = DEPLOY / "grafana"
FILES = tuple(sorted((GRAFANA / "dashboards").glob("*.json")))
METRICS = {"type": "prometheus", "uid": "${datasource}"}
DATABASE = {"type": "grafana-postgresql-datasource", "uid": "${database}"}


@dataclass(frozen=True)
class Query:
    """One curve, or figure, of a panel, from Prometheus."""

    expr: str
    legend: str
    instant: bool

    @property
    def legend_labels(self) -> set[str]:
        """The labels by which the legend tells series apart."""
        return set(re.findall(r"\{\{\s*(\w+)\s*\}\}", self.legend))


@dataclass(frozen=True)
class Statement:
    """One table, or set of curves, of a panel, from the database."""

    text: str
    shape: str

    @property
    def sql(self) -> str:
        """As Grafana sends it, looking at all times."""
        return re.sub(r"\$__timeFilter\((\w+)\)", r"\1 between '1970-01-01' and '2099-12-31'", self.text)


@dataclass(frozen=True)
class Panel:
    """What shows data; rows, which only head others, are none."""

    file: str
    body: dict[str, Any]

    @property
    def title(self) -> str:
        return str(self.body["title"])

    @property
    def queries(self) -> list[Query]:
        return [
            Query(each["expr"], each["legendFormat"], each["instant"])
            for each in self.body["targets"]
            if each["datasource"] == METRICS
        ]

    @property
    def statements(self) -> list[Statement]:
        return [
            Statement(each["rawSql"], each["format"]) for each in self.body["targets"] if each["datasource"] == DATABASE
        ]

    def __str__(self) -> str:
        return f"{self.file}: {self.title}"


def load(path: Path) -> dict[str, Any]:
    """One dashboard."""
    dashboard: dict[str, Any] = json.loads(path.read_text())
    return dashboard


def boxes(panels: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Panels and rows alike, those that a collapsed row hides too."""
    for each in panels:
        yield each
        yield from boxes(each.get("panels", []))


def panels() -> list[Panel]:
    """Every panel of every dashboard."""
    return [Panel(path.stem, body) for path in FILES for body in boxes(load(path)["panels"]) if body["type"] != "row"]
