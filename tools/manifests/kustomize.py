"""The manifests as Kubernetes gets them: an overlay, with components or without, rendered by Kustomize."""

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
    """An overlay with components, in the order in which they are applied."""

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
    """Get Kustomize through Go, about half a minute, unless there is one; otherwise say what is missing."""
    if _command():
        return
    go = shutil.which("go")
    if not go:
        print("no kustomize, kubectl or Go: the tests of the manifests will be skipped")  # noqa: T201  for a person
        return
    _CACHED.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHED.parent) as scratch:
        # Without GOFLAGS: what somebody has set for a project of theirs (-mod=vendor) does not fit here.
        environment = os.environ | {"CGO_ENABLED": "0", "GOBIN": scratch, "GOFLAGS": ""}
        if subprocess.run([go, "install", _MODULE], env=environment, check=False).returncode == 0:
            (Path(scratch) / "kustomize").replace(_CACHED)
        else:
            print("kustomize could not be built: the tests of the manifests will be skipped")  # noqa: T201  as above


def _command() -> list[str]:
    """Return how to render a folder, nothing where there is no program for it."""
    if _CACHED.exists():
        return [str(_CACHED), "build"]
    if found := shutil.which("kustomize"):
        return [found, "build"]
    if found := shutil.which("kubectl"):
        return [found, "kustomize"]
    return []


def rendered(variant: str) -> Sequence[Document]:
    """Return the documents of a variant, not to be changed; skips the test where there is no Kustomize."""
    need(_command(), "kustomize or kubectl", "`python -m tools.manifests install` gets it where there is Go")
    return _rendered(VARIANTS[variant])


@cache
def _rendered(variant: Variant) -> tuple[Document, ...]:
    overlay = MANIFESTS / "overlays" / variant.overlay
    if not variant.components:
        return build(overlay)
    # As an operator would: an overlay of one's own, somewhere else.
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
    """Render a folder; raises `RuntimeError` with what Kustomize says."""
    done = subprocess.run([*_command(), str(folder)], capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:  # it warns of what is deprecated
        msg = f"{folder}: {done.stderr}"
        raise RuntimeError(msg)
    return tuple(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))
