"""From the bytes of a photograph to its faces: what runs in a process that may die."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from services.detector.decoding.decode import decode
from services.detector.decoding.needs import lacking
from services.detector.hog_detector import FaceFinder
from services.detector.settings import DetectorSettings
from shared.domain.events import Box, Point


@dataclass(frozen=True, slots=True)
class Face:
    """A face. Box and landmarks in pixels of the upright original; `crop` is a PNG."""

    box: Box
    score: float
    landmarks: tuple[Point, Point, Point, Point, Point]
    crop: bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """What is on a photograph.

    `version` names all that decides where boxes lie; it is part of every face id. `width` and `height`: pixels of the
    upright original.
    """

    version: str
    width: int
    height: int
    faces: tuple[Face, ...]


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds the faces on photographs; a value, since it travels to other processes."""

    landmarks: Path
    settings: DetectorSettings

    def load(self) -> None:
        """Load the models; raises `ModelError` where the file of the landmarks cannot be used."""
        _models(self.landmarks, self.settings)

    def find(self, data: bytes) -> Finding:
        """Return what is on a photograph; raises `Unreadable` with a reason, and `ModelError`."""
        finder = _models(self.landmarks, self.settings)
        decoded = decode(data, self.settings)
        with lacking(self.settings):
            faces = tuple(Face(face.box, face.score, face.landmarks, _png(face.crop)) for face in finder.find(decoded))
        return Finding(finder.version, decoded.width, decoded.height, faces)


@lru_cache(maxsize=1)
def _models(landmarks: Path, settings: DetectorSettings) -> FaceFinder:
    """They are loaded once in a process, and not sent to it with every photograph."""
    return FaceFinder(landmarks, settings)


def _png(crop: NDArray[np.uint8]) -> bytes:
    _, encoded = cv2.imencode(".png", crop, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return encoded.tobytes()
