"""What the detector finds on a photograph. Imports no model and no decoder, so that steps can be tested without."""

from dataclasses import dataclass

from shared.domain.events import Box, Point

Landmarks = tuple[Point, Point, Point, Point, Point]
"""Outer and inner corner of the eye that lies left, inner and outer corner of the other eye, base of the nose."""


@dataclass(frozen=True, slots=True)
class Detection:
    """A face. `box` and `landmarks` are in pixels of the upright original; `crop` is a PNG file."""

    box: Box
    score: float
    landmarks: Landmarks
    crop: bytes


@dataclass(frozen=True, slots=True)
class PhotoDetections:
    """The faces on one photograph.

    `version` names everything that decides where boxes lie; it is part of every face id. `width` and `height` are the
    pixels of the upright original.
    """

    version: str
    width: int
    height: int
    faces: tuple[Detection, ...]
