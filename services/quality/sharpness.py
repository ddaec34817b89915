"""Sharpness of a crop."""

import cv2
import numpy as np
from numpy.typing import NDArray


def variance_of_laplacian(crop: NDArray[np.uint8]) -> float:
    """Return the variance of the Laplacian of a crop, shape (h, w, 3) BGR or (h, w) grey, uint8; 0 for a flat one.

    Blur takes away what changes from pixel to pixel, so the second derivative of a blurred picture is near zero
    everywhere. From the comparison of focus measures by Pech-Pacheco et al., "Diatom autofocusing in brightfield
    microscopy" (ICPR 2000).
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY) if crop.ndim == 3 else crop  # noqa: PLR2004  (h, w, 3)
    return float(cv2.Laplacian(grey, cv2.CV_64F).var())
