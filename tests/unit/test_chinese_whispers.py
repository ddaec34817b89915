import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from services.reclusterer.clustering import reference
from services.reclusterer.clustering.adjacency import Adjacency
from services.reclusterer.clustering.arrays import UNKNOWN, Int32Array, Labels
from services.reclusterer.clustering.chinese_whispers import chinese_whispers, first_labels


@st.composite
def graphs(draw: st.DrawFn) -> Adjacency:
    """Sparse graphs; few distinct weights, so that ties are common."""
    n = draw(st.integers(1, 25))
    seed = draw(st.integers(0, 2**32 - 1))
    density = draw(st.floats(0, 0.6))
    weights = draw(st.sampled_from([(5,), (191, 223, 255), tuple(range(179, 256))]))
    random = np.random.default_rng(seed)
    upper = np.triu(random.choice(weights, (n, n)) * (random.random((n, n)) < density), 1)
    return _adjacency(upper + upper.T)


@st.composite
def photographed(draw: st.DrawFn) -> tuple[Adjacency, Int32Array, Int32Array]:
    """Graphs, of some nodes on one photo and with clusters of an earlier time."""
    edges = draw(graphs())
    n = len(edges.starts) - 1
    photos = draw(st.lists(st.integers(0, 12), min_size=n, max_size=n))
    previous = draw(st.lists(st.integers(UNKNOWN, 4), min_size=n, max_size=n))
    return edges, np.array(photos, np.int32), np.array(previous, np.int32)


def _adjacency(dense: NDArray[np.integer]) -> Adjacency:
    rows = csr_array(dense)
    return Adjacency(rows.indptr.astype(np.int64), rows.indices.astype(np.int32), rows.data.astype(np.uint8))


def _whispered(edges: Adjacency, rounds: int, seed: int) -> Labels:
    alone = np.arange(len(edges.starts) - 1, dtype=np.int32)
    return chinese_whispers(edges, rounds, seed, keys=alone.astype(np.uint64), photos=alone)


def _clique(n: int) -> Adjacency:
    return _adjacency(255 * (np.ones((n, n), np.int64) - np.eye(n, dtype=np.int64)))


SEEDS = st.integers(0, 1000)


@given(photographed(), st.integers(1, 12), SEEDS)
def test_the_compiled_form_agrees_with_the_plain_one_visit_for_visit(
    faces: tuple[Adjacency, Int32Array, Int32Array], rounds: int, seed: int
) -> None:
    edges, photos, previous = faces
    keys = np.random.default_rng(seed).permutation(len(photos)).astype(np.uint64)
    compiled = chinese_whispers(edges, rounds, seed, keys=keys, photos=photos, previous=previous)
    plain = reference.chinese_whispers(edges, rounds, seed, keys=keys, photos=photos, previous=previous)
    assert compiled.dtype == np.int32
    assert compiled.tolist() == plain.tolist()


@given(photographed(), SEEDS)
def test_two_faces_of_one_photo_never_share_a_label(faces: tuple[Adjacency, Int32Array, Int32Array], seed: int) -> None:
    edges, photos, previous = faces
    labels = chinese_whispers(
        edges, 50, seed, keys=np.arange(len(photos), dtype=np.uint64), photos=photos, previous=previous
    )
    for photo in set(photos.tolist()):
        known = [label for label in labels[photos == photo].tolist() if label != UNKNOWN]
        assert len(set(known)) == len(known)


@given(photographed())
def test_faces_begin_with_the_company_of_before_but_for_those_of_one_photo(
    faces: tuple[Adjacency, Int32Array, Int32Array],
) -> None:
    edges, photos, previous = faces
    labels = first_labels(edges, photos, previous)
    for node, label in enumerate(labels.tolist()):
        if label not in {UNKNOWN, node}:
            assert previous[node] == previous[label] != UNKNOWN
    for node, others in enumerate(np.split(edges.neighbours, edges.starts[1:-1])):
        for other in others.tolist():
            alone = all((photos[previous == previous[node]] == photos[end]).sum() == 1 for end in (node, other))
            if previous[node] == previous[other] != UNKNOWN and alone:
                assert labels[node] == labels[other]


@given(graphs(), SEEDS)
def test_a_face_is_unknown_exactly_if_it_has_no_neighbour(edges: Adjacency, seed: int) -> None:
    labels = _whispered(edges, 50, seed)
    assert ((labels == UNKNOWN) == (np.diff(edges.starts) == 0)).all()


@given(photographed(), SEEDS)
def test_faces_that_no_path_connects_never_share_a_label(
    faces: tuple[Adjacency, Int32Array, Int32Array], seed: int
) -> None:
    edges, photos, previous = faces
    keys = np.arange(len(photos), dtype=np.uint64)
    labels = chinese_whispers(edges, 50, seed, keys=keys, photos=photos, previous=previous)
    _, component = connected_components(edges.as_csr())
    for label in set(labels.tolist()) - {UNKNOWN}:
        assert set(component[labels == label]) == {component[label]}


@given(graphs(), SEEDS)
def test_in_the_end_every_face_speaks_a_loudest_label_of_its_neighbours(edges: Adjacency, seed: int) -> None:
    labels = _whispered(edges, 1000, seed)
    dense = edges.as_csr().toarray()
    for node, label in enumerate(labels.tolist()):
        row = dense[node]
        loudness = {int(other): row[labels == other].sum() for other in labels[row > 0]}
        assert label == UNKNOWN if not loudness else loudness[label] == max(loudness.values())


@given(graphs(), SEEDS)
def test_more_rounds_than_needed_change_nothing(edges: Adjacency, seed: int) -> None:
    assert _whispered(edges, 1000, seed).tolist() == _whispered(edges, 2000, seed).tolist()


@pytest.mark.parametrize("n", [2, 3, 10, 300])
def test_faces_that_all_know_each_other_are_one_cluster(n: int) -> None:
    assert len(set(_whispered(_clique(n), 50, 0).tolist())) == 1


def test_the_heavier_of_two_neighbourhoods_wins_whatever_their_numbers_of_neighbours() -> None:
    # Node 6 has two neighbours in the triangle (0, 1, 2), and one in (3, 4, 5), which weighs more.
    edges = np.zeros((7, 7), np.int64)
    for triangle in ((0, 1, 2), (3, 4, 5)):
        edges[np.ix_(triangle, triangle)] = 255
    np.fill_diagonal(edges, 0)
    edges[6, [0, 1, 3]] = edges[[0, 1, 3], 6] = (60, 60, 190)
    labels = _whispered(_adjacency(edges), 50, 3)
    assert len(set(labels[:3].tolist())) == len(set(labels[3:].tolist())) == 1
    assert labels[0] != labels[3]


def test_an_old_company_that_nothing_speaks_against_stays_where_a_fresh_start_would_part_it() -> None:
    # Two triangles and one edge between: alone they part, and together they stay together.
    edges = np.zeros((6, 6), np.int64)
    for triangle in ((0, 1, 2), (3, 4, 5)):
        edges[np.ix_(triangle, triangle)] = 200
    np.fill_diagonal(edges, 0)
    edges[2, 3] = edges[3, 2] = 200
    alone = np.arange(6, dtype=np.int32)
    keys = alone.astype(np.uint64)
    fresh = [set(_whispered(_adjacency(edges), 50, seed).tolist()) for seed in range(20)]
    assert {len(labels) for labels in fresh} >= {2}
    together = chinese_whispers(_adjacency(edges), 50, 0, keys=keys, photos=alone, previous=np.zeros(6, np.int32))
    assert set(together.tolist()) == {0}


def test_no_faces_give_no_labels() -> None:
    assert _whispered(_adjacency(np.empty((0, 0), np.int64)), 50, 0).tolist() == []
