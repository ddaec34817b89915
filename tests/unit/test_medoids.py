from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.reclusterer.clustering import medoids as module
from services.reclusterer.clustering.medoids import medoid, medoids
from shared.domain import medoids as alone
from shared.domain.medoids import mean_of, medoid_of
from tests.support.synthetic_faces import embeddings, unit


def _distance_sums(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    exact = vectors.astype(np.float64)
    sums: NDArray[np.float64] = np.linalg.norm(exact[:, None] - exact, axis=2).sum(axis=1)
    return sums


@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_the_medoid_has_the_least_sum_of_euclidean_distances(n: int, seed: int) -> None:
    vectors = embeddings([n], seed, noise=0.8)
    sums = _distance_sums(vectors)
    assert sums[medoid(vectors)] == pytest.approx(sums.min(), rel=1e-6)


def test_a_cluster_larger_than_a_block_has_the_same_medoid(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = embeddings([50], noise=0.8)
    best = medoid(vectors)
    monkeypatch.setattr(module, "_BLOCK", 7)
    assert medoid(vectors) == best == int(np.argmin(_distance_sums(vectors)))


def test_it_is_the_sum_of_distances_and_not_of_their_squares_that_counts() -> None:
    # On a circle: three faces at 0 degrees, one at 10, two at 60. The squares would choose the one between.
    angles = np.radians([0.0, 0.0, 0.0, 10.0, 60.0, 60.0])
    vectors = unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    exact = vectors.astype(np.float64)
    assert int(np.argmin((np.linalg.norm(exact[:, None] - exact, axis=2) ** 2).sum(axis=1))) == 3
    assert medoid(vectors) == 0


def test_of_equal_faces_the_first_is_the_medoid() -> None:
    vectors = np.repeat(embeddings([1]), 5, axis=0)
    assert medoid(vectors) == 0


@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.integers(0, 2**32 - 1), st.sampled_from([5, 2048]))
def test_the_medoids_of_many_clusters_are_those_of_each(sizes: list[int], seed: int, block: int) -> None:
    vectors = embeddings(sizes, seed, noise=0.8)
    members = np.random.default_rng(seed).permutation(len(vectors))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_BLOCK", block)
        found = medoids(vectors, members, starts).tolist()
        groups = [members[start:stop] for start, stop in pairwise(starts)]
        assert found == [int(group[medoid(vectors[group])]) for group in groups]


def test_no_clusters_have_no_medoids() -> None:
    assert medoids(np.empty((0, 8), np.float32), np.empty(0, np.int64), np.zeros(1, np.int64)).tolist() == []


@given(st.integers(1, 40), st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_one_cluster_alone_has_the_medoid_and_the_mean_that_it_has_among_all(n: int, seed: int, copies: int) -> None:
    """With `copies` of each face, as of photographs that lie in several folders: of equal ones the first counts."""
    vectors = np.concatenate([embeddings([n], seed, noise=0.8)] * copies)
    assert medoid_of(vectors) == medoid(vectors)
    total = vectors.astype(np.float64).sum(axis=0)
    assert np.allclose(mean_of(vectors), total / np.linalg.norm(total), rtol=0, atol=1e-7)
    assert mean_of(vectors).dtype == np.float32


def test_one_large_cluster_alone_has_the_same_medoid(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = embeddings([50], noise=0.8)
    best = medoid_of(vectors)
    monkeypatch.setattr(alone, "_BLOCK", 7)
    assert medoid_of(vectors) == best == medoid(vectors)
