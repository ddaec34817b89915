"""Synthetic embeddings: a person is a random direction, its faces are that direction with noise."""

import numpy as np
from numpy.typing import NDArray

from shared.domain.events import Box, Verdict
from shared.domain.records import FaceRecord

MODEL = "model"


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return rows of unit length."""
    rows: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)
    return rows


def embeddings(sizes: list[int], seed: int = 0, noise: float = 0.4, dimension: int = 32) -> NDArray[np.float32]:
    """Return faces of people, person after person: shape (sum of sizes, dimension), float32, unit length.

    `noise`: its length. By default two faces of a person have an inner product of about 0.86, of strangers about 0.
    """
    random = np.random.default_rng(seed)
    centres = unit(random.normal(size=(len(sizes), dimension)))
    deviations = random.normal(size=(sum(sizes), dimension)) * noise / np.sqrt(dimension)
    return unit(np.repeat(centres, sizes, axis=0) + deviations)


def face_record(face_id: str, vector: NDArray[np.float32] | None, image_id: str | None = None) -> FaceRecord:
    """Return an accepted face on a photograph of its own, or a blurry one where there is no vector."""
    verdict = Verdict.BLURRY if vector is None else Verdict.ACCEPTED
    box = Box(left=1, top=2, width=30, height=40)
    image = image_id or f"image of {face_id}"
    return FaceRecord(face_id, image, f"object of {image}", box, 1.0, f"{face_id}.png", 50.0, verdict, vector, MODEL)
