"""Mistakes in namespace, network, operators."""

from tests.deploy import cluster_rules
from tests.deploy.faults import GONE, ONE, Fault, detector

_TRIGGER = ("spec", "triggers", 0, "metadata")

CLUSTER_FAULTS = (
    detector(cluster_rules.is_valid, "a field that does not exist", *ONE, "readyProbe", value={}),
    detector(cluster_rules.is_valid, "a number as words", "spec", "replicas", value="two"),
    detector(cluster_rules.is_valid, "no selector", "spec", "selector"),
    Fault(cluster_rules.stands_in_its_namespace, "another namespace", "Job/init", ("metadata", "namespace"), "default"),
    Fault(
        cluster_rules.stands_in_its_namespace,
        "a namespace for everything",
        "Namespace/facestream",
        ("metadata", "labels", "pod-security.kubernetes.io/enforce"),
        "privileged",
    ),
    Fault(
        cluster_rules.speaks_to_whom_it_must, "open to all", "NetworkPolicy/deny-all", (), variant="single-node+keda"
    ),
    Fault(
        cluster_rules.speaks_to_whom_it_must,
        "a hole",
        "NetworkPolicy/allow-to-kafka",
        ("spec", "egress"),
        [{}],
        "single-node+keda",
    ),
    Fault(
        cluster_rules.speaks_to_whom_it_must,
        "no names",
        "NetworkPolicy/allow-names",
        (),
        variant="single-node+keda",
    ),
    Fault(
        cluster_rules.speaks_to_whom_it_must,
        "cut off from its database",
        "NetworkPolicy/allow-to-mongo",
        (),
        variant="single-node+keda",
    ),
    Fault(
        cluster_rules.speaks_to_whom_it_must,
        "a port that no policy knows",
        "ConfigMap/facestream-settings",
        ("data", "FACESTREAM_MINIO_ENDPOINT"),
        "minio:9999",
        "single-node+keda",
    ),
    *(
        Fault(
            cluster_rules.scales_by_lag_rightly,
            what,
            "ScaledObject/quality",
            (*_TRIGGER, key),
            value,
            "production+keda",
        )
        for what, key, value in (
            ("an old protocol", "version", "1.0.0"),
            ("a backlog that seems to stand still", "excludePersistentLag", "true"),
            ("idle consumers", "limitToPartitionsWithLag", "false"),
            ("another's group", "consumerGroup", "facestream.detector"),
            ("another's topic", "topic", "faces.assigned"),
            ("no threshold", "lagThreshold", GONE),
            ("no address", "bootstrapServersFromEnv", "KAFKA"),
            ("no TLS", "tls", GONE),
        )
    ),
    Fault(
        cluster_rules.scales_by_lag_rightly,
        "no login",
        "TriggerAuthentication/facestream-kafka",
        (),
        variant="production+keda",
    ),
    Fault(
        cluster_rules.has_kafka_as_the_services_know_it,
        "fewer partitions",
        "KafkaTopic/faces.detected",
        ("spec", "partitions"),
        3,
        "production+strimzi",
    ),
    Fault(
        cluster_rules.has_kafka_as_the_services_know_it,
        "no user",
        "KafkaUser/facestream-reconciler",
        (),
        variant="production+strimzi",
    ),
    Fault(
        cluster_rules.has_kafka_as_the_services_know_it,
        "no right to read",
        "KafkaUser/facestream-quality",
        ("spec", "authorization", "acls", 0),
        variant="production+strimzi",
    ),
    Fault(
        cluster_rules.has_kafka_as_the_services_know_it,
        "no right to write",
        "KafkaUser/facestream-minio",
        ("spec", "authorization", "acls", 0, "operations"),
        ["Describe"],
        "production+strimzi",
    ),
    Fault(
        cluster_rules.has_kafka_as_the_services_know_it,
        "no user for a person",
        "KafkaUser/facestream-cli",
        (),
        variant="production+strimzi",
    ),
    Fault(
        cluster_rules.has_kafka_as_the_services_know_it,
        "all groups",
        "KafkaUser/facestream-reconciler",
        ("spec", "authorization", "acls", 7, "resource"),
        {"type": "group", "name": "facestream.", "patternType": "prefix"},
        "production+strimzi",
    ),
    Fault(
        cluster_rules.has_kafka_as_the_services_know_it,
        "all topics",
        "KafkaUser/facestream-init",
        ("spec", "authorization", "acls", 0, "resource"),
        {"type": "topic", "name": "*", "patternType": "literal"},
        "production+strimzi",
    ),
    Fault(
        cluster_rules.has_kafka_as_the_services_know_it,
        "no right to ask again",
        "KafkaUser/facestream-assigner",
        ("spec", "authorization", "acls", 3),
        variant="production+strimzi",
    ),
    Fault(
        cluster_rules.has_kafka_as_the_services_know_it,
        "too many rights",
        "KafkaUser/facestream-quality",
        ("spec", "authorization", "acls", 0, "operations"),
        ["Read", "Write", "Describe"],
        "production+strimzi",
    ),
)
