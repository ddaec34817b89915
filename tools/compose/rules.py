"""Rules for docker-compose.yml. A rule yields a line for each violation."""

import importlib.util
import pkgutil
import re
from collections.abc import Iterator, Mapping
from typing import Any

import shared
from shared.access.rights import RIGHTS
from shared.domain.topics import IMAGES_UPLOADED
from shared.errors import InvalidInput
from shared.settings import check_environment

File = Mapping[str, Any]
SERVICES = ("detector", "quality", "embedder", "embedder-gpu", "assigner", "reclusterer", "reconciler")
ONCE = ("secrets", "init", "cli")
OURS = (*SERVICES, *ONCE)
USERS = tuple(sorted(RIGHTS.keys() - {"init", "keda"}))  # `init` is the administrator here
_NETWORKS = {
    "kafka": {"stream", "state", "published"},
    "minio": {"stream", "published"},
    "mongo": {"state"},
    "prometheus": {"stream", "monitoring"},
    "grafana": {"monitoring"},
}
PROFILES = {"embedder-gpu": "gpu", "cli": "cli", "prometheus": "monitoring", "grafana": "monitoring"}
PUBLISHED = {"kafka": {9092}, "minio": {9000, 9001}, "prometheus": {9090}, "grafana": {3000}}
# Settings of our services without a suitable default; the others are in files that `secrets` writes.
_NEEDED = {"FACESTREAM_SECRETS_DIR", "FACESTREAM_KAFKA_BOOTSTRAP_SERVERS", "FACESTREAM_MINIO_ENDPOINT"}
_GRACE = 30  # seconds
_SECONDS = {"s": 1, "m": 60}
ON_A_COMMAND_LINE = re.compile(
    r"\$\$?\([^)]*(secret|password)[^)]*\)|--password\b|(?<!\S)-p(?=[ \"'])"
    r"|--user(name)? \S*:|--add-scram|://[^ /@:]+:[^ @]+@",
    re.IGNORECASE,
)
"""A password, or an expression that a shell replaces by one; the name of a file alone does not match."""
_CONFIDENTIAL = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY|MONGO_URI")


def has_no_outdated_words(file: File) -> Iterator[str]:
    """There is no `version:`, no fixed name that forbids a second container, and no link."""
    if "version" in file:
        yield "version: is obsolete"
    for name, service in file["services"].items():
        yield from (f"{name}: {word}" for word in ("container_name", "links", "extends") if word in service)


def publishes_on_loopback_alone(file: File) -> Iterator[str]:
    """Only the ports that people need are published, and only on the loopback address."""
    for name, service in file["services"].items():
        ports = set()
        for text in service.get("ports", ()):
            address, _, container = str(text).rpartition(":")
            if not address.startswith("127.0.0.1:"):
                yield f"{name}: port {text} is open to other machines"
            ports.add(int(container))
        if ports != PUBLISHED.get(name, set()):
            yield f"{name}: expected the ports {PUBLISHED.get(name, set())}, found {ports}"


def has_no_secret_in_sight(file: File) -> Iterator[str]:
    """Passwords are in files that the first start creates; the compose file has none."""
    for name, service in file["services"].items():
        for variable, value in service.get("environment", {}).items():
            is_path = variable.endswith(("_FILE", "_DIR"))
            if _CONFIDENTIAL.search(variable) and not is_path:
                yield f"{name}: {variable} is in the compose file"
            if "minioadmin" in str(value):
                yield f"{name}: {variable} is a well-known default password"


def mounts_only_its_own_secrets(file: File) -> Iterator[str]:
    """Each service mounts only its own folder of secrets, read-only; `secrets` alone writes, and sees all."""
    for name, service in file["services"].items():
        if name == "secrets":
            continue
        mounted = [str(volume) for volume in service.get("volumes", ()) if "/secrets/" in str(volume)]
        yield from (f"{name}: {volume} is writable" for volume in mounted if not volume.endswith(":ro"))
        sources = {volume.partition(":")[0]: volume.split(":")[1] for volume in mounted}
        wanted = _secrets_of(name)
        yield from (f"{name}: {source} belongs to another service" for source in sources.keys() - wanted.keys())
        for source, folder in wanted.items():
            if sources.get(source) != folder:
                yield f"{name}: expected {source} at {folder}"


def _secrets_of(name: str) -> dict[str, str]:
    """Return the volumes of passwords that a service needs, with the folder where each is mounted."""
    if name == "init":
        users = {f"user-{user}": f"/secrets/users/{user}" for user in (*USERS, "prometheus")}
        return {"admin-secrets": "/secrets/facestream", **users}
    if name in OURS:
        return {f"user-{name.removesuffix('-gpu')}": "/secrets/facestream"}
    return {} if name == "kafka" else {f"{name}-secrets": f"/secrets/{name}"}


def keeps_decoders_apart(file: File) -> Iterator[str]:
    """Services that decode files of strangers reach Kafka and MinIO, but neither MongoDB nor the internet."""
    networks: Mapping[str, Mapping[str, Any] | None] = file["networks"]
    internal = {name for name, network in networks.items() if (network or {}).get("internal") is True}
    if not {"stream", "state"} <= internal:
        yield "stream, state: expected internal: true"
    for name, service in file["services"].items():
        has = set(service.get("networks", ()))
        if name == "secrets":
            if service.get("network_mode") != "none":
                yield f"{name}: needs no network"
            continue
        if name == "init" and (has or service.get("network_mode") != "service:kafka"):
            yield f"{name}: expected network_mode: service:kafka and no networks"
        wanted = _NETWORKS.get(name) or {"stream", *_with_mongo(name)}
        if name != "init" and has != wanted:
            yield f"{name}: expected the networks {sorted(wanted)}, found {sorted(has)}"
        if service.get("ports") and has <= internal:
            yield f"{name}: publishes ports, but is on internal networks only"


def _with_mongo(name: str) -> set[str]:
    return {"state"} if RIGHTS[name.removesuffix("-gpu")].mongo != "none" else set()


def asks_for_a_login(file: File) -> Iterator[str]:
    """Kafka asks for a login on all addresses except its loopback, and MinIO also for its metrics."""
    kafka = {name: str(value) for name, value in file["services"]["kafka"]["environment"].items()}
    protocols = dict(entry.split(":") for entry in kafka["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    for listener in kafka["KAFKA_LISTENERS"].split(","):
        name, _, address = listener.partition("://")
        if not address.startswith("localhost:") and not protocols.get(name, "").startswith("SASL"):
            yield f"kafka: {listener} asks for no login"
    if "KAFKA_AUTHORIZER_CLASS_NAME" not in kafka:
        yield "kafka: has no authorizer, so every user may do everything"
    if kafka.get("KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND", "false") != "false":
        yield "kafka: allows everything that no access list names"
    if kafka.get("KAFKA_SASL_ENABLED_MECHANISMS") != "SCRAM-SHA-512":
        yield "kafka: expected SCRAM-SHA-512 alone; other mechanisms send the password in plain text"
    if kafka.get("KAFKA_SUPER_USERS") != "User:ANONYMOUS":
        yield "kafka: expected User:ANONYMOUS, which is its loopback listener, as the only super user"
    if file["services"]["minio"]["environment"].get("MINIO_PROMETHEUS_AUTH_TYPE", "jwt") != "jwt":
        yield "minio: shows its metrics without a login"


def has_no_password_on_a_command_line(file: File) -> Iterator[str]:
    """No command has a password among its arguments, which every account of the machine can see."""
    for name, service in file["services"].items():
        words = (service.get("command"), service.get("entrypoint"), service.get("healthcheck", {}).get("test"))
        yield from (f"{name}: {found[0]}" for command in words if (found := ON_A_COMMAND_LINE.search(_joined(command))))


def _joined(words: object) -> str:
    return " ".join(map(str, words)) if isinstance(words, list) else str(words or "")


def bounds_memory_and_logs(file: File) -> Iterator[str]:
    """Every container has a limit of memory and a limit of its log."""
    for name, service in file["services"].items():
        if "mem_limit" not in service:
            yield f"{name}: no mem_limit"
        if not {"max-size", "max-file"} <= service.get("logging", {}).get("options", {}).keys():
            yield f"{name}: its log has no limit"


def comes_back(file: File) -> Iterator[str]:
    """Services are restarted; containers that end by themselves are not."""
    for name, service in file["services"].items():
        wanted = {"secrets": "no", "cli": "no", "init": "on-failure"}.get(name, "unless-stopped")
        if service.get("restart") != wanted:
            yield f"{name}: expected restart: {wanted}, found {service.get('restart')}"


def takes_no_rights(file: File) -> Iterator[str]:
    """Our containers have a read-only root, no capabilities and the image's user; no container may gain privileges."""
    for name, service in file["services"].items():
        if "no-new-privileges:true" not in service.get("security_opt", ()):
            yield f"{name}: may gain privileges"
        if "privileged" in service:
            yield f"{name}: is privileged"
        if name in OURS:
            if service.get("read_only") is not True:
                yield f"{name}: its root is writable"
            if service.get("cap_drop") != ["ALL"] or (name != "secrets" and "cap_add" in service):
                yield f"{name}: keeps capabilities"
            if name != "secrets" and "user" in service:
                yield f"{name}: runs as {service['user']}"
            if name != "secrets" and not any(str(mount).startswith("/tmp:") for mount in service.get("tmpfs", ())):  # noqa: S108  of the container
                yield f"{name}: has no writable /tmp"


def has_a_health_check(file: File) -> Iterator[str]:
    """Servers have a health check; our services have that of the image, unless they end by themselves."""
    for name, service in file["services"].items():
        check = service.get("healthcheck")
        if name in ONCE:
            if check != {"disable": True}:
                yield f"{name}: ends by itself; expected its health check to be disabled"
        elif name in SERVICES:
            if check is not None:
                yield f"{name}: replaces the health check of its image"
        elif not (check or {}).get("test"):
            yield f"{name}: no healthcheck"


def waits_by_condition(file: File) -> Iterator[str]:
    """Each service starts after those that it needs are healthy or have ended."""
    for name, service in file["services"].items():
        needs = service.get("depends_on", {})
        if not isinstance(needs, Mapping):
            yield f"{name}: waits only for a start"
            continue
        for other, how in needs.items():
            wanted = "service_completed_successfully" if other in ONCE else "service_healthy"
            if how.get("condition") != wanted:
                yield f"{name}: expected {wanted} of {other}"
        if name in OURS and name not in ONCE and not {"init", "kafka", "minio", "mongo"} <= needs.keys():
            yield f"{name}: expected to wait for init, kafka, minio and mongo"


def pins_images(file: File) -> Iterator[str]:
    """Every image has a fixed tag; ours are built from this tree."""
    for name, service in file["services"].items():
        tag = str(service.get("image", "")).rpartition("/")[2].partition(":")[2]
        if not tag or tag.startswith("latest"):
            yield f"{name}: image {service.get('image')} has no fixed tag"
        if (name in OURS) != ("build" in service):
            yield (
                f"{name}: is not built from this tree"
                if name in OURS
                else f"{name}: expected a ready image, found a build"
            )
        if name in OURS and service["build"].get("target") != ("gpu" if name == "embedder-gpu" else "cpu"):
            yield f"{name}: is built for the wrong target"


def has_profiles(file: File) -> Iterator[str]:
    """Optional services start only with their profile."""
    for name, service in file["services"].items():
        wanted = [PROFILES[name]] if name in PROFILES else None
        if service.get("profiles") != wanted:
            yield f"{name}: expected profiles {wanted}"
    reservations = file["services"]["embedder-gpu"].get("deploy", {}).get("resources", {}).get("reservations", {})
    if not any("gpu" in device.get("capabilities", ()) for device in reservations.get("devices", ())):
        yield "embedder-gpu: no GPU is reserved"


def has_settings_that_are_understood(file: File) -> Iterator[str]:
    """Every variable is a setting, required ones are given, and MinIO writes to the topic that the detector reads."""
    for module in pkgutil.walk_packages(shared.__path__, "shared."):
        importlib.import_module(module.name)
    for name in set(SERVICES) - {"reconciler"}:  # a command, whose settings are in `shared`
        with_settings = f"services.{name.removesuffix('-gpu')}.settings"
        if importlib.util.find_spec(with_settings):
            importlib.import_module(with_settings)
    for name, service in file["services"].items():
        environment = {key: str(value) for key, value in service.get("environment", {}).items()}
        ours = {key: value for key, value in environment.items() if key.startswith("FACESTREAM_")}
        try:
            check_environment(ours)
        except InvalidInput as error:
            yield f"{name}: {error}"
        if name in OURS and name != "secrets":
            yield from (f"{name}: no {variable}" for variable in sorted(_NEEDED - ours.keys()))
    topic = file["services"]["minio"]["environment"].get("MINIO_NOTIFY_KAFKA_TOPIC_PRIMARY")
    if topic != IMAGES_UPLOADED.name:
        yield f"minio: writes its notifications to {topic}, but the detector reads {IMAGES_UPLOADED.name}"


def has_time_to_finish(file: File) -> Iterator[str]:
    """Services have more time to stop than a batch takes, and servers enough to write their data."""
    for name, service in file["services"].items():
        if name in {*SERVICES, "kafka", "mongo"}:
            text = str(service.get("stop_grace_period", "0s"))
            if int(text[:-1]) * _SECONDS[text[-1]] < _GRACE:
                yield f"{name}: is killed after {text}"


def declares_its_volumes(file: File) -> Iterator[str]:
    """The data of servers is in named volumes, all of them declared and used."""
    used = {str(volume).split(":")[0] for service in file["services"].values() for volume in service.get("volumes", ())}
    named = {source for source in used if not source.startswith((".", "/"))}
    yield from (
        f"{name}: is used but not declared, or declared but not used" for name in named ^ file["volumes"].keys()
    )
    for name in ("kafka-data", "minio-data", "mongo-data"):
        if name not in named:
            yield f"{name}: expected a named volume; its data is lost with the container"


RULES = (
    has_no_outdated_words,
    publishes_on_loopback_alone,
    has_no_secret_in_sight,
    mounts_only_its_own_secrets,
    keeps_decoders_apart,
    asks_for_a_login,
    has_no_password_on_a_command_line,
    bounds_memory_and_logs,
    comes_back,
    takes_no_rights,
    has_a_health_check,
    waits_by_condition,
    pins_images,
    has_profiles,
    has_settings_that_are_understood,
    has_time_to_finish,
    declares_its_volumes,
)
