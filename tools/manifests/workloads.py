"""Workloads of rendered manifests: their pods, settings and secrets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.manifests.kustomize import Document

SERVICES = ("detector", "quality", "embedder", "assigner")
JOBS = ("reclusterer", "reconciler", "init")
_STORE, _ALL = frozenset({"kafka", "minio"}), frozenset({"kafka", "minio", "mongo"})
USES = {
    **dict.fromkeys(("detector", "quality", "embedder"), _STORE),
    **dict.fromkeys(("assigner", "reconciler", "init"), _ALL),
    "reclusterer": frozenset({"kafka", "mongo"}),
}
"""The servers that each service and job connects to."""
ALSO_USED = ("tokens", "tracing")
"""Optional servers of every workload: the token endpoint for OAuth, and a collector of traces."""

SECRETS_FOLDER = "/run/secrets/facestream"

_JOB_TEMPLATE = ("jobTemplate", "spec", "template")
_TEMPLATES = {
    "Deployment": ("template",),
    "StatefulSet": ("template",),
    "Job": ("template",),
    "CronJob": _JOB_TEMPLATE,
}


@dataclass(frozen=True)
class Workload:
    """A document that creates pods. `spec`: its own specification; `pod`: that of its pods."""

    kind: str
    name: str
    spec: Mapping[str, Any]
    labels: Mapping[str, str]
    pod: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def is_ours(self) -> bool:
        """Whether this is a service or job of the product, and not a server."""
        return self.name in (*SERVICES, *JOBS)

    @property
    def containers(self) -> Sequence[Mapping[str, Any]]:
        """All containers of a pod, also those for its initialisation."""
        return [*self.pod.get("initContainers", []), *self.pod["containers"]]

    @property
    def volumes(self) -> Mapping[str, Mapping[str, Any]]:
        """The volumes of a pod, by name."""
        return {volume["name"]: volume for volume in self.pod.get("volumes", [])}


def of_kind(documents: Sequence[Document], *kinds: str) -> Iterator[Document]:
    """Yield the documents of these kinds."""
    return (document for document in documents if document["kind"] in kinds)


def title(document: Document) -> str:
    """Return kind and name, as `Deployment/detector`."""
    return f"{document['kind']}/{document['metadata']['name']}"


def workloads(documents: Sequence[Document], *kinds: str) -> Iterator[Workload]:
    """Yield the workloads of these kinds, by default of all kinds."""
    for document in of_kind(documents, *(kinds or _TEMPLATES)):
        template: Any = document["spec"]
        for part in _TEMPLATES[document["kind"]]:
            template = template[part]
        yield Workload(
            document["kind"],
            document["metadata"]["name"],
            document["spec"],
            template["metadata"]["labels"],
            template["spec"],
        )


def our_workloads(documents: Sequence[Document]) -> Iterator[Workload]:
    """Yield the services and jobs of the product."""
    return (workload for workload in workloads(documents) if workload.is_ours)


def settings(workload: Workload, documents: Sequence[Document]) -> dict[str, str]:
    """Return the environment of the first container. Values that only a cluster has are `from-the-cluster` or 2."""
    container = workload.pod["containers"][0]
    maps = {document["metadata"]["name"]: document.get("data", {}) for document in of_kind(documents, "ConfigMap")}
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= maps.get(source.get("configMapRef", {}).get("name"), {})
    for variable in container.get("env", []):
        source = variable.get("valueFrom", {})
        found[variable["name"]] = variable.get("value", "2" if "resourceFieldRef" in source else "from-the-cluster")
    return found


def secret_files(workload: Workload, folder: str = SECRETS_FOLDER) -> list[str]:
    """Return the paths of the files that a pod has in a folder of secrets."""
    mounts = {
        mount["name"]: mount["mountPath"]
        for container in workload.containers
        for mount in container.get("volumeMounts", [])
    }
    return [
        item["path"]
        for name, volume in workload.volumes.items()
        if mounts.get(name) == folder
        for source in volume.get("projected", {}).get("sources", [])
        for item in source.get("secret", {}).get("items", [])
    ]


def secrets_of(workload: Workload) -> set[str]:
    """Return the names of all Secrets that a pod uses, also of optional ones."""
    found = set()
    for volume in workload.volumes.values():
        sources = [source.get("secret") for source in volume.get("projected", {}).get("sources", [])]
        found |= {source.get("name") or source["secretName"] for source in (*sources, volume.get("secret")) if source}
    for container in workload.containers:
        found |= {source["secretRef"]["name"] for source in container.get("envFrom", []) if "secretRef" in source}
        references = [variable.get("valueFrom", {}).get("secretKeyRef") for variable in container.get("env", [])]
        found |= {reference["name"] for reference in references if reference}
    return found


def references(documents: Sequence[Document], kind: str) -> dict[str, set[str]]:
    """Return the Secrets or ConfigMaps that pods require, by name, with the keys that they require."""
    wanted: dict[str, set[str]] = {}
    prefix = {"Secret": "secret", "ConfigMap": "configMap"}[kind]
    for workload in workloads(documents):
        for volume in workload.volumes.values():
            projected = [source.get(prefix) for source in volume.get("projected", {}).get("sources", [])]
            for source in filter(None, [*projected, volume.get(prefix)]):
                if not source.get("optional"):
                    name = source.get("name") or source["secretName"]
                    wanted.setdefault(name, set()).update(item["key"] for item in source["items"])
        for container in workload.containers:
            for source in container.get("envFrom", []):
                if f"{prefix}Ref" in source:
                    wanted.setdefault(source[f"{prefix}Ref"]["name"], set())
            for variable in container.get("env", []):
                if reference := variable.get("valueFrom", {}).get(f"{prefix}KeyRef"):
                    wanted.setdefault(reference["name"], set()).add(reference["key"])
    return wanted
