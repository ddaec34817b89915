"""Mistakes in every pod."""

from tests.support.manifest_faults.faults import ONE, POD, Fault, detector
from tools.manifests import pod_rules

_CRON_ONE = ("spec", "jobTemplate", *ONE)

POD_FAULTS = (
    detector(pod_rules.runs_without_rights, "root", *POD, "securityContext", "runAsUser", value=0),
    detector(pod_rules.runs_without_rights, "perhaps root", *POD, "securityContext", "runAsNonRoot"),
    detector(pod_rules.runs_without_rights, "no seccomp", *POD, "securityContext", "seccompProfile"),
    detector(pod_rules.runs_without_rights, "root in the container", *ONE, "securityContext", "runAsUser", value=0),
    detector(pod_rules.runs_without_rights, "privileged", *ONE, "securityContext", "privileged", value=True),
    detector(
        pod_rules.runs_without_rights, "writable root", *ONE, "securityContext", "readOnlyRootFilesystem", value=False
    ),
    detector(pod_rules.runs_without_rights, "escalation", *ONE, "securityContext", "allowPrivilegeEscalation"),
    detector(
        pod_rules.runs_without_rights,
        "a capability",
        *ONE,
        "securityContext",
        "capabilities",
        value={"drop": ["ALL"], "add": ["NET_ADMIN"]},
    ),
    detector(pod_rules.runs_without_rights, "host network", *POD, "hostNetwork", value=True),
    detector(pod_rules.runs_without_rights, "host port", *ONE, "ports", 0, "hostPort", value=8080),
    detector(
        pod_rules.runs_without_rights,
        "a folder of the node",
        *POD,
        "volumes",
        "tmp",
        value={"name": "tmp", "hostPath": {"path": "/tmp"}},  # noqa: S108  a path in a container
    ),
    Fault(
        pod_rules.runs_without_rights,
        "writable root",
        "CronJob/reconciler",
        (*_CRON_ONE, "securityContext", "readOnlyRootFilesystem"),
    ),
    Fault(
        pod_rules.runs_without_rights,
        "perhaps root",
        "StatefulSet/kafka",
        (*POD, "securityContext", "runAsNonRoot"),
        variant="single-node",
    ),
    detector(pod_rules.writes_into_bounded_folders, "no /tmp", *ONE, "volumeMounts", "tmp"),
    detector(pod_rules.writes_into_bounded_folders, "no limit of /tmp", *POD, "volumes", "tmp", "emptyDir", value={}),
    detector(pod_rules.mounts_every_volume, "a volume that is not mounted", *ONE, "volumeMounts", "secrets"),
    detector(pod_rules.mounts_every_volume, "a mount without volume", *POD, "volumes", "ca"),
    detector(pod_rules.has_an_account_without_token, "a token", *POD, "automountServiceAccountToken", value=True),
    detector(pod_rules.has_an_account_without_token, "another's account", *POD, "serviceAccountName", value="default"),
    Fault(pod_rules.has_an_account_without_token, "no account", "ServiceAccount/facestream-init", ()),
    detector(pod_rules.takes_no_variables_from_services, "variables of Services", *POD, "enableServiceLinks"),
    detector(pod_rules.requests_resources, "no limits", *ONE, "resources", "limits"),
    detector(
        pod_rules.requests_resources,
        "a limit above the request",
        *ONE,
        "resources",
        "limits",
        "memory",
        value="9Gi",
    ),
    detector(pod_rules.requests_resources, "no request of cpu", *ONE, "resources", "requests", "cpu"),
    detector(pod_rules.has_a_pinned_image, "latest", *ONE, "image", value="facestream:latest"),
    detector(pod_rules.has_a_pinned_image, "no tag", *ONE, "image", value="facestream"),
    detector(pod_rules.has_a_pinned_image, "half a digest", *ONE, "image", value="facestream@sha256:12ab"),
    detector(pod_rules.keeps_its_last_log_line, "no last words", *ONE, "terminationMessagePolicy"),
    detector(pod_rules.names_its_instance_by_its_pod, "no instance", *ONE, "env", "FACESTREAM_SERVICE_INSTANCE"),
    detector(
        pod_rules.names_its_instance_by_its_pod,
        "one instance for all",
        *ONE,
        "env",
        "FACESTREAM_SERVICE_INSTANCE",
        value={"name": "FACESTREAM_SERVICE_INSTANCE", "value": "detector"},
    ),
    detector(
        pod_rules.rolls_when_settings_change,
        "settings without hash",
        *ONE,
        "envFrom",
        0,
        "configMapRef",
        "name",
        value="facestream-settings",
    ),
    Fault(pod_rules.rolls_when_settings_change, "no settings", "ConfigMap/facestream-settings", ()),
    Fault(
        pod_rules.has_servers_that_are_probed,
        "no probe",
        "StatefulSet/mongo",
        (*POD, "containers", 0, "livenessProbe"),
        variant="single-node",
    ),
    Fault(
        pod_rules.has_servers_that_are_probed,
        "data in the pod",
        "StatefulSet/minio",
        ("spec", "volumeClaimTemplates"),
        variant="single-node",
    ),
)
