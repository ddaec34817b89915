import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from services.reclusterer import reference
from services.reclusterer.chinese_whispers import UNKNOWN, chinese_whispers, visiting_orders


@st.composite
def graphs(draw: st.DrawFn) -> csr_array:
    """Sparse graphs; few distinct weights, so that ties are common."""
    n = draw(st.integers(1, 25))
    seed = draw(st.integers(0, 2**32 - 1))
    density = draw(st.floats(0, 0.6))
    weights = draw(st.sampled_from([(0.5,), (0.75, 0.875, 1.0), tuple(np.linspace(0.7, 1, 99, dtype=np.float32))]))
    random = np.random.default_rng(seed)
    upper = np.triu(random.choice(weights, (n, n)) * (random.random((n, n)) < density), 1).astype(np.float32)
    return csr_array(upper + upper.T)


def _clique(n: int) -> csr_array:
    return csr_array((np.ones((n, n)) - np.eye(n)).astype(np.float32))


SEEDS = st.integers(0, 1000)


@given(graphs(), st.integers(1, 12), SEEDS)
def test_the_compiled_form_agrees_with_the_plain_one_visit_for_visit(edges: csr_array, rounds: int, seed: int) -> None:
    compiled = chinese_whispers(edges, rounds, seed)
    assert compiled.dtype == np.int32
    assert compiled.tolist() == reference.chinese_whispers(edges, rounds, seed).tolist()


@given(graphs(), SEEDS)
def test_a_face_is_unknown_exactly_if_it_has_no_neighbour(edges: csr_array, seed: int) -> None:
    labels = chinese_whispers(edges, 50, seed)
    assert ((labels == UNKNOWN) == (np.diff(edges.indptr) == 0)).all()


@given(graphs(), SEEDS)
def test_faces_that_no_path_connects_never_share_a_label(edges: csr_array, seed: int) -> None:
    labels = chinese_whispers(edges, 50, seed)
    _, component = connected_components(edges)
    for label in set(labels.tolist()) - {UNKNOWN}:
        assert set(component[labels == label]) == {component[label]}


@given(graphs(), SEEDS)
def test_in_the_end_every_face_speaks_a_loudest_label_of_its_neighbours(edges: csr_array, seed: int) -> None:
    labels = chinese_whispers(edges, 1000, seed)
    dense = edges.toarray()
    for node, label in enumerate(labels.tolist()):
        row = dense[node]
        loudness = {int(other): row[labels == other].sum() for other in labels[row > 0]}
        assert label == UNKNOWN if not loudness else loudness[label] == max(loudness.values())


@given(graphs(), SEEDS)
def test_more_rounds_than_needed_change_nothing(edges: csr_array, seed: int) -> None:
    assert chinese_whispers(edges, 1000, seed).tolist() == chinese_whispers(edges, 2000, seed).tolist()


@pytest.mark.parametrize("n", [2, 3, 10, 300])
def test_faces_that_all_know_each_other_are_one_cluster(n: int) -> None:
    assert len(set(chinese_whispers(_clique(n), 50, 0).tolist())) == 1


def test_the_heavier_of_two_neighbourhoods_wins_whatever_their_numbers_of_neighbours() -> None:
    # Node 6 has two neighbours in the triangle (0, 1, 2), and one in (3, 4, 5), which weighs more.
    edges = np.zeros((7, 7), np.float32)
    for triangle in ((0, 1, 2), (3, 4, 5)):
        edges[np.ix_(triangle, triangle)] = 1
    np.fill_diagonal(edges, 0)
    edges[6, [0, 1, 3]] = edges[[0, 1, 3], 6] = (0.25, 0.25, 0.75)
    labels = chinese_whispers(csr_array(edges), 50, 3)
    assert len(set(labels[:3].tolist())) == len(set(labels[3:].tolist())) == 1
    assert labels[0] != labels[3]


def test_every_round_visits_all_in_an_order_of_its_own_that_follows_from_the_seed() -> None:
    orders = [order.tolist() for order in visiting_orders(50, 3, 7)]
    assert orders == [order.tolist() for order in visiting_orders(50, 3, 7)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert orders[0] != next(visiting_orders(50, 1, 8)).tolist()


def test_no_faces_give_no_labels() -> None:
    assert chinese_whispers(csr_array(np.empty((0, 0), np.float32)), 50, 0).tolist() == []
