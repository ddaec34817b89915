"""Alignment: rotate, scale and crop a face so that its eyes are always at the same two points of the crop."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

LEFT_EYE = (0.35, 0.35)
"""Centre of the left eye on a crop: x and y in widths of the crop. The right eye mirrors it."""


def eye_distance(crop_width: int) -> float:
    """Return the pixels between the eye centres on a crop."""
    return (1 - 2 * LEFT_EYE[0]) * crop_width


def similarity(left_eye: NDArray[np.float64], right_eye: NDArray[np.float64], crop_width: int) -> NDArray[np.float64]:
    """Return the similarity transform, shape (2, 3), that moves two eye centres, shape (2,), to their crop points.

    Raises ValueError if the eyes coincide, because no scale can separate them.
    """
    gap = right_eye - left_eye
    distance = math.hypot(*gap)
    if not distance:
        msg = f"expected two eyes apart, got both at {left_eye.tolist()}"
        raise ValueError(msg)
    factor = eye_distance(crop_width) / distance
    cosine, sine = factor * gap[0] / distance, -factor * gap[1] / distance
    linear = np.array([[cosine, -sine], [sine, cosine]])
    shift = np.array(LEFT_EYE) * crop_width - linear @ left_eye
    return np.column_stack([linear, shift])


def aligned(
    picture: NDArray[np.uint8], left_eye: NDArray[np.float64], right_eye: NDArray[np.float64], crop_width: int
) -> NDArray[np.uint8]:
    """Return the crop of one face, (crop_width, crop_width, 3) uint8, from a picture, (h, w, 3) uint8.

    The eye centres are in pixels of `picture`. Pixels beyond its edge are black.
    """
    transform = similarity(left_eye, right_eye, crop_width)
    crop = cv2.warpAffine(picture, transform, (crop_width, crop_width), flags=cv2.INTER_CUBIC)
    return crop.astype(np.uint8, copy=False)
