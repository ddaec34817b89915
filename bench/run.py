"""A run over a folder: photographs per second, and the processor time outside the models."""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from more_itertools import chunked
from numpy.typing import NDArray

from bench.tables import Table
from services.detector.decoding.decode import decode
from services.detector.hog_detector import HogDetector
from services.detector.photo_detector import PhotoDetector
from services.detector.photo_pool import PhotoPool
from services.detector.settings import DetectorSettings
from services.embedder.loading import load_embedder
from services.embedder.settings import EmbedderSettings
from services.standalone.settings import StandaloneSettings
from shared.errors import Unreadable
from shared.model_files import FACENET, LANDMARKS, located

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / ".cache" / "samples"
SCENES = ROOT.parent / "shared" / "data" / "scenes"

_Result = TypeVar("_Result")


class Cost(NamedTuple):
    """Seconds of wall time and of processor time, and the memory of the largest process in MiB."""

    wall: float
    cpu: float
    memory: float


def measure() -> Table:
    """Run the command over one photograph, over all, and again; then the models alone over all photographs."""
    sources = [folder for folder in (SAMPLES, SCENES) if folder.is_dir()]
    with tempfile.TemporaryDirectory() as scratch:
        photos, out = Path(scratch) / "photos", Path(scratch) / "result"
        count = _linked(sources, photos)
        one = Path(scratch) / "one"
        one.mkdir()
        (one / "photo.jpg").symlink_to(next(photos.rglob("*.jpg")).resolve())
        start = _run(one, Path(scratch) / "result of one")
        run = _run(photos, out)
        again = _run(photos, out)
        wall, models = _models_alone(photos)
    in_models = sum(models.values())
    working = run.cpu - start.cpu
    rows: list[tuple[str, float]] = [
        ("photographs", count),
        ("photographs a second, start to end", count / run.wall),
        ("photographs a second, the models alone", count / wall),
        ("seconds, start to end", run.wall),
        ("seconds, one photograph", start.wall),
        ("seconds, nothing new to do", again.wall),
        ("processor seconds, start to end", run.cpu),
        ("processor seconds, one photograph", start.cpu),
        *((f"processor seconds, {name}", seconds) for name, seconds in models.items()),
        ("share outside the models, without the start, %", 100 * (working - in_models) / working),
        ("largest process, MiB", run.memory),
    ]
    notes = [
        f"over {' and '.join(folder.name for folder in sources)}",
        "one photograph: the fixed cost of a run, mostly the start of Python and TensorFlow and loading the models",
        "the models alone: decoding, detection and embedding in as many processes, which are started before",
    ]
    return Table("The whole run", ("what", "value"), rows, notes)


def _linked(sources: list[Path], folder: Path) -> int:
    """Link all photographs into one folder and return their number."""
    count = 0
    for source in sources:
        for photo in sorted(source.rglob("*.jpg")):
            target = folder / source.name / photo.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(photo)
            count += 1
    return count


def _run(photos: Path, out: Path) -> Cost:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    command: list[str | Path] = [Path(sys.prefix) / "bin" / "facestream", "run", photos, "--out", out]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, after.ru_maxrss / 1024)


def _models_alone(photos: Path) -> tuple[float, dict[str, float]]:
    """Return the wall seconds, and the processor seconds of each model."""
    spent = dict.fromkeys(("decoding", "detection", "embedding"), 0.0)
    settings = StandaloneSettings()
    detector = PhotoDetector(located(LANDMARKS), DetectorSettings())
    with PhotoPool(settings.processes, settings.photo_timeout, detector.load) as processes:
        embedder = load_embedder(located(FACENET), EmbedderSettings())
        started = time.perf_counter()
        found = processes.each(_found, sorted(photos.rglob("*.jpg")), Unreadable, 2 * settings.photos_per_batch)
        for batch in chunked(found, settings.photos_per_batch):
            crops: list[NDArray[np.uint8]] = []
            for photo, outcome in batch:
                if isinstance(outcome, Unreadable):
                    msg = f"{photo}: {outcome}"
                    raise RuntimeError(msg)  # noqa: TRY004  the error is in the photograph, not in a type
                decoding, detection, of_photo = outcome
                spent["decoding"] += decoding
                spent["detection"] += detection
                crops += of_photo
            if crops:
                seconds, _ = _timed(partial(embedder.embed, np.stack(crops)))
                spent["embedding"] += seconds
        return time.perf_counter() - started, spent


def _found(photo: Path) -> tuple[float, float, list[NDArray[Any]]]:
    detector = _detector()
    decoding, decoded = _timed(partial(decode, photo.read_bytes(), DetectorSettings()))
    detection, faces = _timed(partial(detector.detect, decoded))
    return decoding, detection, [face.crop for face in faces]


@lru_cache(maxsize=1)
def _detector() -> HogDetector:
    return HogDetector(located(LANDMARKS), DetectorSettings())


def _timed(function: Callable[[], _Result]) -> tuple[float, _Result]:
    """Return the processor time, of all threads of this process, that a call took; and its result."""
    started = time.process_time()
    result = function()
    return time.process_time() - started, result
