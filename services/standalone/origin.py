"""What a result was made from: its photographs, its model, and the settings that decide which faces there are."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.detector.settings import DetectorSettings
from services.quality.settings import QualitySettings
from services.standalone.decoders import LIMITS
from shared.errors import InvalidInput
from shared.whole_output import whole_file

_FILE = "run.json"


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


def check_origin(out: Path, origin: Mapping[str, str]) -> Path | None:
    """Return the folder of photographs that the result in `out` was made from, None before the first run.

    Raises `InvalidInput` where faces found now could not be compared with those of earlier runs.
    """
    known = _recorded(out)
    if known is None:
        return None
    for name in ("model", "detector", "quality"):
        if _without_limits(known[name]) != origin[name]:
            msg = f"{out} was made with {name} = {known[name]}, and this run has {origin[name]}; choose another --out"
            raise InvalidInput(msg)
    return Path(known["photos"])


def record_origin(out: Path, origin: Mapping[str, str]) -> None:
    """Write down what this result is made from, for `check_origin` of later runs."""
    if _recorded(out) == origin:
        return
    with whole_file(out / _FILE, "new") as scratch:
        scratch.write_text(json.dumps(dict(origin), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _recorded(out: Path) -> dict[str, str] | None:
    path = out / _FILE
    if not path.exists():
        return None
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return {name: str(known[name]) for name in ("photos", "model", "detector", "quality")}
    except (ValueError, TypeError, KeyError) as error:
        msg = (
            f"{path}: expected what an earlier run wrote there, found something else ({error!r}); choose another --out"
        )
        raise InvalidInput(msg) from error


def _without_limits(recorded: str) -> str:
    """Return settings without the limits, which earlier versions wrote down as well."""
    try:
        settings: Any = json.loads(recorded)
    except ValueError:
        return recorded
    if not isinstance(settings, dict):
        return recorded
    return json.dumps({name: value for name, value in settings.items() if name not in LIMITS}, separators=(",", ":"))
