import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.domain.person_index import People
from shared.domain.records import Cluster
from tests.support.synthetic_faces import embeddings, unit

SEEDS = st.integers(0, 2**32 - 1)


def _cluster(cluster_id: str, medoid: NDArray[np.float32], *exemplars: NDArray[np.float32]) -> Cluster:
    further = np.stack(exemplars) if exemplars else np.empty((0, len(medoid)), np.float32)
    return Cluster(1, cluster_id, "face", medoid, further, 20)


def _people(medoids: NDArray[np.float32]) -> People:
    return People([_cluster(f"{number:06}", medoid) for number, medoid in enumerate(medoids)])


@given(SEEDS, st.integers(1, 40), st.integers(1, 60))
def test_the_nearest_person_is_the_one_with_the_largest_inner_product(seed: int, people: int, faces: int) -> None:
    medoids = embeddings([1] * people, seed)
    vectors = embeddings([1] * faces, seed + 1)
    exact = np.round(vectors.astype(np.float64) @ medoids.astype(np.float64).T, 6)
    nearest, similarities = _people(medoids).nearest(vectors)
    assert nearest.tolist() == exact.argmax(axis=1).tolist()
    assert np.allclose(similarities, exact.max(axis=1), rtol=0, atol=1.1e-6)


@given(SEEDS, st.integers(1, 100), st.integers(1, 12))
def test_what_is_said_of_a_face_does_not_depend_on_the_faces_beside_it(seed: int, faces: int, people: int) -> None:
    # FAISS searches 20 faces and more in another way than fewer.
    index = _people(embeddings([1] * people, seed, dimension=128))
    vectors = embeddings([3] * people + [faces], seed, noise=0.8, dimension=128)
    nearest, similarities = index.nearest(vectors)
    for place in range(0, len(vectors), 7):
        alone = index.nearest(vectors[place : place + 1])
        assert (alone[0].tolist(), alone[1].tolist()) == ([nearest[place]], [similarities[place]])
        with_all = index.similarities(vectors[place])
        assert (with_all.argmax(), with_all.max()) == (nearest[place], similarities[place])


def test_of_equally_similar_people_the_first_is_nearest_however_many_there_are() -> None:
    same = np.repeat(embeddings([1]), 50, axis=0)
    nearest, similarities = _people(same).nearest(same[:3])
    assert (nearest.tolist(), similarities.tolist()) == ([0, 0, 0], [1.0, 1.0, 1.0])


def test_the_order_of_the_clusters_changes_nothing() -> None:
    medoids = embeddings([1] * 9)
    clusters = [_cluster(f"{number}", medoid) for number, medoid in enumerate(medoids)]
    one, other = People(clusters), People(clusters[::-1])
    assert one.cluster_ids == other.cluster_ids
    assert one.nearest(medoids)[0].tolist() == other.nearest(medoids)[0].tolist()


def test_a_person_is_the_medoid_or_the_mean_as_the_rule_says() -> None:
    medoid, mean, other = embeddings([1] * 3)
    clusters = [_cluster("a", medoid, mean), _cluster("b", other)]
    assert People(clusters).similarities(medoid)[0] == 1.0
    assert People(clusters, "mean").similarities(mean)[0] == 1.0
    assert People(clusters, "mean").similarities(medoid)[0] < 1.0
    assert People(clusters, "mean").similarities(other)[1] == 1.0


@given(SEEDS, st.integers(2, 40), st.integers(1, 30))
def test_the_runner_up_is_the_second_most_similar_person(seed: int, people: int, faces: int) -> None:
    index = _people(embeddings([1] * people, seed))
    vectors = embeddings([1] * faces, seed + 1)
    found = index.two_nearest(vectors)
    for face, vector in enumerate(vectors):
        first, second = sorted(index.similarities(vector), reverse=True)[:2]
        assert (found.similarity[face], found.runner_up[face]) == (first, second)


def test_the_runner_up_may_be_as_similar_as_the_first_and_is_nobody_where_there_is_one_person() -> None:
    same = np.repeat(embeddings([1]), 9, axis=0)
    assert _people(same).two_nearest(same[:1]).runner_up.tolist() == [1.0]
    assert _people(same[:1]).two_nearest(same[:1]).runner_up.tolist() == [-np.inf]


def test_medoids_of_another_length_are_compared_by_direction() -> None:
    rows = embeddings([1] * 2)
    assert _people(rows * 3).nearest(rows)[1].tolist() == [1.0, 1.0]


def test_vectors_of_another_model_are_refused_with_both_dimensions() -> None:
    people = _people(embeddings([1, 1]))
    with pytest.raises(ValueError, match=r"32 dimensions.*found 8"):
        people.nearest(unit(np.ones((1, 8))))


def test_without_people_there_is_nobody_to_compare_with() -> None:
    nobody = People([])
    assert len(nobody) == 0
    assert nobody.similarities(embeddings([1])[0]).shape == (0,)
    with pytest.raises(ValueError, match="no people"):
        nobody.nearest(embeddings([1]))


def test_people_know_who_is_among_them() -> None:
    people = _people(embeddings([1] * 9))
    assert all(name in people for name in people.cluster_ids)
    assert not any(name in people for name in ("", "000009", "0000", "zzz", None))
    assert "000000" not in People([])
