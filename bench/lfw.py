"""Labeled Faces in the Wild as embeddings, computed once by the code of the services and kept in `.cache/bench`.

Huang et al., "Labeled Faces in the Wild" (2007). The photographs are not part of the repository.
"""

import hashlib
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from services.detector.decoding.decode import decode
from services.detector.hog_detector import HogDetector
from services.detector.settings import DetectorSettings
from shared.model_files import FACENET, LANDMARKS, located

PHOTOS = Path(__file__).parents[1].parent / "shared" / "data" / "lfw"
CACHE = Path(__file__).parents[1] / ".cache" / "bench"
_CENTRE = 0.56  # of the width of a photograph, which a crop of its centred face covers


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFaces:
    """n faces, one for each photograph.

    `vectors`: shape (n, d), float32, unit length. `people`: shape (n,), int32, the number of the person. `strangers`:
    shape (n,), bool, whether it is the only photograph of the person. `missed`: the number of photographs without a
    detected face; their centres are used.
    """

    vectors: NDArray[np.float32]
    people: NDArray[np.int32]
    strangers: NDArray[np.bool_]
    missed: int

    def of(self, chosen: NDArray[np.bool_]) -> "LabelledFaces":
        """Return the chosen faces; `chosen`: shape (n,), bool."""
        return LabelledFaces(self.vectors[chosen], self.people[chosen], self.strangers[chosen], self.missed)


class _Crop(NamedTuple):
    picture: NDArray[np.uint8]
    found: bool


def labelled_faces() -> LabelledFaces | None:
    """Return the 4,324 faces of 158 people and the 1,000 strangers, or None without the photographs.

    The first call detects and embeds them, which takes about ten minutes on two cores.
    """
    photos = sorted(PHOTOS.glob("*/*/*.jpg"))
    if not photos:
        return None
    vectors, found = _embedded(photos)
    _, people = np.unique([photo.parent.name for photo in photos], return_inverse=True)
    strangers = np.array([photo.parent.parent.name == "distractors" for photo in photos])
    return LabelledFaces(vectors, people.astype(np.int32), strangers, int((~found).sum()))


def _embedded(photos: list[Path]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    key = f"{_detector().version}\n{FACENET.sha256}\n{len(photos)}"
    file = CACHE / f"lfw-{hashlib.sha256(key.encode()).hexdigest()[:12]}.npz"
    if file.is_file():
        with np.load(file) as kept:
            return kept["vectors"], kept["found"]
    # Processes, because dlib holds the interpreter lock; spawned, because a forked process with threads may hang.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=spawn) as pool:
        crops = list(pool.map(_centre_face, photos, chunksize=16))
    from services.embedder.loading import load_embedder  # noqa: PLC0415  TensorFlow, which the detecting processes do not need
    from services.embedder.settings import EmbedderSettings  # noqa: PLC0415

    vectors = load_embedder(located(FACENET), EmbedderSettings()).embed(np.stack([crop.picture for crop in crops]))
    found = np.array([crop.found for crop in crops])
    CACHE.mkdir(parents=True, exist_ok=True)
    np.savez(file, vectors=vectors, found=found)
    return vectors, found


@cache
def _detector() -> HogDetector:
    return HogDetector(located(LANDMARKS), DetectorSettings())


def _centre_face(photo: Path) -> _Crop:
    decoded = decode(photo.read_bytes(), DetectorSettings())
    centre = np.array([decoded.width, decoded.height]) / 2
    faces = _detector().detect(decoded)
    if not faces:
        height, width = decoded.image.shape[:2]
        half = round(_CENTRE * width / 2)
        square = decoded.image[height // 2 - half : height // 2 + half, width // 2 - half : width // 2 + half]
        crop_width = DetectorSettings().crop_width
        return _Crop(np.asarray(cv2.resize(square, (crop_width, crop_width)), np.uint8), found=False)
    boxes = np.array([(f.box.left + f.box.width / 2, f.box.top + f.box.height / 2) for f in faces])
    return _Crop(faces[int(np.linalg.norm(boxes - centre, axis=1).argmin())].crop, found=True)
