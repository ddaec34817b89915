"""From the bytes of a photograph to its faces. This runs in worker processes, which a broken file may end."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from services.detector.decoding.decode import decode
from services.detector.decoding.memory_needed import lacking
from services.detector.detections import Detection, PhotoDetections
from services.detector.hog_detector import HogDetector
from services.detector.settings import DetectorSettings


@dataclass(frozen=True, slots=True)
class PhotoDetector:
    """Detects the faces on photographs. It can be pickled, because it is sent to other processes."""

    landmarks: Path
    settings: DetectorSettings

    def load(self) -> None:
        """Load the models. Raises `ModelError` if the landmark file cannot be used."""
        _hog_detector(self.landmarks, self.settings)

    def detect(self, data: bytes) -> PhotoDetections:
        """Return the faces on a photograph. Raises `Unreadable` with a reason, or `ModelError`."""
        detector = _hog_detector(self.landmarks, self.settings)
        decoded = decode(data, self.settings)
        with lacking(self.settings):
            faces = tuple(
                Detection(face.box, face.score, face.landmarks, _png(face.crop)) for face in detector.detect(decoded)
            )
        return PhotoDetections(detector.version, decoded.width, decoded.height, faces)


@lru_cache(maxsize=1)
def _hog_detector(landmarks: Path, settings: DetectorSettings) -> HogDetector:
    """Load the models once per process, instead of sending them to it with every photograph."""
    return HogDetector(landmarks, settings)


def _png(crop: NDArray[np.uint8]) -> bytes:
    _, encoded = cv2.imencode(".png", crop, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return encoded.tobytes()
