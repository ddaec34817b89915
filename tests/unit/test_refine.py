import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.reclusterer.clustering.arrays import UNKNOWN
from services.reclusterer.clustering.inverted_lists import make_lists
from services.reclusterer.clustering.parallel import map_in_threads
from services.reclusterer.clustering.refine import refine_labels
from services.reclusterer.settings import ReclustererSettings
from tests.support.synthetic_faces import embeddings, unit

SETTINGS = ReclustererSettings(stay_threshold=0.5, join_threshold=0.6, join_margin=0.2)
SEEDS = st.integers(0, 2**32 - 1)


def _at(*degrees: float) -> NDArray[np.float32]:
    angles = np.radians(degrees)
    return unit(np.stack([np.cos(angles), np.sin(angles), np.zeros_like(angles)], axis=1))


def _groups(labels: NDArray[np.int32]) -> list[list[int]]:
    """The members of each cluster, by their first one."""
    return sorted(np.flatnonzero(labels == label).tolist() for label in set(labels.tolist()) - {UNKNOWN})


def _alone(vectors: NDArray[np.float32]) -> NDArray[np.int32]:
    return np.arange(len(vectors), dtype=np.int32)


def _refine_labels(vectors: NDArray[np.float32], *labels: int, photos: list[int] | None = None) -> list[list[int]]:
    of_faces = _alone(vectors) if photos is None else np.array(photos, np.int32)
    return _groups(refine_labels(np.array(labels, np.int32), vectors, of_faces, SETTINGS))


def test_a_face_that_is_unlike_most_members_leaves_its_cluster() -> None:
    # The last face is somewhat like the fourth, and like nobody else.
    vectors = _at(0, 3, 6, 20, 70)
    assert _refine_labels(vectors, 7, 7, 7, 7, 7) == [[0, 1, 2, 3]]


def test_a_chain_of_strangers_falls_apart() -> None:
    assert _refine_labels(_at(0, 40, 80, 120, 160, 200), 0, 0, 0, 0, 0, 0) == []


def test_a_face_without_neighbours_joins_the_cluster_whose_mean_is_near() -> None:
    vectors = _at(0, 2, 4, 50)
    assert _refine_labels(vectors, 0, 0, 0, UNKNOWN) == [[0, 1, 2, 3]]


def test_a_face_that_is_far_from_every_mean_stays_alone() -> None:
    assert _refine_labels(_at(0, 2, 4, 57), 0, 0, 0, UNKNOWN) == [[0, 1, 2]]


def test_a_face_between_two_clusters_joins_neither() -> None:
    vectors = _at(0, 1, 2, 80, 81, 82, 41, 30)
    assert _refine_labels(vectors, 0, 0, 0, 3, 3, 3, UNKNOWN, UNKNOWN) == [[0, 1, 2, 7], [3, 4, 5]]


def test_the_faces_of_a_pair_may_join_a_cluster_one_by_one() -> None:
    assert _refine_labels(_at(0, 2, 4, 48, 60), 0, 0, 0, 3, 3) == [[0, 1, 2, 3], [4]]


def test_faces_in_company_do_not_move_to_another_cluster() -> None:
    assert _refine_labels(_at(0, 1, 2, 30, 31, 32), 0, 0, 0, 5, 5, 5) == [[0, 1, 2], [3, 4, 5]]


def test_of_two_faces_of_a_photo_that_want_to_join_a_cluster_the_nearer_one_does() -> None:
    vectors = _at(0, 2, 4, 40, 30)
    assert _refine_labels(vectors, 0, 0, 0, UNKNOWN, UNKNOWN, photos=[0, 1, 2, 3, 3]) == [[0, 1, 2, 4]]


def test_a_face_takes_the_place_of_a_member_of_its_photo_that_is_farther_away() -> None:
    vectors = _at(0, 2, 4, 30, 8, 40)
    assert _refine_labels(vectors, 0, 0, 0, 0, UNKNOWN, UNKNOWN, photos=[0, 1, 2, 3, 3, 3]) == [[0, 1, 2, 4]]


def test_with_inverted_lists_nearly_all_faces_find_the_same_company() -> None:
    vectors = embeddings([30, 12, 7, 50, 3, 20] * 5, 4, noise=0.8, dimension=64)
    people = np.repeat(np.arange(30, dtype=np.int32), [30, 12, 7, 50, 3, 20] * 5)
    labels = np.where(np.random.default_rng(0).random(len(people)) < 0.2, UNKNOWN, people).astype(np.int32)
    lists = make_lists(vectors, np.random.default_rng(1).permutation(len(vectors)), map_in_threads)
    whole = refine_labels(labels, vectors, _alone(vectors), SETTINGS)
    listed = refine_labels(labels, vectors, _alone(vectors), SETTINGS, lists)
    assert (whole != labels).sum() > 50
    assert (whole == listed).mean() > 0.99


@given(SEEDS, st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_clusters_of_similar_faces_that_are_apart_stay_as_they_are(seed: int, sizes: list[int]) -> None:
    vectors = embeddings(sizes, seed, dimension=128)
    people = np.repeat(np.arange(len(sizes), dtype=np.int32) * 10, sizes)
    assert _groups(refine_labels(people, vectors, _alone(vectors), SETTINGS)) == _groups(people)


@given(SEEDS, st.integers(1, 30))
def test_whoever_stays_has_at_least_the_wanted_mean_similarity(seed: int, n: int) -> None:
    vectors = embeddings([n, 1], seed, noise=1.5)
    labels = np.zeros(n + 1, np.int32)
    products = vectors.astype(np.float64) @ vectors.T
    means = (products.sum(axis=1) - products.diagonal()) / n
    settings = SETTINGS.model_copy(update={"join_threshold": 1.0})
    stays = refine_labels(labels, vectors, _alone(vectors), settings) != UNKNOWN
    assert (means[stays] > 0.5 - 1e-5).all()
    assert (means[~stays] < 0.5 + 1e-5).all()


def test_no_faces_and_only_unknown_faces_are_left_alone() -> None:
    assert (
        refine_labels(np.empty(0, np.int32), np.empty((0, 8), np.float32), np.empty(0, np.int32), SETTINGS).tolist()
        == []
    )
    assert _refine_labels(_at(0, 1, 2), UNKNOWN, UNKNOWN, UNKNOWN) == []
