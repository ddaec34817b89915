"""What Kubernetes would get: every rule over every overlay, with components and without."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from cli.jobs.reconcile import RemovalsWithheld
from shared.access.rights import RIGHTS
from shared.adapters.mongo.users import user_in
from shared.errors import InvalidInput
from tools.manifests.cluster_rules import BUILT_IN, OLDEST, invalid
from tools.manifests.kustomize import MANIFESTS, ROOT, VARIANTS, Document, build, rendered
from tools.manifests.made import MADE
from tools.manifests.rules import RULES
from tools.manifests.workloads import JOBS, SERVICES, USES, of_kind, references, settings, workloads

SECRETS = MANIFESTS / "overlays" / "single-node" / "make-secrets.sh"


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_overlay_obeys(rule: Callable[[Sequence[Document]], Iterator[str]], variant: str) -> None:
    assert list(rule(rendered(variant))) == []


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_oldest_kubernetes_takes_it_too(variant: str) -> None:
    builtin = [document for document in rendered(variant) if document["apiVersion"] in BUILT_IN]
    assert [fault for document in builtin if (fault := invalid(json.dumps(document), OLDEST))] == []


@pytest.mark.parametrize("variant", [name for name, variant in VARIANTS.items() if not variant.components])
def test_an_overlay_alone_needs_no_operator_in_the_cluster(variant: str) -> None:
    assert {document["apiVersion"] for document in rendered(variant)} <= BUILT_IN


@pytest.mark.parametrize("service", [*SERVICES, *JOBS])
def test_a_pod_gets_a_login_to_each_server_that_its_user_has_a_right_on(service: str) -> None:
    wanted = {"minio": bool(RIGHTS[service].buckets), "mongo": RIGHTS[service].mongo != "none", "kafka": True}
    assert USES[service] == {server for server, is_wanted in wanted.items() if is_wanted}


def test_every_component_is_rendered_in_some_variant() -> None:
    there = {folder.name for folder in (MANIFESTS / "components").iterdir()}
    assert {component for variant in VARIANTS.values() for component in variant.components} == there


def test_the_gpu_overlay_gives_the_embedder_a_gpu() -> None:
    (embedder,) = (workload for workload in workloads(rendered("gpu")) if workload.name == "embedder")
    assert embedder.pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1


@pytest.mark.parametrize("service", [*SERVICES, "reclusterer"])
def test_a_service_reaches_the_servers_that_its_program_names(service: str) -> None:
    program = (ROOT / "services" / service / "__main__.py").read_text(encoding="utf-8")
    assert {server for server in ("kafka", "minio", "mongo") if f"shared.adapters.{server}" in program} == USES[service]


def _own_overlay(tmp_path: Path, **changes: object) -> Sequence[Document]:
    """Render an operator's own overlay of production."""
    rendered("production")  # skips where it cannot be rendered
    overlay = {"resources": [os.path.relpath(MANIFESTS / "overlays" / "production", tmp_path.resolve())], **changes}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    return build(tmp_path)


def test_a_changed_setting_makes_the_pods_roll(tmp_path: Path) -> None:
    changed = {"name": "facestream-settings", "behavior": "merge", "literals": ["FACESTREAM_SERVICE_LOG_LEVEL=DEBUG"]}
    before = rendered("production")
    after = _own_overlay(tmp_path, namespace="facestream", configMapGenerator=[changed])
    pods = [{str(workload): workload.pod for workload in workloads(documents)} for documents in (before, after)]
    assert [name for name in pods[0] if pods[0][name] == pods[1][name]] == []
    assert {settings(workload, after)["FACESTREAM_SERVICE_LOG_LEVEL"] for workload in workloads(after)} == {"DEBUG"}


def test_an_image_can_be_pinned_by_tag_and_digest(tmp_path: Path) -> None:
    digest = "sha256:" + 64 * "a"
    image = {"name": "facestream", "newName": "registry.test/faces", "newTag": "1.2.3", "digest": digest}
    documents = _own_overlay(tmp_path, images=[image])
    images = {workload.pod["containers"][0]["image"] for workload in workloads(documents)}
    assert images == {f"registry.test/faces:1.2.3@{digest}"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_has_to_be_there_before_is_in_the_manual(variant: str) -> None:
    manual = (MANIFESTS / "README.md").read_text(encoding="utf-8")
    made = {document["metadata"]["name"] for document in of_kind(rendered(variant), "ConfigMap")}
    wanted = {**references(rendered(variant), "Secret"), **references(rendered(variant), "ConfigMap")}
    for name, keys in wanted.items():
        if name not in made | {"facestream-cluster-ca-cert"}:  # the latter is Strimzi's
            assert {word for word in (name, *keys) if f"`{word}`" not in manual} == set()


def _secrets() -> dict[str, dict[str, str]]:
    text = subprocess.run([SECRETS], capture_output=True, text=True, check=True).stdout
    documents = list(yaml.safe_load_all(text))
    assert [invalid(json.dumps(document), OLDEST) for document in documents] == [None] * len(documents)
    return {document["metadata"]["name"]: document["stringData"] for document in documents}


def test_the_single_node_gets_every_secret_that_it_wants() -> None:
    made = {name: set(values) for name, values in _secrets().items()}
    assert references(rendered("single-node"), "Secret").items() <= made.items()


def test_passwords_are_made_anew_and_agree_with_each_other() -> None:
    one, other = _secrets(), _secrets()
    for secret, key in (
        ("facestream-minio", "FACESTREAM_MINIO_SECRET_KEY"),
        ("facestream-mongo", "password"),
        ("facestream-mongo", "keyfile"),
    ):
        assert one[secret][key] != other[secret][key]
        assert len(set(one[secret][key])) > 8
    assert f":{one['facestream-mongo']['password']}@" in one["facestream-mongo"]["FACESTREAM_MONGO_URI"]


def test_the_secrets_hold_a_user_of_its_own_for_each_service_and_for_what_it_has_rights_on() -> None:
    made = _secrets()
    passwords = [value for values in made.values() for key, value in values.items() if key.endswith("SECRET_KEY")]
    for name in (*SERVICES, *JOBS):
        values, rights = made.pop(f"facestream-{name}-stores"), RIGHTS[name]
        assert ("FACESTREAM_MINIO_SECRET_KEY" in values) == bool(rights.buckets)
        assert values.get("FACESTREAM_MINIO_ACCESS_KEY", f"facestream-{name}") == f"facestream-{name}"
        assert ("FACESTREAM_MONGO_URI" in values) == (rights.mongo != "none")
        if "FACESTREAM_MONGO_URI" in values:
            login, database = user_in(values["FACESTREAM_MONGO_URI"], name)
            assert (login.user, database) == (f"facestream-{name}", "admin")
            passwords.append(login.password)
    assert made.keys() == {"facestream-minio", "facestream-mongo"}
    assert len(set(passwords)) == len(passwords) == 11


@pytest.mark.parametrize("variant", ["production+hpa"])
def test_a_vault_can_hold_every_secret_that_production_wants(variant: str) -> None:
    held = {
        document["spec"]["target"]["name"]: {entry["secretKey"] for entry in document["spec"]["data"]}
        for document in of_kind(rendered(variant), "ExternalSecret")
    }
    assert references(rendered(variant), "Secret").items() <= held.items()


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.name)
def test_made_manifests_are_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == MADE[path](), "run `python -m tools.manifests make`"


def test_yaml_has_no_lint() -> None:
    files = ["deploy", *(path.name for path in ROOT.glob("docker-compose*.y*ml"))]
    command = [sys.executable, "-m", "yamllint", "--strict", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_a_person_has_to_decide_on_is_not_repeated_by_kubernetes() -> None:
    (reconciler,) = of_kind([d for d in rendered("production") if d["metadata"]["name"] == "reconciler"], "CronJob")
    (rule,) = reconciler["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailJob"
    assert set(rule["onExitCodes"]["values"]) == {InvalidInput.exit_status, RemovalsWithheld.exit_status}
