"""The origin of a result, in `run.json`: the photographs, the model, and the settings that decide on faces."""

import json
from collections.abc import Mapping
from pathlib import Path

from services.detector.settings import DetectorSettings
from services.quality.settings import QualitySettings
from services.standalone.library.decoders import LIMITS
from services.standalone.result.drafts import Drafts
from services.standalone.result.file_digest import digest_of, status
from services.standalone.result.made_files import MadeFiles
from shared.atomic_output import explained
from shared.errors import InvalidInput

ORIGIN = "run.json"
_DECISIVE = ("model", "detector", "quality")


def origin_of(photos: Path, model_id: str, detector: DetectorSettings, quality: QualitySettings) -> dict[str, str]:
    """Return what decides which faces a result has, and whether their vectors can be compared.

    Limits of size are left out: they only decide which photographs are decoded, and a photograph above a limit is
    decoded by a later run with a higher one.
    """
    return {
        "photos": str(photos.resolve()),
        "model": model_id,
        "detector": detector.model_dump_json(exclude=set(LIMITS)),
        "quality": quality.model_dump_json(),
    }


def record_origin(out: Path, origin: Mapping[str, str]) -> None:
    """Write `run.json`, for `check_origin` of later runs, unless it has this origin already.

    A file with all names of an origin is facestream's, even if a person has changed the values; other names in it
    stay. Raises `InvalidInput` if there is another file of that name.
    """
    path = out / ORIGIN
    with explained(out), MadeFiles(out) as manifest:
        known = _known(path) if status(path) else {}
        wanted = {**known, **origin}
        if known == wanted:
            return
        found = digest_of(path) if known.keys() >= origin.keys() else None
        if found:
            manifest.replace({ORIGIN: found})
        drafts = Drafts(manifest)
        try:
            with drafts.text(ORIGIN) as file:
                file.write(json.dumps(wanted, indent=2, ensure_ascii=False) + "\n")
            drafts.publish()
        finally:
            manifest.sweep()


def check_origin(out: Path, origin: Mapping[str, str]) -> Path | None:
    """Return the folder of photographs that the result in `out` was made from; None before the first run.

    Raises `InvalidInput` if the faces of this run could not be compared with those of earlier runs, because the model
    or the settings of the detector or of the quality step differ.
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
    if digest_of(path) is None:
        raise _something_else(path, "no file")
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(value) for name, value in known.items()}
    except (ValueError, AttributeError) as error:
        raise _something_else(path, "no JSON object") from error


def _something_else(path: Path, found: str) -> InvalidInput:
    return InvalidInput(f"{path}: expected the file of an earlier run, found something else ({found}); move it away")


def _without_limits(recorded: str) -> str:
    """Return settings without the limits, which earlier versions recorded as well."""
    try:
        settings = json.loads(recorded)
    except ValueError:
        return recorded
    if not isinstance(settings, dict):
        return recorded
    return json.dumps({name: value for name, value in settings.items() if name not in LIMITS}, separators=(",", ":"))
