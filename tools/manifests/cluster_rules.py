"""Rules for the namespace, the network, and the resources of KEDA and Strimzi."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from kubernetes_validate import ValidationError, utils, validate  # type: ignore[import-untyped]  # it has no types

from shared.access import rights
from shared.domain.topics import TOPICS
from tools.manifests.kustomize import Document
from tools.manifests.workloads import ALSO_USED, USES, of_kind, our_workloads, settings, title, workloads

utils.schema_contents = cache(
    utils.schema_contents
)  # otherwise it reads megabytes for each document, which takes 80 ms

OLDEST, NEWEST = "1.31", "1.37"
"""Versions of Kubernetes; the oldest has all features that the manifests use."""
READ_BY = {service: topic.name for service, topic in rights.READ_BY.items()}
_ADDRESSES = {
    "kafka": "FACESTREAM_KAFKA_BOOTSTRAP_SERVERS",
    "minio": "FACESTREAM_MINIO_ENDPOINT",
    "tokens": "FACESTREAM_KAFKA_OAUTH_TOKEN_URL",
    "tracing": "FACESTREAM_TRACING_ENDPOINT",
}
_PORTS = {"https": 443, "http": 80}
_SHORTEST_PREFIX = 8  # bits; a shorter prefix is a larger network
BUILT_IN = {"v1", "apps/v1", "batch/v1", "policy/v1", "networking.k8s.io/v1", "autoscaling/v2"}


def is_valid(documents: Sequence[Document]) -> Iterator[str]:
    """Kubernetes accepts every document and knows all its fields."""
    for document in documents:
        if document["apiVersion"] in BUILT_IN and (fault := invalid(json.dumps(document), NEWEST)):
            yield fault


@cache
def invalid(text: str, version: str) -> str | None:
    """Return the error of a document, or None. Cached, because variants share documents."""
    document = json.loads(text)
    try:
        validate(document, version, strict=True)
    except ValidationError as error:
        return f"{title(document)}, Kubernetes {version}: {error.message}"
    return None


def has_one_namespace(documents: Sequence[Document]) -> Iterator[str]:
    """All documents are in one namespace, which enforces Pod Security "restricted"."""
    for document in documents:
        metadata = document["metadata"]
        if document["kind"] == "Namespace":
            if metadata.get("labels", {}).get("pod-security.kubernetes.io/enforce") != "restricted":
                yield f"{title(document)}: expected Pod Security restricted"
        elif metadata.get("namespace") != "facestream":
            yield f"{title(document)}: expected the namespace facestream"
        if document["kind"] != "ConfigMap" and metadata.get("labels", {}).get("app.kubernetes.io/part-of") is None:
            yield f"{title(document)}: expected the label app.kubernetes.io/part-of"
    if len(list(of_kind(documents, "Namespace"))) != 1:
        yield "expected one Namespace"


def limits_the_network(documents: Sequence[Document]) -> Iterator[str]:
    """If there are network policies, they forbid everything by default and allow every connection that is used."""
    policies = {document["metadata"]["name"]: document["spec"] for document in of_kind(documents, "NetworkPolicy")}
    if not policies.keys() - {"allow-strimzi"}:
        return
    if policies.get("deny-all") != {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}:
        yield "expected NetworkPolicy/deny-all of all pods, in both directions"
    for name, policy in policies.items():
        yield from _openness(name, policy)
    ports = {name: {str(port) for port in _ports(policy)} for name, policy in policies.items()}
    yield from _blocked(documents, ports)
    yield from _unreachable(documents, policies)
    if "53" not in ports.get("allow-names", ()):
        yield "expected NetworkPolicy/allow-names, for DNS"


def _blocked(documents: Sequence[Document], ports: Mapping[str, set[str]]) -> Iterator[str]:
    """Yield the connections that no policy allows. `ports`: the ports that each policy allows, by its name."""
    for workload in workloads(documents):
        for label in sorted(workload.labels):
            if label.startswith("uses-") and not ports.get(f"allow-to-{label.removeprefix('uses-')}"):
                yield f"{workload}: has the label {label}, but no policy allows it"
    for workload in our_workloads(documents):
        given = settings(workload, documents)
        for server, setting in _ADDRESSES.items():
            address = urlsplit(given[setting] if "://" in given.get(setting, "") else f"//{given.get(setting, '')}")
            port = str(address.port or _PORTS.get(address.scheme) or "")
            is_used = server in USES[workload.name] or (server in ALSO_USED and setting in given)
            if is_used and port not in ports.get(f"allow-to-{server}", ()):
                yield f"{workload}: {setting} has port {port}, which no policy allows"


def _unreachable(documents: Sequence[Document], policies: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the servers in the namespace that no policy selects by their labels."""
    pods = {workload.name: workload.labels for workload in workloads(documents, "StatefulSet")}
    brokers = [document["metadata"]["name"] for document in of_kind(documents, "Kafka")]
    pods |= {f"kafka of {name}": {"strimzi.io/cluster": name} for name in brokers}
    for name, labels in pods.items():
        policy = f"allow-to-{name.split()[0]}"
        peers = [
            peer.get("podSelector", {}).get("matchLabels", {"no": "selector"}).items()
            for rule in policies.get(policy, {}).get("egress", [])
            for peer in rule.get("to", [])
        ]
        if not any(peer <= labels.items() for peer in peers):
            yield f"NetworkPolicy/{policy}: expected to allow the pods {dict(labels)}"


def _openness(name: str, policy: Mapping[str, Any]) -> Iterator[str]:
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for rule in policy.get(direction, []):
            # Strimzi's operators connect to Kubernetes, whose address is unknown here; they decode no photographs.
            if not rule.get(peers) and not (direction == "egress" and name == "allow-strimzi"):
                yield f"NetworkPolicy/{name}: expected {direction} to be limited to some peers"
            if not rule.get("ports") and not rule.get(peers):
                yield f"NetworkPolicy/{name}: expected {direction} to be limited to some ports"
            for peer in rule.get(peers, []):
                block = peer.get("ipBlock", {}).get("cidr")
                if block and ip_network(block).prefixlen < _SHORTEST_PREFIX:
                    yield f"NetworkPolicy/{name}: {block} is a far larger network than servers need"
                if peer.get("namespaceSelector") == {} or peer == {"podSelector": {}}:
                    yield f"NetworkPolicy/{name}: expected {direction} to be limited to some pods"


def _ports(policy: Mapping[str, Any]) -> Iterator[Any]:
    for rule in policy.get("egress", []):
        yield from (port["port"] for port in rule.get("ports", []))


def scales_by_lag(documents: Sequence[Document]) -> Iterator[str]:
    """KEDA's trigger supports Kafka 4, and counts every partition with lag, also if its offset does not move.

    The client reads one partition after the other, so that most partitions of a backlog do not move for a while.
    """
    expected = {"limitToPartitionsWithLag": "true", "offsetResetPolicy": "earliest"}
    logins = {title(document) for document in of_kind(documents, "TriggerAuthentication")}
    deployments = {workload.name: workload for workload in workloads(documents, "Deployment")}
    for document in of_kind(documents, "ScaledObject"):
        name = document["metadata"]["name"]
        (trigger,) = document["spec"]["triggers"]
        metadata = trigger["metadata"]
        wanted = expected | {"consumerGroup": f"facestream.{name}", "topic": READ_BY.get(name)}
        for key, value in wanted.items():
            if metadata.get(key) != value:
                yield f"{title(document)}: expected {key}: {value}, found {metadata.get(key)}"
        if metadata.get("excludePersistentLag", "false") != "false":
            yield f"{title(document)}: expected excludePersistentLag: false, to count lag whose offset does not move"
        if tuple(map(int, metadata.get("version", "1.0.0").split("."))) < (2, 1, 0):
            yield f"{title(document)}: expected version 2.1.0 of the protocol or newer"
        if not metadata.get("lagThreshold", "").isdecimal():
            yield f"{title(document)}: expected a lagThreshold"
        given = settings(deployments[name], documents) if name in deployments else {}
        if metadata.get("bootstrapServersFromEnv") not in given:
            yield f"{title(document)}: expected the address from the settings"
        secured = given.get("FACESTREAM_KAFKA_SECURITY", "PLAINTEXT") == "SASL_SSL"
        login = trigger.get("authenticationRef", {}).get("name")
        there = f"TriggerAuthentication/{login}" in logins and metadata.get("tls") == "enable"
        if there != secured:
            yield f"{title(document)}: expected a login and TLS exactly if the services have them"


def has_topics_and_users_of_the_product(documents: Sequence[Document]) -> Iterator[str]:
    """Strimzi's topics are those of `TOPICS`, and each user has the rights of `RIGHTS`."""
    topics = {document["metadata"]["name"]: document["spec"] for document in of_kind(documents, "KafkaTopic")}
    users = {document["metadata"]["name"]: document["spec"] for document in of_kind(documents, "KafkaUser")}
    if not users:
        return
    for topic in TOPICS:
        found = topics.get(topic.name, {})
        configuration = {key: str(value) for key, value in found.get("config", {}).items()}
        if found.get("partitions") != topic.partitions or configuration != topic.configuration():
            yield f"KafkaTopic/{topic.name}: differs from shared/domain/topics.py"
    for workload in our_workloads(documents):
        if workload.pod["serviceAccountName"] not in users:
            yield f"{workload}: expected a KafkaUser {workload.pod['serviceAccountName']}"
    for name, wanted in rights.RIGHTS.items():
        found = users.get(f"{rights.PREFIX}-{name}", {}).get("authorization", {}).get("acls", [])
        for right in _differing(found, rights.acls(wanted)):
            yield f"KafkaUser/{rights.PREFIX}-{name}: {right} is missing, or is more than it needs"
    for name in users.keys() - {f"{rights.PREFIX}-{name}" for name in rights.RIGHTS}:
        yield f"KafkaUser/{name}: is no user of shared/access/rights.py"


def _differing(*lists: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return the rights that only one of two access lists gives."""
    one, other = (
        {
            (*(acl["resource"].get(name, "") for name in ("type", "name", "patternType")), operation)
            for acl in acls
            for operation in acl["operations"]
        }
        for acls in lists
    )
    return sorted(one ^ other)


CLUSTER_RULES = (
    is_valid,
    has_one_namespace,
    limits_the_network,
    scales_by_lag,
    has_topics_and_users_of_the_product,
)
