"""What a result is made of, in its `run.json`: always the same photographs and models."""

import json
from collections.abc import Mapping
from pathlib import Path

from services.standalone.manifest import Manifest
from services.standalone.proof import proof_of, status
from services.standalone.result_files import Drafts
from shared.errors import InvalidInput
from shared.whole_output import explained

ORIGIN = "run.json"


def record_origin(out: Path, origin: Mapping[str, str]) -> None:
    """Write down what this result is made of, for `check_origin` of later runs.

    A file that says so already stays as it is. One of just these names is a run's, whoever has changed what it says
    of them, as `check_origin` tells people to do. Raises `InvalidInput` where something else is there.
    """
    path = out / ORIGIN
    with explained(out), Manifest(out) as manifest:
        known = _known(path) if status(path) else {}
        if known == dict(origin):
            return
        found = proof_of(path) if known.keys() == origin.keys() else None
        if found:
            manifest.settle({ORIGIN: found})
        drafts = Drafts(manifest)
        try:
            with drafts.text(ORIGIN) as file:
                file.write(json.dumps(dict(origin), indent=2, ensure_ascii=False) + "\n")
            drafts.put_in_place()
        finally:
            manifest.sweep()


def check_origin(out: Path, origin: Mapping[str, str]) -> None:
    """Refuse to mix what cannot be compared: other photographs, another detector or another model.

    Raises `InvalidInput` where `origin` differs from what an earlier run recorded.
    """
    path = out / ORIGIN
    if not status(path):
        return
    known = _known(path)
    if missing := origin.keys() - known.keys():
        raise _something_else(path, f"no {min(missing)}")
    differing = [name for name in origin if known[name] != origin[name]]
    if differing:
        name = differing[0]
        msg = f"{out} was made with {name} = {known[name]}, and this run has {origin[name]}; choose another --out"
        if name == "photos":
            msg += f", or write the new place into {path} if the folder was moved"
        raise InvalidInput(msg)


def _known(path: Path) -> dict[str, str]:
    if proof_of(path) is None:
        raise _something_else(path, "no file")
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(value) for name, value in known.items()}
    except (ValueError, AttributeError) as error:
        raise _something_else(path, repr(error)) from error


def _something_else(path: Path, found: str) -> InvalidInput:
    return InvalidInput(
        f"{path}: expected what an earlier run wrote there, found something else ({found}); choose another --out"
    )
