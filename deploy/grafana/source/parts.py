"""What panels are made of, in our words: a query, a figure, curves, bars, a table; each with its unit and what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final, Literal, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, gauge, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DashboardSpecialValueMapOptions,
    DataSourceRef,
    DynamicConfigValue,
    Panel,
    SpecialValueMap,
    SpecialValueMatch,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
    VariableOption,
)

# Variables, so that they import into a Grafana that calls its data sources something else.
METRICS: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
DATABASE: Final = DataSourceRef(type_val="grafana-postgresql-datasource", uid="${database}")

Steps = Sequence[tuple[float | None, str]]
CALM: Final[Steps] = ((None, "green"),)
ANY_IS_BAD: Final[Steps] = ((None, "green"), (1, "red"))
ANY_IS_ODD: Final[Steps] = ((None, "green"), (1, "orange"))


@dataclass(frozen=True, slots=True)
class Prom:
    """A question to Prometheus. `now`: only what holds now."""

    expr: str
    legend: str = ""
    now: bool = False

    def build(self, ref_id: str) -> Builder[Dataquery]:
        query = prometheus.Dataquery().expr(self.expr).legend_format(self.legend).ref_id(ref_id).datasource(METRICS)
        return query.instant() if self.now else query.range()


@dataclass(frozen=True, slots=True)
class Sql:
    """A question to the database, as the role telecare_grafana. Curves have a column `time`."""

    text: str
    shape: Literal["time_series", "table"] = "time_series"

    def build(self, ref_id: str) -> Builder[Dataquery]:
        return _SqlQuery(self, ref_id)


class _SqlQuery(Dataquery, Builder[Dataquery]):
    """The SDK knows no SQL."""

    def __init__(self, query: Sql, ref_id: str) -> None:
        self._query = query
        self._ref_id = ref_id

    def build(self) -> Dataquery:
        return self

    def to_json(self) -> dict[str, object]:
        return {
            "refId": self._ref_id,
            "datasource": DATABASE.to_json(),
            "editorMode": "code",
            "format": self._query.shape,
            "rawQuery": True,
            "rawSql": self._query.text,
        }


_B = TypeVar("_B", bargauge.Panel, gauge.Panel, stat.Panel, table.Panel, timeseries.Panel)


@dataclass(frozen=True, slots=True)
class Says:
    """What every panel has. `id` stays for good: alerts link to it."""

    id: int
    title: str
    description: str
    unit: str
    width: int = 12
    height: int = 8
    steps: Steps = CALM


def _fill(panel: _B, says: Says, queries: Sequence[Prom | Sql]) -> _B:
    source = METRICS if isinstance(queries[0], Prom) else DATABASE
    panel = panel.id(says.id).title(says.title).description(says.description).unit(says.unit)
    panel = panel.span(says.width).height(says.height).datasource(source)
    for letter, query in zip("ABCDEF", queries, strict=False):
        panel = panel.with_target(query.build(letter))
    return panel.thresholds(_thresholds(says.steps))


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    found = [Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(found)


def figure(
    says: Says,
    *queries: Prom | Sql,
    words: dict[str, tuple[str, str]] | None = None,
    own_steps: dict[str, Steps] | None = None,
) -> Builder[Panel]:
    """One number each, in the colour of its threshold.

    `words`: what is shown instead of a number, and its colour; "nan": of none. `own_steps`: thresholds of the number with that legend.
    """
    panel = _fill(stat.Panel(), says, queries).mappings(_mappings(words or {}))
    for name, steps in (own_steps or {}).items():
        of_its_own = DynamicConfigValue(id_val="thresholds", value=_thresholds(steps).build())
        panel = panel.override_by_name(name, [of_its_own])
    return panel.color_mode(common_models.BigValueColorMode.BACKGROUND).reduce_options(_last())


def curves(says: Says, *queries: Prom | Sql) -> Builder[Panel]:
    """Over time. Thresholds are lines, where there are any."""
    legend = common.VizLegendOptions().display_mode(common_models.LegendDisplayMode.TABLE).show_legend(show_legend=True)
    legend = legend.placement(common_models.LegendPlacement.BOTTOM).calcs(["lastNotNull", "max"])
    panel = _fill(timeseries.Panel(), says, queries).legend(legend).fill_opacity(8)
    panel = panel.tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
    if len(says.steps) > 1:
        drawn = common.GraphThresholdsStyleConfig().mode(common_models.GraphThresholdsStyleMode.LINE)
        panel = panel.thresholds_style(drawn)
    return panel


def bars(says: Says, *queries: Prom | Sql) -> Builder[Panel]:
    """One bar for each series, as long as its last value."""
    panel = _fill(bargauge.Panel(), says, queries).min(0)
    return panel.orientation(common_models.VizOrientation.HORIZONTAL).reduce_options(_last())


def dial(says: Says, query: Prom, upto: float) -> Builder[Panel]:
    """A share of a whole."""
    return _fill(gauge.Panel(), says, [query]).min(0).max(upto).reduce_options(_last())


def rows(says: Says, query: Sql, units: dict[str, str] | None = None) -> Builder[Panel]:
    """A table. `units`: those of columns that have another one."""
    panel = _fill(table.Panel(), says, [query])
    for column, unit in (units or {}).items():
        panel = panel.override_by_name(column, [DynamicConfigValue(id_val="unit", value=unit)])
    return panel


def _last() -> Builder[common_models.ReduceDataOptions]:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _mappings(words: dict[str, tuple[str, str]]) -> list[ValueMapping]:
    plain = {
        value: ValueMappingResult(text=text, color=color) for value, (text, color) in words.items() if value != "nan"
    }
    found: list[ValueMapping] = [ValueMap(options=plain)] if plain else []
    if "nan" in words:
        text, color = words["nan"]
        none = ValueMappingResult(text=text, color=color)
        found.append(
            SpecialValueMap(options=DashboardSpecialValueMapOptions(match=SpecialValueMatch.NULL_AND_NAN, result=none))
        )
    return found


@dataclass(frozen=True, slots=True)
class Part:
    """Panels under a heading."""

    heading: str
    panels: Sequence[Builder[Panel]]


def page(
    uid: str, title: str, about: str, parts: Sequence[Part], *, span: str = "3h", database: bool = False
) -> dashboard.Dashboard:
    """A dashboard, with links to the others. `span`: how far back it looks at first. `database`: it asks the database, too."""
    made = dashboard.Dashboard(title).uid(uid).description(about).tags(["telecare"]).timezone("Europe/London")
    made = made.refresh("1m" if database else "10s").time(f"now-{span}", "now").editable()
    made = made.link(
        dashboard.DashboardLink("telecare")
        .type(DashboardLinkType.DASHBOARDS)
        .tags(["telecare"])
        .keep_time(keep_time=True)
    )
    made = made.with_variable(_variable("datasource", "Prometheus", "prometheus", "telecare-prometheus"))
    if database:
        made = made.with_variable(
            _variable("database", "Telecare", "grafana-postgresql-datasource", "telecare-database")
        )
    ids = count(1000)  # of headings, which nothing links to
    for part in parts:
        made = made.with_row(dashboard.Row(part.heading).id(next(ids)))
        for panel in part.panels:
            made = made.with_panel(panel)
    return made


def _variable(name: str, label: str, kind: str, uid: str) -> dashboard.DatasourceVariable:
    return (
        dashboard.DatasourceVariable(name)
        .type(kind)
        .label(label)
        .current(VariableOption(selected=False, text=label, value=uid))
    )
