"""The kinds of panels of the dashboard, made with Grafana's builders."""

from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, heatmap, prometheus, stat, timeseries
from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    GraphDrawStyle,
    HeatmapCellLayout,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import DataSourceRef, FieldColorModeId, Threshold, ThresholdsMode
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

_SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
_REF_IDS = "ABCDEFGH"


@dataclass(frozen=True, slots=True)
class Query:
    """A query of a panel. `legend`: the name of each line, with labels as `{{label}}`."""

    expr: str
    legend: str = ""


def number(
    title: str, about: str, unit: str, expr: str, *, warn_from: float | None = None, decimals: int | None = None
) -> stat.Panel:
    """Return a panel with the present value of `expr`, which is red from `warn_from` on."""
    steps = [Threshold(color="green", value=None)]
    if warn_from is not None:
        steps.append(Threshold(color="red", value=warn_from))
    panel = (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(_SOURCE)
        .unit(unit)
        .span(3)
        .height(4)
        .graph_mode(BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .with_target(_target(Query(expr), "A"))
    )
    return panel if decimals is None else panel.decimals(decimals)


def lines(title: str, about: str, unit: str, *queries: Query) -> timeseries.Panel:
    """Return a panel with lines over time; the axis begins at zero."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(_SOURCE)
        .unit(unit)
        .span(8)
        .height(8)
        .min(0)
        .draw_style(GraphDrawStyle.LINE)
        .fill_opacity(8)
        .show_points(VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )
    for query, ref_id in zip(queries, _REF_IDS, strict=False):
        panel = panel.with_target(_target(query, ref_id))
    return panel


def stacked(title: str, about: str, unit: str, *queries: Query) -> timeseries.Panel:
    """Return a panel with stacked areas over time, which are parts of a whole."""
    stacking = common.StackingConfig().mode(StackingMode.NORMAL).group("A")
    return lines(title, about, unit, *queries).stacking(stacking).fill_opacity(40)


def heat_map(title: str, about: str, unit: str, expr: str) -> heatmap.Panel:
    """Return a panel with a histogram over time.

    `expr` gives one cumulative series for each bucket, with the label `le`.
    """
    return (
        heatmap.Panel()
        .title(title)
        .description(about)
        .datasource(_SOURCE)
        .span(16)
        .height(8)
        .calculate(calculate=False)
        .cell_gap(1)
        .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Viridis").steps(64))
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .rows_frame(heatmap.RowsHeatmapOptions().layout(HeatmapCellLayout.LE))
        .show_legend()
        .with_target(_target(Query(expr, "{{le}}"), "A").format(PromQueryFormat.HEATMAP))
    )


def _target(query: Query, ref_id: str) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(ref_id).range().datasource(_SOURCE)
    )
