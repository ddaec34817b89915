"""The sizes to which a photograph is scaled: for detection, and for cutting out crops."""

import math

from services.detector.settings import DetectorSettings

WINDOW = 80
"""Pixels: width and height of the detector's window, and so of the smallest face that it finds."""
_TALLEST = 4  # times the photo width; a taller picture is scaled down further, so that the cost of detection is bounded


def picture_size(width: int, height: int, settings: DetectorSettings) -> tuple[int, int]:
    """Return width and height of the picture that crops are cut from, for a photograph of this size; all in pixels.

    The width is `photo_width`, even if that enlarges the photograph; a very tall photograph gets a smaller one.
    """
    return _scaled(width, height, _picture_scale(width, height, settings))


def detection_size(width: int, height: int, settings: DetectorSettings) -> tuple[int, int]:
    """Return width and height of the picture on which faces are detected, for a photograph of this size; in pixels.

    The picture of `picture_size`, doubled `upsample` times, but not so large that faces below `min_face` pixels of
    the photograph would be found.
    """
    doubled = _picture_scale(width, height, settings) * 2**settings.upsample
    return _scaled(width, height, min(doubled, WINDOW / settings.min_face))


def smallest_face(width: int, height: int, settings: DetectorSettings) -> int:
    """Return the width of the smallest face that can be found on a photograph of this size; all in its pixels.

    It is `min_face` while detection sees all pixels of the photograph. For a larger photograph it grows with the width:
    it is `WINDOW` pixels of the picture on which faces are detected.
    """
    across, _ = detection_size(width, height, settings)
    return max(settings.min_face, math.ceil(WINDOW * width / across))


def _picture_scale(width: int, height: int, settings: DetectorSettings) -> float:
    return min(settings.photo_width / width, math.sqrt(_TALLEST * settings.photo_width**2 / (width * height)))


def _scaled(width: int, height: int, scale: float) -> tuple[int, int]:
    return max(1, round(width * scale)), max(1, round(height * scale))
