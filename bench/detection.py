"""Detection: photographs per second, faces found and false detections, against a plain use of dlib.

Plain use: OpenCV decodes the photograph and scales it to a width of 800 pixels; dlib's detector doubles it twice.
"""

import json
import multiprocessing
import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import dlib
from more_itertools import chunked

from bench.tables import Table, without_data
from services.detector.decoding.decode import decode
from services.detector.hog_detector import HogDetector
from services.detector.settings import DetectorSettings
from shared.domain.events import Box
from shared.model_files import LANDMARKS, located

_ROOT = Path(__file__).parents[1]
_DATA = _ROOT.parent / "shared" / "data"
_SAMPLES = _ROOT / ".cache" / "samples"
_TITLE = "Detection against plain use of dlib (800 pixels, colour, two doublings, one process)"
_PROCESSES = min(2, os.cpu_count() or 1)
_CHUNK = 14  # photographs; both take turns, so that a busy moment of the machine affects both

Marked = tuple[float, float]  # a point inside a face, in pixels of the photograph


@dataclass(frozen=True)
class Look:
    """The boxes on one photograph, and the seconds of processor time of the detection."""

    boxes: list[Box]
    processor_seconds: float


@dataclass
class Tally:
    """The results of one detector on one set of photographs."""

    seconds: float = 0.0
    processor_seconds: float = 0.0
    found: int = 0
    others: int = 0

    def add(self, seconds: float, looks: Sequence[Look], truth: Sequence[Sequence[Marked]]) -> None:
        """Count the boxes with a marked point, one for each point, and the other boxes.

        `seconds`: wall time for these photographs; `truth`: the marked points of each photograph.
        """
        self.seconds += seconds
        for look, points in zip(looks, truth, strict=True):
            self.processor_seconds += look.processor_seconds
            left = list(look.boxes)
            for point in points:
                hit = next((box for box in left if _holds(box, point)), None)
                if hit:
                    left.remove(hit)
                    self.found += 1
            self.others += len(left)


@dataclass
class Photos:
    """A set of photographs. `truth`: a point in each face of each photograph, where they are known."""

    name: str
    paths: list[Path]
    truth: list[list[Marked]] | None = None
    plain: Tally = field(default_factory=Tally)
    facestream: Tally = field(default_factory=Tally)


def measure() -> Table:
    """Measure both on the same photographs, in turns."""
    if not _DATA.is_dir():
        return without_data(_TITLE, _DATA)
    faces = json.loads((_DATA / "groups" / "faces.json").read_text())
    nonface = _files(_DATA / "nonface")
    sets = [
        Photos("groups", [_DATA / "groups" / name for name in faces], list(faces.values())),
        Photos("nonface", nonface, [[] for _ in nonface]),
        Photos("LFW", _files(_DATA / "lfw" / "identities")[::216]),
        Photos("samples", _files(_SAMPLES)[::6]),
    ]
    detector = dlib.get_frontal_face_detector()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(_PROCESSES, mp_context=context, initializer=_start) as pool:
        list(pool.map(_find, _files(_SAMPLES)[:_PROCESSES]))  # loads the models before the measurement
        for photos in sets:
            for numbers in chunked(range(len(photos.paths)), _CHUNK):
                paths = [photos.paths[number] for number in numbers]
                truth = [photos.truth[number] if photos.truth else [] for number in numbers]
                started = time.perf_counter()
                plain = [_find_plainly(path, detector) for path in paths]
                between = time.perf_counter()
                facestream = list(pool.map(_find, paths))
                ended = time.perf_counter()
                photos.plain.add(between - started, plain, truth)
                photos.facestream.add(ended - between, facestream, truth)
    columns = (
        "photos",
        "photos/s, plain",
        "photos/s",
        "ratio",
        "CPU time, ratio",
        "recall, plain",
        "recall",
        "false, plain",
        "false",
    )
    return Table(
        _TITLE,
        columns,
        [_row(photos) for photos in sets if photos.paths],
        [
            f"facestream uses {_PROCESSES} processes; both read and decode, facestream also makes the crops",
            "CPU time: of one process; it depends less on other load of the machine than the speed",
            "recall: of the faces marked by hand; false: boxes without a marked face; '-': no faces are marked",
        ],
    )


def _row(photos: Photos) -> tuple[str | float, ...]:
    count, plain, facestream = len(photos.paths), photos.plain, photos.facestream
    speed = (
        count / plain.seconds,
        count / facestream.seconds,
        plain.seconds / facestream.seconds,
        plain.processor_seconds / facestream.processor_seconds,
    )
    if photos.truth is None:
        return (f"{photos.name} ({count})", *speed, "-", "-", "-", "-")
    marked = sum(map(len, photos.truth))
    recall = [f"{tally.found / marked:.3f}" if marked else "-" for tally in (plain, facestream)]
    return (f"{photos.name} ({count})", *speed, *recall, str(plain.others), str(facestream.others))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _holds(box: Box, point: Marked) -> bool:
    x, y = point
    return box.left <= x <= box.left + box.width and box.top <= y <= box.top + box.height


_detectors: list[tuple[HogDetector, DetectorSettings]] = []  # one, in a process of the pool


def _start() -> None:
    cv2.setNumThreads(1)
    settings = DetectorSettings()
    _detectors.append((HogDetector(located(LANDMARKS), settings), settings))


def _find(path: Path) -> Look:
    detector, settings = _detectors[0]
    started = time.process_time()
    faces = detector.detect(decode(path.read_bytes(), settings))
    return Look([face.box for face in faces], time.process_time() - started)


def _find_plainly(path: Path, detector: dlib.fhog_object_detector) -> Look:
    started = time.process_time()
    image = cv2.imread(str(path))
    if image is None:
        msg = f"{path}: expected a photograph that OpenCV reads"
        raise ValueError(msg)
    scale = 800 / image.shape[1]
    resized = cv2.resize(
        image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    rectangles: Iterable[dlib.rectangle] = detector(cv2.cvtColor(resized, cv2.COLOR_BGR2RGB), 2)
    boxes = [
        Box(
            left=round(rectangle.left() / scale),
            top=round(rectangle.top() / scale),
            width=round(rectangle.width() / scale),
            height=round(rectangle.height() / scale),
        )
        for rectangle in rectangles
    ]
    return Look(boxes, time.process_time() - started)
