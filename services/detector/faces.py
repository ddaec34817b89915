"""Faces on a photograph: where they are, their landmarks, their aligned crops.

Detection is the sliding window over histograms of oriented gradients of Dalal & Triggs (2005) in dlib's
implementation, trained with max-margin object detection (King 2015). The 68 landmarks are those of Kazemi &
Sullivan (2014), an ensemble of regression trees.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from services.detector.align import aligned
from services.detector.decode import Decoded, detection_size
from services.detector.settings import DetectorSettings
from shared.errors import ModelError
from shared.events import Box, Point

_LEFT_EYE, _RIGHT_EYE = slice(36, 42), slice(42, 48)  # of the 68 points
_REPORTED = (36, 39, 42, 45, 33)  # outer and inner corner, inner and outer corner, base of the nose


@dataclass(frozen=True, slots=True, eq=False)
class FoundFace:
    """A face. Box and landmarks in pixels of the upright original; `crop`: (c, c, 3) uint8 BGR."""

    box: Box
    score: float
    landmarks: tuple[Point, Point, Point, Point, Point]
    crop: NDArray[np.uint8]


class FaceFinder:
    """Finds faces; holds the models, and no state between photographs."""

    def __init__(self, landmarks: Path, settings: DetectorSettings) -> None:
        """Load the models; raises `ModelError` where the file of the landmarks cannot be used."""
        self._settings = settings
        self._detector = dlib.get_frontal_face_detector()
        try:
            self._predictor = dlib.shape_predictor(str(landmarks))
        except RuntimeError as error:
            msg = f"{landmarks}: expected a dlib shape predictor of 68 points: {error}"
            raise ModelError(msg) from error

    @property
    def version(self) -> str:
        """Names all that decides where boxes lie; it is part of every face id."""
        return f"dlib {dlib.__version__} hog, width {self._settings.photo_width}, upsample {self._settings.upsample}"

    def find(self, decoded: Decoded) -> list[FoundFace]:
        """Return the faces of a photograph, in the order of their boxes from left to right, then from the top."""
        settings = self._settings
        size = detection_size(decoded.width, decoded.height, settings.photo_width)
        picture = _resized(decoded.image, size)
        # Grey costs a fifth less than colour and finds the same faces; enlarged here rather than by the detector, since
        # the landmarks, which are whole pixels, get twice as fine by it.
        enlarged = 2**settings.upsample
        grey = cv2.cvtColor(_resized(picture, (size[0] * enlarged, size[1] * enlarged)), cv2.COLOR_BGR2GRAY)
        rectangles, scores, _ = self._detector.run(grey, 0, 0.0)
        to_original = np.array([decoded.width, decoded.height]) / (grey.shape[1], grey.shape[0])
        found = []
        for rectangle, score in zip(rectangles, scores, strict=True):
            shape = self._predictor(grey, rectangle)
            points = np.array([(part.x, part.y) for part in shape.parts()], dtype=np.float64)
            left_eye, right_eye = points[_LEFT_EYE].mean(axis=0), points[_RIGHT_EYE].mean(axis=0)
            if (left_eye == right_eye).all():
                continue  # no face has its eyes in one place
            left, top = np.array([rectangle.left(), rectangle.top()]) * to_original
            width, height = np.array([rectangle.width(), rectangle.height()]) * to_original
            outer_left, inner_left, inner_right, outer_right, nose = (
                Point(x=x, y=y) for x, y in (points[list(_REPORTED)] * to_original).tolist()
            )
            found.append(
                FoundFace(
                    box=Box(left=round(left), top=round(top), width=max(1, round(width)), height=max(1, round(height))),
                    score=float(score),
                    landmarks=(outer_left, inner_left, inner_right, outer_right, nose),
                    crop=aligned(picture, left_eye / enlarged, right_eye / enlarged, settings.crop_width),
                )
            )
        return sorted(found, key=lambda face: (face.box.left, face.box.top, face.box.width, face.box.height))


def _resized(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    shrinks = size[0] < picture.shape[1]
    resized = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return resized.astype(np.uint8, copy=False)
