"""Analysis of PromQL: which series a query names, and which labels its result has.

The known series are the metrics that the services declare, the recording rules, and a few of other programs.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser as promql
import yaml
from prometheus_client import REGISTRY
from prometheus_client.metrics import Counter, Gauge, Histogram, Info, MetricWrapperBase

from shared import metrics
from shared.domain.topics import TOPICS

ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))
SERVICES = ("detector", "quality", "embedder", "assigner", "reclusterer", "reconciler")
JOBS = frozenset({*SERVICES, "minio"})
_OF_SCRAPE = frozenset({"job", "instance"})
_ENDINGS: Mapping[type[MetricWrapperBase], tuple[str, ...]] = {
    Counter: ("_total",),
    Gauge: ("",),
    Histogram: ("_bucket", "_sum", "_count"),
    Info: ("_info",),
}


@dataclass(frozen=True)
class Series:
    """The labels of a series. `values` has the labels whose values are all known."""

    labels: frozenset[str]
    values: Mapping[str, frozenset[str]]


Known = Mapping[str, Series]


def exported() -> dict[str, Series]:
    """Return the series that the services export at `/metrics`."""
    # The client library exports memory, processor time and the start of the process.
    found = {
        sample.name: Series(_OF_SCRAPE, {"job": JOBS})
        for family in REGISTRY.collect()
        if family.name.startswith("process_")
        for sample in family.samples
    }
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            for ending in _ENDINGS[type(metric)]:
                found[f"{metric._name}{ending}"] = _series(metric, ending)
    return found


def _series(metric: MetricWrapperBase, ending: str) -> Series:
    labels = {*_OF_SCRAPE, *metric._labelnames, *(["le"] if ending == "_bucket" else [])}
    values: dict[str, frozenset[str]] = {"job": JOBS}
    samples = [sample for family in metric.collect() for sample in family.samples]
    if isinstance(metric, Info):
        labels |= {"model_id", "device", "precision"}
    if "topic" in labels:
        values["topic"] = frozenset(topic.name for topic in TOPICS)
    if "stage" in labels:
        values["stage"] = stages()
    for label in labels - {
        "job",
        "instance",
        "topic",
        "stage",
        "partition",
        "error",
        "model_id",
        "device",
        "precision",
    }:
        values[label] = frozenset(sample.labels[label] for sample in samples if label in sample.labels)
    if ending == "_bucket":
        bounds = [*metric._upper_bounds] if isinstance(metric, Histogram) else []
        values["le"] = frozenset("+Inf" if bound == float("inf") else str(float(bound)) for bound in bounds)
    return Series(frozenset(labels), values)


def stages() -> frozenset[str]:
    """Return the names of all timed stages."""
    sources = [file.read_text() for folder in ("services", "shared") for file in (ROOT / folder).rglob("*.py")]
    return frozenset(stage for source in sources for stage in re.findall(r'\btimed\("(\w+)"\)', source))


# Series of other programs. A test on a real MinIO checks its names; those of Kubernetes are from kube-state-metrics.
FOREIGN: Known = {
    "up": Series(_OF_SCRAPE, {"job": JOBS}),
    "ALERTS": Series(_OF_SCRAPE | {"alertname", "alertstate"}, {"alertstate": frozenset({"firing", "pending"})}),
    **{
        name: Series(_OF_SCRAPE | {"server"}, {"job": JOBS})
        for name in (
            "minio_notify_events_sent_total",
            "minio_notify_events_errors_total",
            "minio_cluster_capacity_usable_free_bytes",
            "minio_cluster_capacity_usable_total_bytes",
        )
    },
    "kube_job_failed": Series(
        _OF_SCRAPE | {"namespace", "job_name", "condition"}, {"condition": frozenset({"true", "false", "unknown"})}
    ),
    "kube_cronjob_status_last_successful_time": Series(_OF_SCRAPE | {"namespace", "cronjob"}, {}),
}


def rules() -> Iterator[dict[str, Any]]:
    """Yield every recording and alerting rule, in the order of the files."""
    for file in RULES:
        for group in yaml.safe_load(file.read_text())["groups"]:
            yield from group["rules"]


@cache
def known() -> Known:
    """Return the series that a query may name. A recording rule may name only the rules before it."""
    found = {**exported(), **FOREIGN}
    for rule in rules():
        if "record" in rule:
            found[rule["record"]] = Series(labels_of(rule["expr"], found), {"job": JOBS})
    return found


def parsed(query: str) -> promql.Expr:
    """Return the syntax tree of a query with Grafana's variables filled in; raises ValueError if it is not PromQL."""
    return promql.parse(query.replace("$__rate_interval", "5m").replace("$__range", "1h"))


def labels_of(query: str, series: Known) -> frozenset[str]:
    """Return the labels that the result may have; AssertionError for an unknown series or label."""
    return _labels(parsed(query), series) or frozenset()


def _labels(node: Any, series: Known) -> frozenset[str] | None:
    """Return the labels of the result of a part of a query, or None for a number."""
    while isinstance(node, promql.ParenExpr | promql.UnaryExpr | promql.SubqueryExpr):
        node = node.expr
    match node:
        case promql.VectorSelector():
            return _selected(node, series)
        case promql.MatrixSelector():
            return _selected(node.vector_selector, series)
        case promql.Call():
            return _of_call(node, series)
        case promql.AggregateExpr():
            return _of_aggregate(node, series)
        case promql.BinaryExpr():
            return _of_both(node, series)
        case _:
            return None


def _of_call(node: promql.Call, series: Known) -> frozenset[str] | None:
    found = [labels for argument in node.args if (labels := _labels(argument, series)) is not None]
    match node.func.name:
        case "vector":
            return frozenset()
        case "absent":  # its result has the labels of the selector
            return frozenset(matcher.name for matcher in node.args[0].matchers.matchers)
        case "histogram_quantile":
            assert "le" in found[0], f"{node}: has no label le"
            return found[0] - {"le"}
        case _:
            return found[0] if found else None


def _of_aggregate(node: promql.AggregateExpr, series: Known) -> frozenset[str]:
    inner = _labels(node.expr, series) or frozenset()
    if node.modifier is None:
        return frozenset()
    assert node.modifier.type == promql.AggModifierType.By, f"{node}: name the labels that are kept"
    wanted = frozenset(node.modifier.labels)
    assert wanted <= inner, f"{node}: has no label {', '.join(sorted(wanted - inner))}"
    return wanted


def _of_both(node: promql.BinaryExpr, series: Known) -> frozenset[str] | None:
    left, right = _labels(node.lhs, series), _labels(node.rhs, series)
    operator = str(node.op)
    if left is None or right is None:
        return right if left is None else left
    if operator == "or":
        return left | right
    matching = node.modifier.matching if node.modifier else None
    if matching is None:
        assert left == right, f"{node}: never matches, {sorted(left)} on the left and {sorted(right)} on the right"
        return left
    assert matching.type == promql.LabelModifierType.Include, f"{node}: name the labels that match"
    missing = frozenset(matching.labels) - (left & right)
    assert not missing, f"{node}: not both sides have {', '.join(sorted(missing))}"
    return left


def _selected(node: Any, series: Known) -> frozenset[str]:
    assert node.name in series, f"{node}: no service exports {node.name}"
    found = series[node.name]
    for matcher in node.matchers.matchers:
        assert matcher.name in found.labels, f"{node}: {node.name} has no label {matcher.name}"
        values = found.values.get(matcher.name)
        if values is None:
            continue
        is_pattern = matcher.op in (promql.MatchOp.Re, promql.MatchOp.NotRe)
        for value in matcher.value.split("|") if is_pattern else [matcher.value]:
            assert value in values, f"{node}: {matcher.name} is never {value!r}, it is one of {sorted(values)}"
    return found.labels
