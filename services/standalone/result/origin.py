"""What a result was made from, in its `run.json`: photographs, a model, settings that decide which faces there are."""

import json
from collections.abc import Mapping
from pathlib import Path

from services.detector.settings import DetectorSettings
from services.quality.settings import QualitySettings
from services.standalone.library.decoders import LIMITS
from services.standalone.result.drafts import Drafts
from services.standalone.result.manifest import Manifest
from services.standalone.result.proof import proof_of, status
from shared.atomic_output import explained
from shared.errors import InvalidInput

ORIGIN = "run.json"
_DECISIVE = ("model", "detector", "quality")


def origin_of(photos: Path, model_id: str, detector: DetectorSettings, quality: QualitySettings) -> dict[str, str]:
    """Return what decides which faces a result has and how they compare.

    Limits of size are no part of it: they decide which photographs are read, and those that were over a limit are read
    when it rises.
    """
    return {
        "photos": str(photos.resolve()),
        "model": model_id,
        "detector": detector.model_dump_json(exclude=set(LIMITS)),
        "quality": quality.model_dump_json(),
    }


def record_origin(out: Path, origin: Mapping[str, str]) -> None:
    """Write down what this result is made of, for `check_origin` of later runs.

    A file that says so already stays as it is. One with these names is a run's, whoever has changed what it says of
    them; what else it says stays. Raises `InvalidInput` where something else is there.
    """
    path = out / ORIGIN
    with explained(out), Manifest(out) as manifest:
        known = _known(path) if status(path) else {}
        wanted = {**known, **origin}
        if known == wanted:
            return
        found = proof_of(path) if known.keys() >= origin.keys() else None
        if found:
            manifest.replace({ORIGIN: found})
        drafts = Drafts(manifest)
        try:
            with drafts.text(ORIGIN) as file:
                file.write(json.dumps(wanted, indent=2, ensure_ascii=False) + "\n")
            drafts.put_in_place()
        finally:
            manifest.sweep()


def check_origin(out: Path, origin: Mapping[str, str]) -> Path | None:
    """Return the folder of photographs that the result in `out` was made from, None before the first run.

    Raises `InvalidInput` where faces found now could not be compared with those of earlier runs: another detector,
    other settings of it, another model.
    """
    path = out / ORIGIN
    if not status(path):
        return None
    known = _known(path)
    if missing := origin.keys() - known.keys():
        raise _something_else(path, f"no {min(missing)}")
    for name in _DECISIVE:
        if _without_limits(known[name]) != origin[name]:
            msg = f"{out} was made with {name} = {known[name]}, and this run has {origin[name]}; choose another --out"
            raise InvalidInput(msg)
    return Path(known["photos"])


def _known(path: Path) -> dict[str, str]:
    if proof_of(path) is None:
        raise _something_else(path, "no file")
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(value) for name, value in known.items()}
    except (ValueError, AttributeError) as error:
        raise _something_else(path, "no JSON object") from error


def _something_else(path: Path, found: str) -> InvalidInput:
    return InvalidInput(
        f"{path}: expected what an earlier run wrote there, found something else ({found}); move it away"
    )


def _without_limits(recorded: str) -> str:
    """Return settings without the limits, which earlier versions wrote down as well."""
    try:
        settings = json.loads(recorded)
    except ValueError:
        return recorded
    if not isinstance(settings, dict):
        return recorded
    return json.dumps({name: value for name, value in settings.items() if name not in LIMITS}, separators=(",", ":"))
