"""Rules for settings and secrets, checked with the settings classes of the services."""

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from unittest.mock import patch

from shared.errors import InvalidInput
from shared.settings import check_environment
from tools.compose.rules import ON_A_COMMAND_LINE
from tools.manifests.kustomize import Document
from tools.manifests.workloads import (
    ALSO_USED,
    SECRETS_FOLDER,
    USES,
    Workload,
    of_kind,
    our_workloads,
    secret_files,
    secrets_of,
    settings,
    workloads,
)
from tools.settings_classes import product_settings

# Settings whose defaults are for a server on the same machine.
_ADDRESSES = ("FACESTREAM_KAFKA_BOOTSTRAP_SERVERS", "FACESTREAM_MINIO_ENDPOINT")
_LOGINS = {
    "minio": {"FACESTREAM_MINIO_ACCESS_KEY", "FACESTREAM_MINIO_SECRET_KEY"},
    "mongo": {"FACESTREAM_MONGO_URI"},
}
_ADMINS = {f"FACESTREAM_ADMIN_{name}" for name in ("MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "MONGO_URI")}
_AUTHORITIES = {"facestream-cluster-ca-cert"}  # Strimzi's certificate, no password
_NO_FIELDS = {"FACESTREAM_SECRETS_DIR", "FACESTREAM_MODELS_DIR"}  # read by no settings class
_CONFIDENTIAL = re.compile(r"PASSWORD|SECRET_KEY|ACCESS_KEY|MONGO_URI|TOKEN$")


def has_settings_that_are_understood(documents: Sequence[Document]) -> Iterator[str]:
    """Every variable and every file of a Secret is a setting."""
    product_settings()
    for workload in our_workloads(documents):
        names = [*settings(workload, documents), *secret_files(workload)]
        ours = {name: "" for name in names if name.startswith("FACESTREAM_")}
        try:
            check_environment(ours)
        except InvalidInput as error:
            yield f"{workload}: {error}"
        for name in ours:
            if name.startswith(("FACESTREAM_SECRETS_", "FACESTREAM_MODELS_")) and name not in _NO_FIELDS:
                yield f"{workload}: {name}: no such setting"


def has_settings_that_load(documents: Sequence[Document]) -> Iterator[str]:
    """All settings load from the environment: no required one is missing, and every value is valid."""
    for workload in our_workloads(documents):
        given = settings(workload, documents)
        if given.get("FACESTREAM_SECRETS_DIR") != SECRETS_FOLDER:
            yield f"{workload}: expected FACESTREAM_SECRETS_DIR={SECRETS_FOLDER}"
        found = _refused(frozenset(given.items()), frozenset(secret_files(workload)), USES[workload.name])
        yield from (f"{workload}: {line}" for line in found)


@cache
def _refused(variables: frozenset[tuple[str, str]], files: frozenset[str], uses: frozenset[str]) -> tuple[str, ...]:
    """Load all settings except those of unused servers; return the errors. Cached, because most pods have the same."""
    errors = []
    outside = {name: value for name, value in os.environ.items() if not name.startswith("FACESTREAM_")}
    with tempfile.TemporaryDirectory() as folder:
        for name in files:
            (Path(folder) / name).write_text("a-secret\n")
        with patch.dict(os.environ, outside | dict(variables) | {"FACESTREAM_SECRETS_DIR": folder}, clear=True):
            for settings_class in product_settings():
                server = settings_class.model_config.get("env_prefix", "").split("_")[1].lower()
                if server not in _LOGINS.keys() - uses:
                    try:
                        settings_class()
                    except InvalidInput as error:
                        errors.append(str(error))
    return tuple(errors)


def knows_where_the_servers_are(documents: Sequence[Document]) -> Iterator[str]:
    """Every workload has the addresses of servers, and logins only to those that it uses."""
    for workload in our_workloads(documents):
        given = settings(workload, documents)
        files = set(secret_files(workload))
        yield from (f"{workload}: expected {name}" for name in _ADDRESSES if not given.get(name))
        for server, login in _LOGINS.items():
            if files & login != (login if server in USES[workload.name] else set()):
                yield f"{workload}: expected {sorted(login)} exactly if it uses {server}"
        labels = {f"uses-{server}" for server in (*USES[workload.name], *ALSO_USED)}
        if {label for label in workload.labels if label.startswith("uses-")} != labels:
            yield f"{workload}: expected the labels {sorted(labels)}"
        if given.get("FACESTREAM_KAFKA_SECURITY", "PLAINTEXT").startswith("SASL"):
            yield from _login(workload, given, files)


def _login(workload: Workload, given: dict[str, str], files: set[str]) -> Iterator[str]:
    if "FACESTREAM_KAFKA_USERNAME" not in given or "FACESTREAM_KAFKA_PASSWORD" not in files:
        yield f"{workload}: expected FACESTREAM_KAFKA_USERNAME and FACESTREAM_KAFKA_PASSWORD"
    secrets = [
        source["secret"]
        for volume in workload.volumes.values()
        for source in volume.get("projected", {}).get("sources", [])
        if source.get("secret", {}).get("name") == workload.pod["serviceAccountName"]
    ]
    if len(secrets) != 1 or secrets[0].get("optional"):
        yield f"{workload}: expected its password from a Secret named as its ServiceAccount, not an optional one"


def has_secrets_of_its_own(documents: Sequence[Document]) -> Iterator[str]:
    """Each Secret has one reader, besides `init` where that creates the users."""
    for workload in workloads(documents):
        own = {f"facestream-{workload.name}", f"facestream-{workload.name}-stores", *_AUTHORITIES}
        for name in secrets_of(workload) - own:
            if workload.name != "init":
                yield f"{workload}: the Secret {name} belongs to another workload"
    (init,) = (workload for workload in workloads(documents) if workload.name == "init")
    if "FACESTREAM_ADMIN_USERS_DIR" in settings(init, documents):
        yield from _cannot_make_users(init, documents)
    elif more := secrets_of(init) - {"facestream-init", "facestream-init-stores", "facestream-admin", *_AUTHORITIES}:
        yield f"{init}: has {sorted(more)}, but creates no users"


def _cannot_make_users(init: Workload, documents: Sequence[Document]) -> Iterator[str]:
    """Check that the folder of users has the secrets of each service, under the name of the service."""
    folder = settings(init, documents)["FACESTREAM_ADMIN_USERS_DIR"]
    found = set(secret_files(init, folder))
    wanted = {
        f"{workload.name}/{name}"
        for workload in our_workloads(documents)
        for name in secret_files(workload)
        if name in set().union(*_LOGINS.values())
    }
    if found != wanted:
        yield f"{init}: {folder}: {sorted(found ^ wanted)} is missing or superfluous"
    admins = {name for name in secret_files(init) if name.startswith("FACESTREAM_ADMIN_")}
    if admins != _ADMINS:
        yield f"{init}: expected the administrators {sorted(_ADMINS)}, found {sorted(admins)}"


def has_no_password_on_a_command_line(documents: Sequence[Document]) -> Iterator[str]:
    """No command or probe has a password among its arguments, which every account of the node can see."""
    for workload in workloads(documents):
        for container in workload.containers:
            probes = [container.get(name, {}) for name in ("startupProbe", "livenessProbe", "readinessProbe")]
            probes += [container.get("lifecycle", {}).get(name, {}) for name in ("postStart", "preStop")]
            commands = [container.get("command", []), container.get("args", [])]
            commands += [probe.get("exec", {}).get("command", []) for probe in probes]
            for words in commands:
                if found := ON_A_COMMAND_LINE.search(" ".join(words)):
                    yield f"{workload}: {found[0]} is on a command line"


def reads_certificates_that_are_mounted(documents: Sequence[Document]) -> Iterator[str]:
    """The file that each *_CA_FILE names is mounted."""
    for workload in our_workloads(documents):
        mounts = {
            mount["mountPath"]: workload.volumes.get(mount["name"], {})
            for mount in workload.pod["containers"][0]["volumeMounts"]
        }
        for name, value in settings(workload, documents).items():
            if name.endswith("_CA_FILE"):
                folder, _, file = value.rpartition("/")
                sources = mounts.get(folder, {}).get("projected", {}).get("sources", [])
                items = [item["path"] for source in sources for kind in source.values() for item in kind["items"]]
                if file not in items:
                    yield f"{workload}: {name} is {value}, which is not mounted"


def holds_no_secret(documents: Sequence[Document]) -> Iterator[str]:
    """The manifests refer to Secrets, but contain none."""
    for document in of_kind(documents, "Secret"):
        yield f"Secret/{document['metadata']['name']}: expected a reference only"
    for document in of_kind(documents, "ConfigMap"):
        for name in document.get("data", {}):
            if _CONFIDENTIAL.search(name):
                yield f"ConfigMap/{document['metadata']['name']}: {name} is confidential"
    for workload in workloads(documents):
        for container in workload.containers:
            for variable in container.get("env", []):
                name = variable["name"]
                if "value" in variable and _CONFIDENTIAL.search(name) and not name.endswith("_FILE"):
                    yield f"{workload}: {name} is confidential"


SETTING_RULES = (
    has_settings_that_are_understood,
    has_settings_that_load,
    knows_where_the_servers_are,
    has_secrets_of_its_own,
    has_no_password_on_a_command_line,
    reads_certificates_that_are_mounted,
    holds_no_secret,
)
