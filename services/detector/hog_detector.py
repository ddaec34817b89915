"""Faces on a photograph: where they are, their landmarks, their aligned crops.

Detection is the sliding window over histograms of oriented gradients of Dalal & Triggs (2005) in dlib's
implementation, trained with max-margin object detection (King 2015). The 68 landmarks are those of Kazemi &
Sullivan (2014), an ensemble of regression trees.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from services.detector.alignment import aligned, eye_distance
from services.detector.decoding.decode import Decoded
from services.detector.detections import Landmarks
from services.detector.scale import detection_size, picture_size
from services.detector.settings import DetectorSettings
from shared.domain.events import Box, Point
from shared.errors import ModelError

_LEFT_EYE, _RIGHT_EYE = slice(36, 42), slice(42, 48)  # of the 68 points
_REPORTED = [36, 39, 42, 45, 33]  # outer and inner corner, inner and outer corner, base of the nose


@dataclass(frozen=True, slots=True, eq=False)
class AlignedFace:
    """A face. `box` and `landmarks` are in pixels of the upright original; `crop` has shape (c, c, 3), uint8, BGR."""

    box: Box
    score: float
    landmarks: Landmarks
    crop: NDArray[np.uint8]


class HogDetector:
    """Detects faces. It keeps the models in memory, and nothing of a photograph."""

    def __init__(self, landmarks: Path, settings: DetectorSettings) -> None:
        """Load the models. Raises `ModelError` if the landmark file cannot be used."""
        self._settings = settings
        self._detector = dlib.get_frontal_face_detector()
        try:
            self._predictor = dlib.shape_predictor(str(landmarks))
        except RuntimeError as error:
            msg = f"{landmarks}: expected a dlib shape predictor of 68 points, got: {error}"
            raise ModelError(msg) from error

    @property
    def version(self) -> str:
        """Name everything that decides where boxes lie. It is part of every face id."""
        return version_of(self._settings)

    def detect(self, decoded: Decoded) -> list[AlignedFace]:
        """Return the faces on a photograph, ordered by their boxes: left to right, then top to bottom."""
        # Grey takes a fifth less time than colour and finds the same faces. The picture is enlarged here, because the
        # detector would enlarge the smaller one.
        detail = _resized(decoded.image, detection_size(decoded.width, decoded.height, self._settings))
        grey = cv2.cvtColor(detail, cv2.COLOR_BGR2GRAY)
        rectangles, scores, _ = self._detector.run(grey, 0, 0.0)
        if not rectangles:
            return []
        picture = _resized(decoded.image, picture_size(decoded.width, decoded.height, self._settings))
        found = []
        for rectangle, score in zip(rectangles, scores, strict=True):
            shape = self._predictor(grey, rectangle).parts()
            # From here on, coordinates are fractions of the width and height of the photograph.
            points = np.array([(point.x, point.y) for point in shape]) / (grey.shape[1], grey.shape[0])
            eyes = points[_LEFT_EYE].mean(axis=0), points[_RIGHT_EYE].mean(axis=0)
            if np.array_equal(*eyes):
                continue  # no face has both eyes at one point
            found.append(
                AlignedFace(
                    box=_box(rectangle, decoded.width / grey.shape[1], decoded.height / grey.shape[0]),
                    score=float(score),
                    landmarks=_reported(points * (decoded.width, decoded.height)),
                    crop=self._crop(picture, decoded.image, *eyes),
                )
            )
        return sorted(found, key=lambda face: (face.box.left, face.box.top, face.box.width, face.box.height))

    def _crop(
        self,
        picture: NDArray[np.uint8],
        finer: NDArray[np.uint8],
        left_eye: NDArray[np.float64],
        right_eye: NDArray[np.float64],
    ) -> NDArray[np.uint8]:
        """Cut a face out of `picture`, or out of the finer one if the crop would have to be enlarged.

        36 LFW portraits on one photograph of 1,500 pixels: 95.5 % of the crops are sharp enough instead of 78.5 %, and
        76.5 % instead of 75.7 % of the pairs of one person are above 0.70. Where the picture has pixels enough, it is
        the better source: reduced by averaging, it has no aliasing, which looks sharp to the quality service.
        """
        crop_width = self._settings.crop_width
        size = picture.shape[1], picture.shape[0]
        if np.linalg.norm((right_eye - left_eye) * size) < eye_distance(crop_width):
            picture, size = finer, (finer.shape[1], finer.shape[0])
        return aligned(picture, left_eye * size, right_eye * size, crop_width)


def version_of(settings: DetectorSettings) -> str:
    """Return the version of a detector with these settings."""
    return (
        f"dlib {dlib.__version__} hog, width {settings.photo_width}, upsample {settings.upsample}, "
        f"min face {settings.min_face}"
    )


def _resized(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    shrinks = size[0] < picture.shape[1]
    resized = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return resized.astype(np.uint8, copy=False)


def _box(rectangle: Any, across: float, down: float) -> Box:
    return Box(
        left=round(rectangle.left() * across),
        top=round(rectangle.top() * down),
        width=max(1, round(rectangle.width() * across)),
        height=max(1, round(rectangle.height() * down)),
    )


def _reported(points: NDArray[np.float64]) -> Landmarks:
    first, second, third, fourth, fifth = (Point(x=x, y=y) for x, y in points[_REPORTED].tolist())
    return first, second, third, fourth, fifth
