"""From crops to embeddings: prewhitening, batches of one size, unit length."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.vectors import unit_length

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""A network: float32 RGB pictures of shape (n, s, s, 3), prewhitened, to raw vectors (n, d)."""


def prewhitened(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Give each crop mean 0 and standard deviation 1: shape (n, h, w, 3) of uint8 to the same of float32.

    `(x - mean) / max(std, 1 / sqrt(h * w * 3))` over the whole crop, as FaceNet was trained; the floor keeps a crop
    of one colour finite. Sums of integers are exact and the rest is float64, so the result is rounded once.
    """
    n, *shape = crops.shape
    size = int(np.prod(shape))
    flat = crops.reshape(n, size)
    total = flat.sum(axis=1, dtype=np.int64)
    squares = np.square(flat, dtype=np.uint16).sum(axis=1, dtype=np.int64)
    deviation = np.sqrt(squares * size - total**2) / size  # the difference is exact; that of two floats would not be
    scale = 1.0 / np.maximum(deviation, 1.0 / np.sqrt(size))
    white: NDArray[np.float32] = ((flat - total[:, None] / size) * scale[:, None]).astype(np.float32)
    return white.reshape(crops.shape)


def resized(crop: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return the crop, shape (h, w, 3), as (size, size, 3); one that has that size is returned as it is."""
    if crop.shape[:2] == (size, size):
        return crop
    shrinking = min(crop.shape[:2]) > size
    method = cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(crop, (size, size), interpolation=method), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Embedder:
    """Turns crops of faces into embeddings.

    `model_id` names the model file by its content; vectors of different models must not be compared. `device` is
    the hardware that computes, `precision` the number format.
    """

    network: Network
    model_id: str
    dimensions: int
    input_size: int
    batch_size: int
    device: str
    precision: str

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed crops: (n, h, w, 3) uint8 BGR to (n, d) float32 of unit length, row i of crop i.

        A vector depends on nothing but its crop. Raises ValueError where the crops have another shape or dtype.
        """
        if crops.ndim != 4 or crops.shape[3] != 3 or crops.dtype != np.uint8:  # noqa: PLR2004  (n, h, w, 3)
            msg = f"expected crops of shape (n, h, w, 3) and dtype uint8, found {crops.shape} and {crops.dtype}"
            raise ValueError(msg)
        vectors = np.empty((len(crops), self.dimensions), np.float32)
        for start in range(0, len(crops), self.batch_size):
            part = crops[start : start + self.batch_size]
            # A CPU gets batches of any size: 4 cost 29 ms each and 16 cost 27, with the same bits. A GPU searches its
            # algorithms again for each new size, for seconds, so its batches are always full.
            size = len(part) if self.device == "CPU" else self.batch_size
            batch = np.zeros((size, self.input_size, self.input_size, 3), np.uint8)
            for target, crop in zip(batch, part, strict=False):
                target[:] = resized(crop, self.input_size)[..., ::-1]
            vectors[start : start + len(part)] = self.network(prewhitened(batch))[: len(part)]
        return unit_length(vectors).astype(np.float32)
