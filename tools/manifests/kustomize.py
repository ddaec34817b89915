"""Manifests as Kubernetes gets them: an overlay, with or without components, rendered by Kustomize."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tools.requirements import need

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "deploy" / "k8s"

_MODULE = "sigs.k8s.io/kustomize/kustomize/v5@v5.8.1"
_CACHED = ROOT / ".cache" / "bin" / "kustomize-v5.8.1"

Document = dict[str, Any]


@dataclass(frozen=True)
class Variant:
    """An overlay, and components in the order in which Kustomize applies them."""

    overlay: str
    components: tuple[str, ...] = ()


VARIANTS: Mapping[str, Variant] = {
    "single-node": Variant("single-node"),
    "production": Variant("production"),
    "gpu": Variant("gpu"),
    "single-node+keda": Variant("single-node", ("keda", "monitoring", "network-policies")),
    "production+keda": Variant("production", ("keda", "keda-sasl", "monitoring", "network-policies")),
    "production+hpa": Variant("production", ("hpa", "external-secrets", "users")),
    "production+strimzi": Variant("production", ("strimzi", "network-policies")),
    "gpu+everything": Variant("gpu", ("keda", "keda-sasl", "strimzi", "monitoring", "network-policies")),
}


def install() -> None:
    """Build Kustomize with Go, in about half a minute, unless it is installed; print what is missing."""
    if _command():
        return
    go = shutil.which("go")
    if not go:
        print("no kustomize, kubectl or Go: the tests of the manifests will be skipped")  # noqa: T201  a message for the user
        return
    _CACHED.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHED.parent) as scratch:
        # Without GOFLAGS: a setting for another project, such as -mod=vendor, would fail here.
        environment = os.environ | {"CGO_ENABLED": "0", "GOBIN": scratch, "GOFLAGS": ""}
        if subprocess.run([go, "install", _MODULE], env=environment, check=False).returncode == 0:
            (Path(scratch) / "kustomize").replace(_CACHED)
        else:
            print("kustomize could not be built: the tests of the manifests will be skipped")  # noqa: T201  as above


def _command() -> list[str]:
    """Return the command that renders a folder, or an empty list if there is no program for it."""
    if _CACHED.exists():
        return [str(_CACHED), "build"]
    if found := shutil.which("kustomize"):
        return [found, "build"]
    if found := shutil.which("kubectl"):
        return [found, "kustomize"]
    return []


def rendered(variant: str) -> Sequence[Document]:
    """Return the documents of a variant, which must not be changed; skips the test without Kustomize."""
    need(_command(), "kustomize or kubectl", "`python -m tools.manifests install` builds it with Go")
    return _rendered(VARIANTS[variant])


@cache
def _rendered(variant: Variant) -> tuple[Document, ...]:
    overlay = MANIFESTS / "overlays" / variant.overlay
    if not variant.components:
        return build(overlay)
    # As an operator would do it: an overlay in another folder.
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [os.path.relpath(overlay, root)],
            "components": [os.path.relpath(MANIFESTS / "components" / name, root) for name in variant.components],
        }
        (root / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return build(root)


def build(folder: Path) -> tuple[Document, ...]:
    """Render a folder; raises RuntimeError for errors and warnings of Kustomize."""
    done = subprocess.run([*_command(), str(folder)], capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:  # standard error has warnings of deprecated fields
        msg = f"{folder}: {done.stderr}"
        raise RuntimeError(msg)
    return tuple(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))
