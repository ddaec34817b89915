"""Synthetic embeddings in any number: a long tail of photographs for each person, similarities as of real faces."""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.lfw import labelled_faces

_DIMENSIONS = 128
_TAIL = 1.6  # exponent of the Pareto distribution of photographs of a person
_SCALE = 6  # then a fifth of the people have one photograph, and of a million faces one person has some 10,000
_LARGEST = 0.05  # of all faces belong to one person at most
_ENOUGH = 10  # photographs that a person needs to count in the estimate
# Some photographs, and all photographs of some people, are less similar than others. With these standard deviations of
# the logarithm the inner products of two faces of a person are distributed as in Labeled Faces in the Wild.
_PHOTO_DEVIATION = 0.3
_PERSON_DEVIATION = 0.15
_BLOCK = 65_536


class _Model(NamedTuple):
    """A face is `mean + between @ normal + within @ normal`, scaled to unit length: a person and a deviation."""

    mean: NDArray[np.float32]
    between: NDArray[np.float32]
    within: NDArray[np.float32]


def long_tail(n: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return n faces in random order, shape (n, 128), float32, unit length, and their people, shape (n,), int32."""
    random = np.random.default_rng(seed)
    sizes = (random.pareto(_TAIL, n) * _SCALE).astype(np.int64).clip(0, int(n * _LARGEST)) + 1
    people = random.permutation(np.repeat(np.arange(n, dtype=np.int32), sizes)[:n])
    count = int(people.max()) + 1
    model = _model()
    centres = model.mean + random.standard_normal((count, _DIMENSIONS), np.float32) @ model.between
    person_scales = np.exp(_PERSON_DEVIATION * random.standard_normal(count, np.float32))
    scale = np.exp(-(_PHOTO_DEVIATION**2) - _PERSON_DEVIATION**2)  # keeps the covariance
    vectors = np.empty((n, _DIMENSIONS), np.float32)
    for start in range(0, n, _BLOCK):
        block = people[start : start + _BLOCK]
        deviation = random.standard_normal((len(block), _DIMENSIONS), np.float32) @ model.within
        scales = (
            np.exp(_PHOTO_DEVIATION * random.standard_normal(len(block), np.float32)) * person_scales[block] * scale
        )
        faces = centres[block] + deviation * scales[:, None].astype(np.float32)
        vectors[start : start + _BLOCK] = faces / np.linalg.norm(faces, axis=1, keepdims=True)
    return vectors, people


@cache
def _model() -> _Model:
    """Return the model estimated from Labeled Faces in the Wild, or a similar one without those photographs."""
    faces = labelled_faces()
    if faces is None:
        # The spectra of the estimates, whose main directions are nearly the same.
        axes = np.arange(_DIMENSIONS)
        between = np.diag(np.sqrt(0.044 * np.exp(-axes / 17)))
        within = np.diag(np.sqrt(np.where(axes < 60, 0.0034, 0.0005)))  # noqa: PLR2004
        return _Model(np.zeros(_DIMENSIONS, np.float32), between.astype(np.float32), within.astype(np.float32))
    sizes = np.bincount(faces.people)
    means = np.zeros((len(sizes), _DIMENSIONS))
    np.add.at(means, faces.people, faces.vectors)
    means /= sizes[:, None]
    known = sizes >= _ENOUGH
    deviations = (faces.vectors - means[faces.people])[known[faces.people]]
    within = deviations.T @ deviations / (len(deviations) - known.sum())
    between = np.cov(means[known].T) - within * (1 / sizes[known]).mean()
    return _Model(means[known].mean(axis=0).astype(np.float32), _root(between), _root(within))


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float32]:
    values, axes = np.linalg.eigh(covariance)
    root: NDArray[np.float32] = ((axes * np.sqrt(values.clip(0))) @ axes.T).astype(np.float32)
    return root
