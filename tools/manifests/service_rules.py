"""Rules for services and jobs: probes, replacement, scaling, schedules."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.domain.topics import TOPICS
from tools.manifests.kustomize import Document
from tools.manifests.workloads import JOBS, SERVICES, Workload, of_kind, settings, workloads

# No service reads the topics with one partition.
PARTITIONS = min(topic.partitions for topic in TOPICS if topic.partitions > 1)
COMMIT = 60.0  # seconds that a commit may take with its retries
COMMANDS = {
    **{name: ["python", "-m", f"services.{name}"] for name in SERVICES},
    "reclusterer": ["python", "-m", "services.reclusterer", "--once"],
    "reconciler": ["facestream", "reconcile"],
    "init": ["facestream", "init"],
}


def runs_all_services_and_jobs(documents: Sequence[Document]) -> Iterator[str]:
    """Each service and job exists once, as the right kind and with its own command."""
    kinds = {**dict.fromkeys(SERVICES, "Deployment"), **dict.fromkeys(JOBS, "CronJob"), "init": "Job"}
    found = {workload.name: workload for workload in workloads(documents) if workload.is_ours}
    for name, kind in kinds.items():
        if name not in found or found[name].kind != kind:
            yield f"expected {kind}/{name}"
        elif found[name].pod["containers"][0].get("command") != COMMANDS[name]:
            yield f"{found[name]}: expected the command {COMMANDS[name]}"


def is_probed(documents: Sequence[Document]) -> Iterator[str]:
    """Liveness probes /livez and readiness probes /readyz, both at the port in the settings."""
    for workload in workloads(documents, "Deployment"):
        container = workload.pod["containers"][0]
        ports = {port["name"]: str(port["containerPort"]) for port in container.get("ports", [])}
        wanted = settings(workload, documents).get("FACESTREAM_SERVICE_HEALTH_PORT")
        for probe, path in (("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
            asked = container.get(probe, {}).get("httpGet", {})
            if asked.get("path") != path:
                yield f"{workload}: expected a {probe} of {path}"
            elif not wanted or ports.get(asked.get("port")) != wanted:
                yield f"{workload}: {probe} uses port {asked.get('port')}, but the service listens on {wanted}"


def has_time_for_its_longest_batch(documents: Sequence[Document]) -> Iterator[str]:
    """After SIGTERM a service finishes and commits its batch; SIGKILL must not come before that."""
    for workload in workloads(documents, "Deployment"):
        longest = float(settings(workload, documents).get("FACESTREAM_KAFKA_MAX_POLL_INTERVAL", "inf"))
        given = workload.pod.get("terminationGracePeriodSeconds", 30)
        if not given > longest + COMMIT:
            yield f"{workload}: a batch and its commit take up to {longest + COMMIT} s, but {given} s are allowed"


def survives_the_loss_of_a_node(documents: Sequence[Document]) -> Iterator[str]:
    """Replicas run on several nodes and zones, and are not all evicted at once."""
    budgets = [document["spec"] for document in of_kind(documents, "PodDisruptionBudget")]
    for workload in workloads(documents, "Deployment"):
        selector = {"matchLabels": {"app.kubernetes.io/name": workload.name}}
        topology_keys = {
            constraint["topologyKey"]
            for constraint in workload.pod.get("topologySpreadConstraints", [])
            if constraint["labelSelector"] == selector
        }
        if topology_keys != {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}:
            yield f"{workload}: expected topologySpreadConstraints for nodes and zones, found {sorted(topology_keys)}"
        ours = [budget for budget in budgets if budget["selector"] == selector]
        # `minAvailable: 1` with a single replica would block every drain of its node.
        if len(ours) != 1 or ours[0].get("maxUnavailable") != 1:
            yield f"{workload}: expected a PodDisruptionBudget of maxUnavailable: 1"


def selects_its_own_pods(documents: Sequence[Document]) -> Iterator[str]:
    """The selector of a workload or Service selects pods."""
    for workload in workloads(documents, "Deployment", "StatefulSet"):
        selector = workload.spec["selector"]["matchLabels"]
        if selector != {"app.kubernetes.io/name": workload.name} or not selector.items() <= workload.labels.items():
            yield f"{workload}: selects {selector}, its pods are {workload.labels}"
    pods = [workload.labels.items() for workload in workloads(documents)]
    for service in of_kind(documents, "Service"):
        if not any(service["spec"]["selector"].items() <= labels for labels in pods):
            yield f"Service/{service['metadata']['name']}: selects no pod"


def has_a_partition_for_each_process(documents: Sequence[Document]) -> Iterator[str]:
    """There are enough partitions also during a rollout: a pod without one is never ready and would block it."""
    scalers = _scalers(documents)
    for workload in workloads(documents, "Deployment"):
        most = [most for name, most in scalers if name == workload.name] or [workload.spec.get("replicas", 1)]
        surge = workload.spec.get("strategy", {}).get("rollingUpdate", {}).get("maxSurge")
        if not isinstance(surge, int) or max(most) + surge > PARTITIONS:
            yield f"{workload}: {max(most)} processes and {surge} more during a rollout, but {PARTITIONS} partitions"


def is_scaled_by_one(documents: Sequence[Document]) -> Iterator[str]:
    """Only one object sets the number of replicas, and every scaler has a Deployment."""
    scaled = [name for name, _ in _scalers(documents)]
    deployments = {workload.name: workload for workload in workloads(documents, "Deployment")}
    for name in set(scaled):
        if name not in deployments:
            yield f"there is no Deployment/{name} to scale"
        elif scaled.count(name) > 1 or "replicas" in deployments[name].spec:
            yield f"Deployment/{name}: expected only one object to set its number of replicas"


def _scalers(documents: Sequence[Document]) -> list[tuple[str, int]]:
    maxima = {"ScaledObject": "maxReplicaCount", "HorizontalPodAutoscaler": "maxReplicas"}
    return [
        (document["spec"]["scaleTargetRef"]["name"], document["spec"].get(maxima[document["kind"]], 100))
        for document in of_kind(documents, *maxima)
    ]


def runs_jobs_that_end(documents: Sequence[Document]) -> Iterator[str]:
    """A job has a deadline and a limit of retries, and does not run twice at the same time."""
    for workload in workloads(documents, "CronJob"):
        yield from _schedule(workload)
        yield from _job(workload, workload.spec["jobTemplate"]["spec"])
    for workload in workloads(documents, "Job"):
        yield from _job(workload, workload.spec)
        # A Job cannot be changed; after it is deleted it can be applied again.
        if not workload.spec.get("ttlSecondsAfterFinished"):
            yield f"{workload}: expected ttlSecondsAfterFinished"


def _schedule(workload: Workload) -> Iterator[str]:
    if workload.spec.get("concurrencyPolicy") != "Forbid":
        yield f"{workload}: expected concurrencyPolicy: Forbid"
    # Without it, a controller that has missed 100 runs never starts another one.
    if workload.spec.get("startingDeadlineSeconds") != 600:
        yield f"{workload}: expected startingDeadlineSeconds: 600"
    if not workload.spec.get("timeZone"):
        yield f"{workload}: expected a timeZone"


def _job(workload: Workload, job: Mapping[str, Any]) -> Iterator[str]:
    for name in ("activeDeadlineSeconds", "backoffLimit"):
        if not job.get(name):
            yield f"{workload}: expected {name}"
    if workload.pod.get("restartPolicy") not in ("OnFailure", "Never"):
        yield f"{workload}: expected restartPolicy: OnFailure"


def gives_gpus_to_what_uses_them(documents: Sequence[Document]) -> Iterator[str]:
    """A workload with a GPU has image, limit, node selector and toleration for it, and never two pods on one GPU."""
    for workload in workloads(documents):
        container = workload.pod["containers"][0]
        keys = {toleration.get("key") for toleration in workload.pod.get("tolerations", [])}
        signs = {
            "the image for GPUs": "gpu" in container["image"],
            "a limit of nvidia.com/gpu": "nvidia.com/gpu" in container["resources"].get("limits", {}),
            "a node with a GPU": "nvidia.com/gpu.present" in workload.pod.get("nodeSelector", {}),
            "a toleration of nvidia.com/gpu": "nvidia.com/gpu" in keys,
        }
        if not any(signs.values()):
            continue
        yield from (f"{workload}: expected {sign}" for sign, there in signs.items() if not there)
        if workload.spec["strategy"]["rollingUpdate"]["maxSurge"] != 0:
            yield f"{workload}: expected maxSurge: 0"


SERVICE_RULES = (
    runs_all_services_and_jobs,
    is_probed,
    has_time_for_its_longest_batch,
    survives_the_loss_of_a_node,
    selects_its_own_pods,
    has_a_partition_for_each_process,
    is_scaled_by_one,
    runs_jobs_that_end,
    gives_gpus_to_what_uses_them,
)
