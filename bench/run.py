"""The whole run over a folder: photographs a second, and what it spends outside the models."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from bench.tables import Table
from services.detector.decode import decode
from services.detector.faces import FaceFinder
from services.detector.settings import DetectorSettings
from services.embedder.loading import load_embedder
from services.embedder.settings import EmbedderSettings
from shared.models import FACENET, LANDMARKS, located

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / ".cache" / "samples"
SCENES = ROOT.parent / "shared" / "data" / "scenes"
TITLE = "The whole run"

_Result = TypeVar("_Result")


def measure() -> Table:
    """Run the command over real photographs, then the models alone over the same ones."""
    sources = [folder for folder in (SAMPLES, SCENES) if folder.is_dir()]
    with tempfile.TemporaryDirectory() as scratch:
        photos = Path(scratch) / "photos"
        count = _linked(sources, photos)
        wall, cpu, memory = _run(photos, Path(scratch) / "result")
        models = _models_alone(photos)
    outside = cpu - sum(models.values())
    rows: list[tuple[str, float]] = [
        ("photographs", count),
        ("photographs a second", count / wall),
        ("seconds of wall time", wall),
        ("seconds of processor time", cpu),
        *((f"  of that, {name}", seconds) for name, seconds in models.items()),
        ("  of that, outside the models", outside),
        ("share outside the models, %", 100 * outside / cpu),
        ("largest process, MiB", memory / 1024),
    ]
    notes = [
        f"over {' and '.join(folder.name for folder in sources)}, with start-up, imports, clustering and report",
        "the models' share is the processor time of decoding, detection and embedding alone in one process",
    ]
    return Table(TITLE, ("what", "value"), rows, notes)


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


def _run(photos: Path, out: Path) -> tuple[float, float, int]:
    """Return wall seconds, processor seconds of all processes, and the largest process's memory in KiB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run(
        [Path(sys.prefix) / "bin" / "facestream", "run", photos, "--out", out],
        check=True,
        stdout=subprocess.DEVNULL,
        env=os.environ,
    )
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, after.ru_maxrss


def _models_alone(photos: Path) -> dict[str, float]:
    cv2.setNumThreads(1)
    settings = DetectorSettings()
    finder = FaceFinder(located(LANDMARKS), settings)
    embedder = load_embedder(located(FACENET), EmbedderSettings())
    decoding = detection = 0.0
    crops = []
    for photo in sorted(photos.rglob("*.jpg")):
        data = photo.read_bytes()
        seconds, decoded = _timed(partial(decode, data, settings))
        decoding += seconds
        seconds, faces = _timed(partial(finder.find, decoded))
        detection += seconds
        crops += [face.crop for face in faces]
    embedding, _ = _timed(partial(embedder.embed, np.stack(crops)))
    return {"decoding": decoding, "detection": detection, "embedding": embedding}


def _timed(function: Callable[[], _Result]) -> tuple[float, _Result]:
    """Return the processor time of all threads that a call took, and its result."""
    started = time.process_time()
    result = function()
    return time.process_time() - started, result
