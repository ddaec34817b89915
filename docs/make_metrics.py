# ruff: noqa: INP001  a script beside the documents, no package
"""Write `docs/metrics.md`, the page of all metrics, from their declarations in `shared/metrics.py`.

python -m docs.make_metrics
"""

from collections.abc import Iterator
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram, Info, Metric
from prometheus_client.metrics import MetricWrapperBase

from docs.tables import table
from shared import metrics

TARGET = Path(__file__).with_name("metrics.md")
_HEAD = """\
# Metrics

<!-- Made by `python -m docs.make_metrics` from shared/metrics.py; change the declarations there instead. -->

Every service serves its metrics at `/metrics` on the port that `FACESTREAM_SERVICE_HEALTH_PORT` sets, and so does
`facestream reconcile --every`. Each of them exports all metrics of this page; what a process does not do stays at zero.
Prometheus adds the labels `job`, which names the service, and `instance`. The metrics `process_...` and `python_...`
come from Prometheus' own client.

A histogram has the series `_bucket`, `_sum` and `_count`.

"""
_ENDINGS = {Counter: "_total", Gauge: "", Histogram: "", Info: "_info"}


def declared() -> list[tuple[str, MetricWrapperBase]]:
    """Return the name and the declaration of each metric, in the order of the declarations."""
    found = [metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)]
    return [(f"{_described(metric).name}{_ENDINGS[type(metric)]}", metric) for metric in found]


def meaning(metric: MetricWrapperBase) -> str:
    """Return the text of a metric for people, which Prometheus calls its help."""
    return _described(metric).documentation


def text() -> str:
    """Return the page."""
    rows = (
        (f"`{name}`", type(metric).__name__.lower(), "; ".join(_labels(metric)), meaning(metric))
        for name, metric in declared()
    )
    return _HEAD + table(("metric", "type", "labels", "meaning"), rows)


def _described(metric: MetricWrapperBase) -> Metric:
    return next(iter(metric.describe()))


def _labels(metric: MetricWrapperBase) -> Iterator[str]:
    """Yield each label with those of its values that are there before anything has happened."""
    samples = [sample for family in metric.collect() for sample in family.samples]
    for label in metric._labelnames:  # noqa: SLF001  the client does not tell them otherwise
        values = dict.fromkeys(sample.labels[label] for sample in samples)
        yield f"`{label}`" + (f": {', '.join(f'`{value}`' for value in values)}" if values else "")


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
