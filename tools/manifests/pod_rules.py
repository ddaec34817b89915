"""Rules for every pod. A rule yields a line for each violation."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tools.manifests.kustomize import Document
from tools.manifests.workloads import Workload, of_kind, our_workloads, workloads

# https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
_ALLOWED_VOLUMES = {"configMap", "downwardAPI", "emptyDir", "persistentVolumeClaim", "projected", "secret"}


def runs_without_rights(documents: Sequence[Document]) -> Iterator[str]:
    """Pods satisfy Pod Security "restricted" and have a read-only root file system."""
    for workload in workloads(documents):
        context = workload.pod.get("securityContext", {})
        if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
            yield f"{workload}: expected runAsNonRoot and a user other than root"
        if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{workload}: expected the seccomp profile RuntimeDefault"
        for name in ("hostNetwork", "hostPID", "hostIPC"):
            if workload.pod.get(name):
                yield f"{workload}: expected no {name}"
        for name, volume in workload.volumes.items():
            if kinds := volume.keys() - {"name"} - _ALLOWED_VOLUMES:
                yield f"{workload}, volume {name}: {kinds} is not allowed"
        for container in workload.containers:
            yield from (f"{workload}, {container['name']}: {line}" for line in _rights(container))


def _rights(container: Mapping[str, Any]) -> Iterator[str]:
    context = container.get("securityContext", {})
    expected = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    for name, value in expected.items():
        if context.get(name) != value:
            yield f"expected {name}: {value}, found {context.get(name)}"
    for name in ("privileged", "runAsUser", "runAsNonRoot", "seccompProfile", "procMount"):
        if name in context:
            yield f"expected {name} to be left to the pod"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield "expected no hostPort"


def writes_into_bounded_folders(documents: Sequence[Document]) -> Iterator[str]:
    """Every container has a /tmp, and every emptyDir a size limit."""
    for workload in workloads(documents):
        folders = {name for name, volume in workload.volumes.items() if "emptyDir" in volume}
        for name in folders:
            if not workload.volumes[name]["emptyDir"].get("sizeLimit"):
                yield f"{workload}, volume {name}: expected a sizeLimit"
        for container in workload.containers:
            mounts = container.get("volumeMounts", [])
            if not any(mount["mountPath"] == "/tmp" and mount["name"] in folders for mount in mounts):  # noqa: S108  a path in a container
                yield f"{workload}, {container['name']}: expected an emptyDir at /tmp"


def mounts_every_volume(documents: Sequence[Document]) -> Iterator[str]:
    """Every mount has a volume, and every volume is mounted."""
    for workload in workloads(documents):
        claims = {claim["metadata"]["name"] for claim in workload.spec.get("volumeClaimTemplates", [])}
        volumes = workload.volumes.keys() | claims
        mounted = {mount["name"] for container in workload.containers for mount in container.get("volumeMounts", [])}
        if volumes != mounted:
            yield f"{workload}: volumes are {sorted(volumes)}, mounted are {sorted(mounted)}"


def has_an_account_without_token(documents: Sequence[Document]) -> Iterator[str]:
    """No pod calls Kubernetes, so no pod gets a token of its account."""
    accounts = {document["metadata"]["name"]: document for document in of_kind(documents, "ServiceAccount")}
    for workload in workloads(documents):
        if workload.pod.get("automountServiceAccountToken") is not False:
            yield f"{workload}: expected automountServiceAccountToken: false"
        if workload.pod.get("serviceAccountName") != f"facestream-{workload.name}":
            yield f"{workload}: expected a ServiceAccount of its own, facestream-{workload.name}"
        if accounts.get(f"facestream-{workload.name}", {}).get("automountServiceAccountToken") is not False:
            yield f"{workload}: expected a ServiceAccount without a token"


def takes_no_variables_from_services(documents: Sequence[Document]) -> Iterator[str]:
    """A Service `kafka` would set the variable KAFKA_PORT, which Kafka's image reads as a setting."""
    for workload in workloads(documents):
        if workload.pod.get("enableServiceLinks") is not False:
            yield f"{workload}: expected enableServiceLinks: false"


def requests_resources(documents: Sequence[Document]) -> Iterator[str]:
    """Processor time and memory are requested; the limit of memory equals its request."""
    for workload in workloads(documents):
        for container in workload.containers:
            resources = container.get("resources", {})
            requests, limits = resources.get("requests", {}), resources.get("limits", {})
            if not requests.get("cpu"):
                yield f"{workload}, {container['name']}: expected a request of cpu"
            if not limits.get("memory") or limits.get("memory") != requests.get("memory"):
                yield f"{workload}, {container['name']}: expected a limit of memory, and the same request"


def has_a_pinned_image(documents: Sequence[Document]) -> Iterator[str]:
    """Every image has a fixed tag, a digest, or both."""
    pinned = re.compile(r"[^:@]+(:(?!latest\b)[\w.-]+)?(@sha256:[0-9a-f]{64})?")
    for workload in workloads(documents):
        for container in workload.containers:
            match = pinned.fullmatch(container["image"])
            if not match or not any(match.groups()):
                yield f"{workload}: expected an image with tag or digest, found {container['image']}"


def keeps_its_last_log_line(documents: Sequence[Document]) -> Iterator[str]:
    """The last log line, which has the reason of an end, is kept in the status of the pod."""
    for workload in our_workloads(documents):
        for container in workload.containers:
            if container.get("terminationMessagePolicy") != "FallbackToLogsOnError":
                yield f"{workload}: expected terminationMessagePolicy: FallbackToLogsOnError"


def names_its_instance_by_its_pod(documents: Sequence[Document]) -> Iterator[str]:
    """A restarted container has the instance name of the former one, and fences it: docs/decisions/011."""
    expected = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}
    for workload in our_workloads(documents):
        for container in workload.pod["containers"]:
            given = {variable["name"]: variable.get("valueFrom") for variable in container.get("env", [])}
            if given.get("FACESTREAM_SERVICE_INSTANCE") not in (expected, {"fieldRef": {"fieldPath": "metadata.name"}}):
                yield f"{workload}: expected FACESTREAM_SERVICE_INSTANCE from metadata.name"


def rolls_when_settings_change(documents: Sequence[Document]) -> Iterator[str]:
    """The name of the ConfigMap ends in a hash of its contents, so that a change restarts the pods."""
    there = {document["metadata"]["name"] for document in of_kind(documents, "ConfigMap")}
    for workload in our_workloads(documents):
        for container in workload.pod["containers"]:
            names = [source.get("configMapRef", {}).get("name", "") for source in container.get("envFrom", [])]
            if len(names) != 1 or not re.fullmatch(r"facestream-settings-[a-z0-9]{10}", names[0]):
                yield f"{workload}: expected its settings from facestream-settings-<hash>, found {names}"
            elif names[0] not in there:
                yield f"{workload}: there is no ConfigMap {names[0]}"


def has_servers_that_are_probed(documents: Sequence[Document]) -> Iterator[str]:
    """A server has probes for start, liveness and readiness, and a claim for its data."""
    for workload in workloads(documents, "StatefulSet"):
        yield from _server(workload)


def _server(workload: Workload) -> Iterator[str]:
    container = workload.pod["containers"][0]
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        if name not in container:
            yield f"{workload}: expected a {name}"
    if not workload.spec.get("volumeClaimTemplates"):
        yield f"{workload}: expected a claim for its data"


POD_RULES = (
    runs_without_rights,
    writes_into_bounded_folders,
    mounts_every_volume,
    has_an_account_without_token,
    takes_no_variables_from_services,
    requests_resources,
    has_a_pinned_image,
    keeps_its_last_log_line,
    names_its_instance_by_its_pod,
    rolls_when_settings_change,
    has_servers_that_are_probed,
)
