"""Generated manifests, because Kustomize cannot convert files of another format.

Also the table of rights in docs/operations/security.md, which has the same source as the users in the manifests.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from shared.access.rights import PREFIX, RIGHTS, KafkaRight, Rights, acls
from shared.domain.topics import TOPICS
from tools.manifests.kustomize import MANIFESTS, ROOT

_COMPONENTS = MANIFESTS / "components"
_SECURITY = ROOT / "docs" / "operations" / "security.md"
_BEGIN, _END = (
    "<!-- made by `python -m tools.manifests make` of shared/access/rights.py -->",
    "<!-- end of what is made -->",
)
_KINDS = {"topic": "", "group": " of groups", "transactionalId": " by transactional ids", "cluster": " of the cluster"}
_PART = {"app.kubernetes.io/part-of": "facestream"}


def rules() -> str:
    """Return the rules of Prometheus as one object for the Prometheus operator."""
    sources = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))
    groups = [group for source in sources for group in yaml.safe_load(source.read_text(encoding="utf-8"))["groups"]]
    rule = _object("monitoring.coreos.com/v1", "PrometheusRule", "facestream", _PART, {"groups": groups})
    return _text("deploy/prometheus/rules", [rule])


def topics() -> str:
    """Return the topics for Strimzi, the same that `facestream init` creates."""
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
    return _text("shared/domain/topics.py", documents)


def users() -> str:
    """Return the users of Kafka for Strimzi, each with its access list."""
    labels = {"strimzi.io/cluster": "facestream"} | _PART
    documents = [
        _object(
            "kafka.strimzi.io/v1",
            "KafkaUser",
            f"{PREFIX}-{name}",
            labels,
            {
                "authentication": {"type": "scram-sha-512"},
                "authorization": {"type": "simple", "acls": acls(rights)},
            },
        )
        for name, rights in RIGHTS.items()
    ]
    return _text("shared/access/rights.py", documents)


def security() -> str:
    """Return docs/operations/security.md with the present table of rights."""
    before, _, rest = _SECURITY.read_text(encoding="utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n\n{table()}\n\n{end}{after}"


def table() -> str:
    """Return the rights of all users in Markdown."""
    head = ("user", "Kafka: topics", "Kafka: groups and transactional ids", "MinIO", "MongoDB")
    rows = [head, ("---",) * len(head), *map(_row, RIGHTS.values())]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(rights: Rights) -> tuple[str, ...]:
    topics = _by_operation(right for right in rights.kafka if right.resource == "topic")
    others = _by_operation(right for right in rights.kafka if right.resource != "topic")
    buckets = [f"`{right.bucket}`: {', '.join(f'`{it}`' for it in right.actions)}" for right in rights.buckets]
    mongo = "" if rights.mongo == "none" else f"`{rights.mongo}`"
    cells = (rights.user, topics, others, "; ".join(buckets), mongo)
    return tuple(cell or "-" for cell in cells)


def _by_operation(rights: Iterable[KafkaRight]) -> str:
    named: dict[str, list[str]] = {}
    for right in rights:
        for operation in right.operations:
            name = f"`{right.name}{'*' * (right.pattern == 'prefix')}`"
            named.setdefault(f"{operation}{_KINDS[right.resource]}", []).append(name)
    return "; ".join(f"{operation}: {_several(names)}" for operation, names in named.items())


def _several(names: Sequence[str]) -> str:
    return "all" if set(names) == {f"`{topic.name}`" for topic in TOPICS} else ", ".join(names)


MADE: Mapping[Path, Callable[[], str]] = {
    _COMPONENTS / "monitoring" / "rules.yaml": rules,
    _COMPONENTS / "strimzi" / "topics.yaml": topics,
    _COMPONENTS / "strimzi" / "users.yaml": users,
    _SECURITY: security,
}


def _object(
    api_version: str, kind: str, name: str, labels: Mapping[str, str], spec: Mapping[str, Any]
) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "facestream", "labels": dict(labels)}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


class _Dumper(yaml.SafeDumper):
    """Indents lists, as the other manifests do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002  as in the library
        super().increase_indent(flow, indentless=False)


def _text(source: str, documents: Iterable[Mapping[str, Any]]) -> str:
    head = f"# Made by `python -m tools.manifests make`; change {source} instead.\n"
    body = yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
    return head + "---\n" * (not body.startswith("---")) + body
