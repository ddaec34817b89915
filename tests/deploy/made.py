"""Manifests that are made of something else, since Kustomize cannot put a file of one form into another."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from shared.topics import TOPICS
from tests.deploy.kustomize import MANIFESTS, ROOT

_COMPONENTS = MANIFESTS / "components"
_PART = {"app.kubernetes.io/part-of": "facestream"}


def rules() -> str:
    """Return Prometheus' rules as one object for its operator."""
    sources = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))
    groups = [group for source in sources for group in yaml.safe_load(source.read_text(encoding="utf-8"))["groups"]]
    rule = _object("monitoring.coreos.com/v1", "PrometheusRule", "facestream", _PART, {"groups": groups})
    return _text("deploy/prometheus/rules", [rule])


def topics() -> str:
    """Return the topics for Strimzi: what `facestream init` would make."""
    labels = {"strimzi.io/cluster": "facestream"} | _PART
    documents = [
        _object(
            "kafka.strimzi.io/v1",
            "KafkaTopic",
            topic.name,
            labels,
            {"partitions": topic.partitions, "replicas": 3, "config": topic.configuration()},
        )
        for topic in TOPICS
    ]
    return _text("shared/topics.py", documents)


MADE: Mapping[Path, Callable[[], str]] = {
    _COMPONENTS / "monitoring" / "rules.yaml": rules,
    _COMPONENTS / "strimzi" / "topics.yaml": topics,
}


def _object(
    api_version: str, kind: str, name: str, labels: Mapping[str, str], spec: Mapping[str, Any]
) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "facestream", "labels": dict(labels)}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


class _Dumper(yaml.SafeDumper):
    """Lists are indented, as everywhere else."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002  as in the library
        super().increase_indent(flow, indentless=False)


def _text(source: str, documents: Iterable[Mapping[str, Any]]) -> str:
    head = f"# Made by `python -m tests.deploy make`; change {source} instead.\n"
    body = yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
    return head + "---\n" * (not body.startswith("---")) + body
