"""Synthetic embeddings of any number: people with a long tail of photographs, and strangers."""

import numpy as np
from numpy.typing import NDArray

_DIMENSIONS = 128
_TAIL = 1.6  # exponent of the Pareto distribution of photographs per person
_SCALE = 6
_LARGEST = 0.05  # of all faces are of one person at the most
_SPREAD = 0.6  # then the inner product of two faces of one person is 0.735 +- 0.04, as hard as real ones are


def long_tail(n: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return n faces in random order, shape (n, 128), float32, unit length, and who each is, shape (n,), int32."""
    random = np.random.default_rng(seed)
    sizes = (random.pareto(_TAIL, n) * _SCALE).astype(np.int64).clip(0, int(n * _LARGEST)) + 1
    people = random.permutation(np.repeat(np.arange(n, dtype=np.int32), sizes)[:n])
    centres = _unit(random.standard_normal((int(people.max()) + 1, _DIMENSIONS), np.float32))
    noise = random.standard_normal((n, _DIMENSIONS), np.float32) * np.float32(_SPREAD / np.sqrt(_DIMENSIONS))
    return _unit(centres[people] + noise), people


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
