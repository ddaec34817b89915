import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.reclusterer.clustering import reference
from services.reclusterer.clustering.arrays import UNKNOWN
from services.reclusterer.clustering.cluster_faces import Clustering, cluster_faces
from services.reclusterer.clustering.medoids import medoid
from services.reclusterer.settings import ReclustererSettings
from tests.support.synthetic_faces import embeddings

SETTINGS = ReclustererSettings(min_cluster_size=3)
SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=6)


def _clustered(
    vectors: NDArray[np.float32],
    photos: NDArray[np.int32] | None = None,
    settings: ReclustererSettings = SETTINGS,
    previous: list[int] | None = None,
) -> Clustering:
    alone = np.arange(len(vectors), dtype=np.int32)
    before = None if previous is None else np.array(previous, np.int32)
    return cluster_faces(vectors, alone if photos is None else photos, settings, previous=before)


def test_people_with_enough_faces_are_found_and_the_others_are_unknown() -> None:
    found = _clustered(embeddings([5, 2, 7, 1, 3]))
    assert found.labels.tolist() == [0] * 5 + [UNKNOWN] * 2 + [1] * 7 + [UNKNOWN] + [2] * 3


@given(SEEDS, SIZES, st.integers(1, 5))
def test_nobody_is_on_a_photo_twice(seed: int, sizes: list[int], faces_per_photo: int) -> None:
    vectors = embeddings(sizes, seed, noise=0.7)
    photos = np.random.default_rng(seed).permutation(len(vectors)).astype(np.int32) // faces_per_photo
    labels = _clustered(vectors, photos).labels
    known = labels != UNKNOWN
    pairs = list(zip(labels[known].tolist(), photos[known].tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)


@given(SEEDS, SIZES, st.integers(1, 5))
def test_clusters_are_large_enough_and_their_medoids_are_members(seed: int, sizes: list[int], per_photo: int) -> None:
    vectors = embeddings(sizes, seed, noise=0.7)
    found = _clustered(vectors, (np.arange(len(vectors)) // per_photo).astype(np.int32))
    for number, middle in enumerate(found.medoids):
        members = np.flatnonzero(found.labels == number)
        assert len(members) >= SETTINGS.min_cluster_size
        assert middle == members[medoid(vectors[members])]
        assert found.similarities[middle] == 1.0
    assert np.isnan(found.similarities[found.labels == UNKNOWN]).all()
    assert len(set(found.labels.tolist()) - {UNKNOWN}) == len(found.medoids)


def test_of_two_faces_of_a_person_on_one_photo_the_one_nearer_to_the_medoid_is_kept() -> None:
    vectors = embeddings([8])
    middle = medoid(vectors)
    similarities = vectors @ vectors[middle]
    far, near = np.argsort(similarities)[[0, 4]].tolist()
    photos = np.arange(8, dtype=np.int32)
    photos[far] = photos[near]
    labels = _clustered(vectors, photos).labels
    assert labels[far] == UNKNOWN
    assert (np.delete(labels, far) == 0).all()


def test_a_cluster_that_one_face_per_photo_makes_too_small_is_no_person() -> None:
    vectors = embeddings([4])
    assert _clustered(vectors, np.array([0, 0, 1, 1], np.int32)).labels.tolist() == [UNKNOWN] * 4


@given(SEEDS)
def test_the_same_faces_and_seed_give_the_same_clustering(seed: int) -> None:
    vectors = embeddings([9, 4, 17, 2], seed, noise=0.8)
    one, other = _clustered(vectors), _clustered(vectors)
    assert one.labels.tolist() == other.labels.tolist()
    assert one.medoids.tolist() == other.medoids.tolist()


@given(SEEDS, SIZES)
def test_the_same_faces_seed_and_earlier_clusters_give_the_same_bytes(seed: int, sizes: list[int]) -> None:
    vectors = embeddings(sizes, seed, noise=0.8)
    random = np.random.default_rng(seed)
    keys = random.permutation(len(vectors)).astype(np.uint64)
    previous = random.integers(UNKNOWN, 3, len(vectors)).astype(np.int32)
    photos = np.arange(len(vectors), dtype=np.int32)
    one, other = (cluster_faces(vectors, photos, SETTINGS, keys=keys, previous=previous) for _ in range(2))
    for name in ("labels", "medoids", "means", "similarities"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


@given(SEEDS, st.integers(0, 30))
def test_clusters_to_begin_with_that_are_right_change_nothing(seed: int, n: int) -> None:
    vectors = embeddings([9, 4, 17, 2, n], seed)
    found = _clustered(vectors)
    again = cluster_faces(vectors, np.arange(len(vectors), dtype=np.int32), SETTINGS, previous=found.labels)
    assert again.labels.tolist() == found.labels.tolist()


def test_who_is_known_stays_so_with_half_as_many_faces() -> None:
    faces = embeddings([5, 2, 2, 1])
    before = [0] * 5 + [1] * 2 + [UNKNOWN] * 2 + [2]
    assert _clustered(faces).labels.tolist() == [0] * 5 + [UNKNOWN] * 5
    assert _clustered(faces, previous=before).labels.tolist() == [0] * 5 + [1] * 2 + [UNKNOWN] * 3


def test_the_smaller_piece_of_who_was_known_is_nobody() -> None:
    faces = embeddings([4, 2])
    assert _clustered(faces, previous=[0] * 6).labels.tolist() == [0] * 4 + [UNKNOWN] * 2


def test_who_has_lost_what_held_two_halves_together_is_the_larger_one() -> None:
    faces = embeddings([6, 5])
    assert _clustered(faces, previous=[0] * 11).labels.tolist() == [0] * 6 + [1] * 5


def test_no_faces_are_no_people() -> None:
    found = _clustered(np.empty((0, 8), np.float32))
    assert (found.labels.tolist(), found.medoids.tolist(), found.edges) == ([], [], 0)


@given(SEEDS, SIZES, st.integers(1, 3))
def test_the_reference_form_of_chinese_whispers_gives_the_same_clusters(
    seed: int, sizes: list[int], faces_per_photo: int
) -> None:
    vectors = embeddings(sizes, seed, noise=0.8)
    photos = np.arange(len(vectors), dtype=np.int32) // faces_per_photo
    plain = cluster_faces(vectors, photos, SETTINGS, whispers=reference.chinese_whispers)
    assert plain.labels.tolist() == cluster_faces(vectors, photos, SETTINGS).labels.tolist()
