"""What has to hold for docker-compose.yml. A rule yields a line for each place where it does not."""

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
# What docker_compose's own services need and no default can be right for; the rest is in files that `secrets` makes.
_NEEDED = {"FACESTREAM_SECRETS_DIR", "FACESTREAM_KAFKA_BOOTSTRAP_SERVERS", "FACESTREAM_MINIO_ENDPOINT"}
_GRACE = 30  # seconds
_SECONDS = {"s": 1, "m": 60}
ON_A_COMMAND_LINE = re.compile(
    r"\$\$?\([^)]*(secret|password)[^)]*\)|--password\b|(?<!\S)-p(?=[ \"'])"
    r"|--user(name)? \S*:|--add-scram|://[^ /@:]+:[^ @]+@",
    re.IGNORECASE,
)
"""A password, or what a shell would put in the place of one; a file's name alone is none."""
_CONFIDENTIAL = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY|MONGO_URI")


def has_no_outdated_words(file: File) -> Iterator[str]:
    """Neither `version:`, nor names that forbid a second container, nor links."""
    if "version" in file:
        yield "version: is not read any more"
    for name, service in file["services"].items():
        yield from (f"{name}: {word}" for word in ("container_name", "links", "extends") if word in service)


def publishes_on_loopback_alone(file: File) -> Iterator[str]:
    """Only the ports that people need, and none to other machines."""
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
    """Passwords are in files, made at the first start; none is written here."""
    for name, service in file["services"].items():
        for variable, value in service.get("environment", {}).items():
            is_path = variable.endswith(("_FILE", "_DIR"))
            if _CONFIDENTIAL.search(variable) and not is_path:
                yield f"{name}: {variable} stands in the file"
            if "minioadmin" in str(value):
                yield f"{name}: {variable} is a default that everybody knows"


def mounts_only_its_own_secrets(file: File) -> Iterator[str]:
    """Each has one folder of its own; nobody but who makes passwords sees those of another, or can write."""
    for name, service in file["services"].items():
        if name == "secrets":
            continue
        mounted = [str(volume) for volume in service.get("volumes", ()) if "/secrets/" in str(volume)]
        yield from (f"{name}: {volume} can be written" for volume in mounted if not volume.endswith(":ro"))
        sources = {volume.partition(":")[0]: volume.split(":")[1] for volume in mounted}
        wanted = _secrets_of(name)
        yield from (f"{name}: {source} is not its own" for source in sources.keys() - wanted.keys())
        for source, folder in wanted.items():
            if sources.get(source) != folder:
                yield f"{name}: expected {source} at {folder}"


def _secrets_of(name: str) -> dict[str, str]:
    """Return the volumes of passwords that a container needs, with the folder of each."""
    if name == "init":
        users = {f"user-{user}": f"/secrets/users/{user}" for user in (*USERS, "prometheus")}
        return {"admin-secrets": "/secrets/facestream", **users}
    if name in OURS:
        return {f"user-{name.removesuffix('-gpu')}": "/secrets/facestream"}
    return {} if name == "kafka" else {f"{name}-secrets": f"/secrets/{name}"}


def keeps_decoders_apart(file: File) -> Iterator[str]:
    """What decodes strangers' files reaches Kafka and MinIO, and neither MongoDB nor the internet."""
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
            yield f"{name}: expected to be where Kafka's own listener is, and nowhere else"
        wanted = _NETWORKS.get(name) or {"stream", *_with_mongo(name)}
        if name != "init" and has != wanted:
            yield f"{name}: expected the networks {sorted(wanted)}, found {sorted(has)}"
        if service.get("ports") and has <= internal:
            yield f"{name}: the engine publishes no port of an internal network"


def _with_mongo(name: str) -> set[str]:
    return {"state"} if RIGHTS[name.removesuffix("-gpu")].mongo != "none" else set()


def asks_for_a_login(file: File) -> Iterator[str]:
    """Kafka on all addresses but its own loopback, and MinIO for its metrics as well."""
    kafka = {name: str(value) for name, value in file["services"]["kafka"]["environment"].items()}
    protocols = dict(entry.split(":") for entry in kafka["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    for listener in kafka["KAFKA_LISTENERS"].split(","):
        name, _, address = listener.partition("://")
        if not address.startswith("localhost:") and not protocols.get(name, "").startswith("SASL"):
            yield f"kafka: {listener} asks for no login"
    if "KAFKA_AUTHORIZER_CLASS_NAME" not in kafka:
        yield "kafka: whoever has logged in may do everything"
    if kafka.get("KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND", "false") != "false":
        yield "kafka: what is not forbidden is allowed"
    if kafka.get("KAFKA_SASL_ENABLED_MECHANISMS") != "SCRAM-SHA-512":
        yield "kafka: a mechanism that sends the password itself, over plain text"
    if kafka.get("KAFKA_SUPER_USERS") != "User:ANONYMOUS":
        yield "kafka: expected nobody to be a super user but who speaks from its own loopback"
    if file["services"]["minio"]["environment"].get("MINIO_PROMETHEUS_AUTH_TYPE", "jwt") != "jwt":
        yield "minio: tells everybody the names and sizes of buckets"


def has_no_password_on_a_command_line(file: File) -> Iterator[str]:
    """Arguments of a process are seen by every account of the machine."""
    for name, service in file["services"].items():
        words = (service.get("command"), service.get("entrypoint"), service.get("healthcheck", {}).get("test"))
        yield from (f"{name}: {found[0]}" for said in words if (found := ON_A_COMMAND_LINE.search(_joined(said))))


def _joined(words: object) -> str:
    return " ".join(map(str, words)) if isinstance(words, list) else str(words or "")


def bounds_memory_and_logs(file: File) -> Iterator[str]:
    """No container takes all memory or fills the disk with its log."""
    for name, service in file["services"].items():
        if "mem_limit" not in service:
            yield f"{name}: no mem_limit"
        if not {"max-size", "max-file"} <= service.get("logging", {}).get("options", {}).keys():
            yield f"{name}: its log grows for ever"


def comes_back(file: File) -> Iterator[str]:
    """What serves is restarted, what ends is not."""
    for name, service in file["services"].items():
        wanted = {"secrets": "no", "cli": "no", "init": "on-failure"}.get(name, "unless-stopped")
        if service.get("restart") != wanted:
            yield f"{name}: expected restart: {wanted}, found {service.get('restart')}"


def takes_no_rights(file: File) -> Iterator[str]:
    """Ours run without a writable root, without capabilities, and as the image's user; nobody gains rights."""
    for name, service in file["services"].items():
        if "no-new-privileges:true" not in service.get("security_opt", ()):
            yield f"{name}: may gain privileges"
        if "privileged" in service:
            yield f"{name}: is privileged"
        if name in OURS:
            if service.get("read_only") is not True:
                yield f"{name}: its root can be written"
            if service.get("cap_drop") != ["ALL"] or (name != "secrets" and "cap_add" in service):
                yield f"{name}: keeps capabilities"
            if name != "secrets" and "user" in service:
                yield f"{name}: runs as {service['user']}"
            if name != "secrets" and not any(str(mount).startswith("/tmp:") for mount in service.get("tmpfs", ())):  # noqa: S108  of the container
                yield f"{name}: no /tmp to write to"


def says_whether_it_is_well(file: File) -> Iterator[str]:
    """Servers have a check; those of ours have the image's unless they end by themselves."""
    for name, service in file["services"].items():
        check = service.get("healthcheck")
        if name in ONCE:
            if check != {"disable": True}:
                yield f"{name}: ends by itself, and is never healthy"
        elif name in SERVICES:
            if check is not None:
                yield f"{name}: has another check than its image"
        elif not (check or {}).get("test"):
            yield f"{name}: no healthcheck"


def waits_by_condition(file: File) -> Iterator[str]:
    """Nobody starts before what it needs is well or done."""
    for name, service in file["services"].items():
        needs = service.get("depends_on", {})
        if not isinstance(needs, Mapping):
            yield f"{name}: waits for a start alone"
            continue
        for other, how in needs.items():
            wanted = "service_completed_successfully" if other in ONCE else "service_healthy"
            if how.get("condition") != wanted:
                yield f"{name}: expected {wanted} of {other}"
        if name in OURS and name not in ONCE and not {"init", "kafka", "minio", "mongo"} <= needs.keys():
            yield f"{name}: does not wait for all that it needs"


def pins_images(file: File) -> Iterator[str]:
    """Every image has a tag, and none that moves; ours are built here."""
    for name, service in file["services"].items():
        tag = str(service.get("image", "")).rpartition("/")[2].partition(":")[2]
        if not tag or tag.startswith("latest"):
            yield f"{name}: image {service.get('image')} is whatever is the latest"
        if (name in OURS) != ("build" in service):
            yield f"{name}: is not built from this tree" if name in OURS else f"{name}: is built"
        if name in OURS and service["build"].get("target") != ("gpu" if name == "embedder-gpu" else "cpu"):
            yield f"{name}: of the wrong target"


def has_profiles(file: File) -> Iterator[str]:
    """What not everybody wants starts only when it is asked for."""
    for name, service in file["services"].items():
        wanted = [PROFILES[name]] if name in PROFILES else None
        if service.get("profiles") != wanted:
            yield f"{name}: expected profiles {wanted}"
    reservations = file["services"]["embedder-gpu"].get("deploy", {}).get("resources", {}).get("reservations", {})
    if not any("gpu" in device.get("capabilities", ()) for device in reservations.get("devices", ())):
        yield "embedder-gpu: no GPU is reserved"


def has_settings_that_are_understood(file: File) -> Iterator[str]:
    """Every variable is a setting, what has no right default is there, and the servers are told the same names."""
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
        yield f"minio: tells topic {topic} of photographs, the detector reads {IMAGES_UPLOADED.name}"


def has_time_to_finish(file: File) -> Iterator[str]:
    """Ours have longer to stop than a batch takes, and the servers to write what they hold."""
    for name, service in file["services"].items():
        if name in {*SERVICES, "kafka", "mongo"}:
            text = str(service.get("stop_grace_period", "0s"))
            if int(text[:-1]) * _SECONDS[text[-1]] < _GRACE:
                yield f"{name}: is killed after {text}"


def declares_its_volumes(file: File) -> Iterator[str]:
    """What servers keep is in named volumes, all of them declared and used."""
    used = {str(volume).split(":")[0] for service in file["services"].values() for volume in service.get("volumes", ())}
    named = {source for source in used if not source.startswith((".", "/"))}
    yield from (f"{name}: used and not declared, or the other way round" for name in named ^ file["volumes"].keys())
    for name in ("kafka-data", "minio-data", "mongo-data"):
        if name not in named:
            yield f"{name}: is lost with its container"


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
    says_whether_it_is_well,
    waits_by_condition,
    pins_images,
    has_profiles,
    has_settings_that_are_understood,
    has_time_to_finish,
    declares_its_volumes,
)
