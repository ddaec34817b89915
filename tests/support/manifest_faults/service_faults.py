"""Mistakes in services and jobs."""

from tests.support.manifest_faults.faults import ONE, POD, Fault, detector
from tools.manifests import service_rules

_CRON_ONE = ("spec", "jobTemplate", *ONE)

SERVICE_FAULTS = (
    Fault(service_rules.runs_all_services_and_jobs, "missing", "Deployment/quality", ()),
    detector(
        service_rules.runs_all_services_and_jobs,
        "another service's command",
        *ONE,
        "command",
        value=["python", "-m", "services.quality"],
    ),
    Fault(
        service_rules.runs_all_services_and_jobs,
        "runs for ever",
        "CronJob/reclusterer",
        (*_CRON_ONE, "command", 3),
        "--every",
    ),
    detector(service_rules.is_probed, "no probe", *ONE, "livenessProbe"),
    detector(
        service_rules.is_probed, "liveness by dependencies", *ONE, "livenessProbe", "httpGet", "path", value="/readyz"
    ),
    detector(service_rules.is_probed, "no readiness", *ONE, "readinessProbe"),
    detector(service_rules.is_probed, "another port", *ONE, "ports", "health", "containerPort", value=9090),
    Fault(
        service_rules.is_probed, "no port", "ConfigMap/facestream-settings", ("data", "FACESTREAM_SERVICE_HEALTH_PORT")
    ),
    detector(
        service_rules.has_time_for_its_longest_batch,
        "killed in a batch",
        *POD,
        "terminationGracePeriodSeconds",
        value=300,
    ),
    Fault(
        service_rules.has_time_for_its_longest_batch,
        "batches that take longer",
        "ConfigMap/facestream-settings",
        ("data", "FACESTREAM_KAFKA_MAX_POLL_INTERVAL"),
        "900",
    ),
    detector(service_rules.survives_the_loss_of_a_node, "all on one node", *POD, "topologySpreadConstraints"),
    Fault(service_rules.survives_the_loss_of_a_node, "no budget", "PodDisruptionBudget/detector", ()),
    Fault(
        service_rules.survives_the_loss_of_a_node,
        "nodes that cannot be drained",
        "PodDisruptionBudget/detector",
        ("spec",),
        {"minAvailable": 1, "selector": {"matchLabels": {"app.kubernetes.io/name": "detector"}}},
    ),
    detector(
        service_rules.selects_its_own_pods,
        "selects another's pods",
        "spec",
        "selector",
        "matchLabels",
        "app.kubernetes.io/name",
        value="quality",
    ),
    Fault(
        service_rules.selects_its_own_pods,
        "selects nothing",
        "Service/kafka",
        ("spec", "selector", "app.kubernetes.io/name"),
        "kafkas",
        "single-node",
    ),
    detector(service_rules.has_a_partition_for_each_process, "too many replicas", "spec", "replicas", value=12),
    Fault(
        service_rules.has_a_partition_for_each_process,
        "no maximum",
        "ScaledObject/detector",
        ("spec", "maxReplicaCount"),
        variant="production+keda",
    ),
    Fault(
        service_rules.has_a_partition_for_each_process,
        "too high a maximum",
        "HorizontalPodAutoscaler/detector",
        ("spec", "maxReplicas"),
        40,
        "production+hpa",
    ),
    Fault(
        service_rules.is_scaled_by_one, "two owners", "Deployment/detector", ("spec", "replicas"), 3, "production+keda"
    ),
    Fault(
        service_rules.is_scaled_by_one,
        "scales nothing",
        "HorizontalPodAutoscaler/detector",
        ("spec", "scaleTargetRef", "name"),
        "detektor",
        "production+hpa",
    ),
    Fault(
        service_rules.runs_jobs_that_end, "two at once", "CronJob/reclusterer", ("spec", "concurrencyPolicy"), "Allow"
    ),
    Fault(
        service_rules.runs_jobs_that_end,
        "no starting deadline",
        "CronJob/reconciler",
        ("spec", "startingDeadlineSeconds"),
    ),
    Fault(service_rules.runs_jobs_that_end, "local time", "CronJob/reconciler", ("spec", "timeZone")),
    Fault(
        service_rules.runs_jobs_that_end,
        "no deadline",
        "CronJob/reclusterer",
        ("spec", "jobTemplate", "spec", "activeDeadlineSeconds"),
    ),
    Fault(service_rules.runs_jobs_that_end, "stays for ever", "Job/init", ("spec", "ttlSecondsAfterFinished")),
    Fault(service_rules.runs_jobs_that_end, "restarts for ever", "Job/init", (*POD, "restartPolicy"), "Always"),
    Fault(
        service_rules.gives_gpus_to_what_uses_them,
        "no GPU",
        "Deployment/embedder",
        (*ONE, "resources", "limits", "nvidia.com/gpu"),
        variant="gpu",
    ),
    Fault(
        service_rules.gives_gpus_to_what_uses_them,
        "any node",
        "Deployment/embedder",
        (*POD, "nodeSelector"),
        variant="gpu",
    ),
    Fault(
        service_rules.gives_gpus_to_what_uses_them,
        "a second GPU for a change",
        "Deployment/embedder",
        ("spec", "strategy", "rollingUpdate", "maxSurge"),
        1,
        "gpu",
    ),
    Fault(
        service_rules.gives_gpus_to_what_uses_them,
        "the image without GPU",
        "Deployment/embedder",
        (*ONE, "image"),
        "facestream:0.1.0",
        "gpu",
    ),
)
