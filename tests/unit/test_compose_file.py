"""docker-compose.yml and the Dockerfile keep what they promise, and each rule finds mistakes of its kind."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.compose import rules
from tools.compose.rules import RULES, File

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
HADOLINT = Path(sys.prefix) / "bin" / "hadolint"
Rule = Callable[[File], Iterator[str]]


def compose() -> dict[str, Any]:
    # Aliases are one object in memory: copied, so that a mistake in one service is no mistake in all.
    parsed = yaml.safe_load(COMPOSE.read_text())
    return {**parsed, "services": {name: deepcopy(service) for name, service in parsed["services"].items()}}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_compose_file_keeps_a_rule(rule: Rule) -> None:
    assert list(rule(compose())) == []


MISTAKES: list[tuple[Rule, str, str, Any]] = [
    (rules.has_no_outdated_words, "version", "", "3.9"),
    (rules.has_no_outdated_words, "services.detector.container_name", "", "detector"),
    (rules.publishes_on_loopback_alone, "services.minio.ports", "", ["9000:9000", "127.0.0.1:9001:9001"]),
    (rules.publishes_on_loopback_alone, "services.mongo.ports", "", ["127.0.0.1:27017:27017"]),
    (rules.has_no_secret_in_sight, "services.minio.environment.MINIO_ROOT_PASSWORD", "", "hunter2hunter2"),
    (rules.has_no_secret_in_sight, "services.minio.environment.MINIO_ROOT_USER", "", "minioadmin"),
    (rules.mounts_only_its_own_secrets, "services.minio.volumes", "", ["mongo-secrets:/secrets/mongo:ro"]),
    (rules.mounts_only_its_own_secrets, "services.quality.volumes", "", ["user-quality:/secrets/facestream"]),
    (rules.mounts_only_its_own_secrets, "services.detector.volumes", "", ["user-assigner:/secrets/facestream:ro"]),
    (rules.mounts_only_its_own_secrets, "services.cli.volumes", "", ["admin-secrets:/secrets/facestream:ro"]),
    (rules.mounts_only_its_own_secrets, "services.embedder", "volumes", None),
    (rules.keeps_decoders_apart, "networks.stream", "internal", None),
    (rules.keeps_decoders_apart, "services.detector.networks", "", ["stream", "state"]),
    (rules.keeps_decoders_apart, "services.embedder-gpu.networks", "", ["stream", "published"]),
    (rules.keeps_decoders_apart, "services.quality", "networks", None),
    (rules.keeps_decoders_apart, "services.assigner.networks", "", ["stream"]),
    (rules.keeps_decoders_apart, "services.mongo.networks", "", ["stream", "state"]),
    (rules.keeps_decoders_apart, "services.prometheus.networks", "", ["stream", "state", "monitoring"]),
    (rules.keeps_decoders_apart, "services.minio.networks", "", ["stream"]),
    (rules.keeps_decoders_apart, "services.init.network_mode", "", "bridge"),
    (rules.asks_for_a_login, "services.kafka.environment.KAFKA_SUPER_USERS", "", "User:ANONYMOUS;User:facestream-cli"),
    (rules.keeps_decoders_apart, "services.secrets.network_mode", "", "bridge"),
    (
        rules.asks_for_a_login,
        "services.kafka.environment.KAFKA_LISTENER_SECURITY_PROTOCOL_MAP",
        "",
        "INTERNAL:SASL_PLAINTEXT,EXTERNAL:PLAINTEXT,ITSELF:PLAINTEXT,CONTROLLER:PLAINTEXT",
    ),
    (
        rules.asks_for_a_login,
        "services.kafka.environment.KAFKA_LISTENERS",
        "",
        "INTERNAL://:19092,EXTERNAL://:9092,ITSELF://localhost:19093,CONTROLLER://:9093",
    ),
    (rules.asks_for_a_login, "services.kafka.environment", "KAFKA_AUTHORIZER_CLASS_NAME", None),
    (
        rules.asks_for_a_login,
        "services.kafka.environment.KAFKA_SASL_ENABLED_MECHANISMS",
        "",
        "SCRAM-SHA-512,PLAIN",
    ),
    (rules.asks_for_a_login, "services.kafka.environment.KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND", "", "true"),
    (rules.asks_for_a_login, "services.minio.environment.MINIO_PROMETHEUS_AUTH_TYPE", "", "public"),
    (
        rules.has_no_password_on_a_command_line,
        "services.mongo.healthcheck.test",
        "",
        ["CMD-SHELL", 'mongosh --username facestream --password "$$(cat /secrets/mongo/password)"'],
    ),
    (
        rules.has_no_password_on_a_command_line,
        "services.init.command",
        "",
        ["mc", "alias", "http://me:mine@minio:9000"],
    ),
    (
        rules.has_no_password_on_a_command_line,
        "services.kafka.command",
        "",
        "format --add-scram SCRAM-SHA-512=[name=a]",
    ),
    (rules.bounds_memory_and_logs, "services.embedder", "mem_limit", None),
    (rules.bounds_memory_and_logs, "services.kafka.logging", "options", None),
    (rules.comes_back, "services.assigner", "restart", None),
    (rules.comes_back, "services.secrets.restart", "", "always"),
    (rules.takes_no_rights, "services.detector.read_only", "", False),
    (rules.takes_no_rights, "services.detector.user", "", "0:0"),
    (rules.takes_no_rights, "services.detector", "cap_drop", None),
    (rules.takes_no_rights, "services.kafka", "security_opt", None),
    (rules.takes_no_rights, "services.quality", "tmpfs", None),
    (rules.has_a_health_check, "services.mongo", "healthcheck", None),
    (rules.has_a_health_check, "services.detector.healthcheck", "", {"disable": True}),
    (rules.has_a_health_check, "services.init", "healthcheck", None),
    (rules.waits_by_condition, "services.embedder.depends_on", "", ["kafka"]),
    (rules.waits_by_condition, "services.embedder.depends_on.kafka.condition", "", "service_started"),
    (rules.waits_by_condition, "services.quality.depends_on", "init", None),
    (rules.pins_images, "services.mongo.image", "", "mongo"),
    (rules.pins_images, "services.kafka.image", "", "apache/kafka:latest"),
    (rules.pins_images, "services.embedder-gpu.build.target", "", "cpu"),
    (rules.has_profiles, "services.grafana", "profiles", None),
    (rules.has_profiles, "services.embedder-gpu", "deploy", None),
    (rules.has_settings_that_are_understood, "services.quality.environment.FACESTREAM_KAFKA_BOOTSTRAP", "", "kafka:1"),
    (rules.has_settings_that_are_understood, "services.quality.environment", "FACESTREAM_MINIO_ENDPOINT", None),
    (
        rules.has_settings_that_are_understood,
        "services.minio.environment.MINIO_NOTIFY_KAFKA_TOPIC_PRIMARY",
        "",
        "images",
    ),
    (rules.has_time_to_finish, "services.embedder.stop_grace_period", "", "5s"),
    (rules.declares_its_volumes, "volumes", "kafka-data", None),
    (rules.declares_its_volumes, "services.mongo.volumes", "", ["mongo-config:/data/configdb"]),
]


@pytest.mark.parametrize(("rule", "place", "without", "value"), MISTAKES)
def test_a_mistake_is_found(rule: Rule, place: str, without: str, value: object) -> None:
    file = compose()
    *path, last = place.split(".") if not without else [*place.split("."), without]
    target: Any = file
    for word in path:
        target = target[word]
    if without:
        del target[last]
    else:
        target[last] = value
    assert list(rule(file))


def test_every_rule_is_shown_a_mistake() -> None:
    assert {rule for rule, *_ in MISTAKES} == set(RULES)


def hadolint(dockerfile: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HADOLINT, "-"], input=dockerfile, capture_output=True, text=True, check=False)


def test_the_dockerfile_is_clean_and_what_makes_it_unclean_is_found() -> None:
    text = DOCKERFILE.read_text()
    assert hadolint(text).stdout == ""
    worse = text.replace("WORKDIR /build\nCOPY deploy", "RUN cd /build && apt-get install curl\nCOPY deploy", 1)
    assert worse != text
    assert "DL3008" in hadolint(worse).stdout


def test_the_image_runs_without_rights_and_tells_its_health() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE.read_text(), flags=re.MULTILINE)[1:]
    named = {stage.split()[2]: stage for stage in stages}
    assert {"cpu", "gpu"} <= named.keys()
    for final in ("cpu", "gpu"):
        assert named[final].startswith("runtime ")
        assert "USER" not in named[final]
        assert "RUN" not in named[final], "packages come finished from another stage"
    assert re.findall(r"^USER (.*)", named["runtime"], re.MULTILINE) == ["10001:10001"]
    assert "HEALTHCHECK" in named["runtime"]
    assert "org.opencontainers.image.licenses" in named["runtime"]
    assert "apt-get" not in DOCKERFILE.read_text(), "no compiler, and nothing that a base image has not"


def test_the_dockerfile_takes_any_base() -> None:
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(), re.MULTILINE))
    assert bases == {"${BASE}", "runtime"}


def test_the_stage_that_fetches_models_has_all_that_its_program_imports(tmp_path: Path) -> None:
    """It has a few files of this project and nothing that is installed, so that it is built anew for those alone."""
    (copied,) = re.findall(r"^COPY (shared/.+) shared/$", DOCKERFILE.read_text(), re.MULTILINE)
    (tmp_path / "shared").mkdir()
    for name in copied.split():
        shutil.copy(ROOT / name, tmp_path / name)
    program = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}]; import shared.model_files",
    ]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
