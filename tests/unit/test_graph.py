import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array

from services.reclusterer import graph
from services.reclusterer.graph import neighbour_graph
from tests.synthetic_faces import embeddings, unit

THRESHOLD = 0.7
SEEDS = st.integers(0, 2**32 - 1)


def _brute_force(vectors: NDArray[np.float32], photos: NDArray[np.int32]) -> NDArray[np.bool_]:
    exact = vectors.astype(np.float64)
    connected: NDArray[np.bool_] = (exact @ exact.T > THRESHOLD) & (photos[:, None] != photos)
    return connected


def _same(one: csr_array, other: csr_array) -> bool:
    return np.array_equal(one.toarray(), other.toarray())


@given(SEEDS, st.lists(st.integers(1, 8), max_size=8), st.integers(1, 9))
def test_faces_are_connected_exactly_where_their_inner_product_is_above_the_threshold(
    seed: int, sizes: list[int], faces_per_photo: int
) -> None:
    vectors = embeddings(sizes, seed, spread=0.7) if sizes else np.empty((0, 32), np.float32)
    photos = (np.arange(len(vectors)) // faces_per_photo).astype(np.int32)
    found = neighbour_graph(vectors, THRESHOLD, photos)
    assert ((found.edges.toarray() > 0) == _brute_force(vectors, photos)).all()
    assert (found.method, found.edge_recall) == ("exact", 1.0)


@given(SEEDS)
def test_an_edge_weighs_the_inner_product_in_both_directions(seed: int) -> None:
    vectors = embeddings([5, 6, 7], seed)
    edges = neighbour_graph(vectors, THRESHOLD).edges
    assert edges.dtype == np.float32
    assert _same(edges, csr_array(edges.T))
    assert edges.diagonal().tolist() == [0] * len(vectors)
    products = vectors @ vectors.T
    dense = edges.toarray()
    assert np.abs(dense - products)[dense > 0].max() < 1e-6


@given(SEEDS)
def test_another_order_of_faces_gives_the_same_graph_to_the_last_bit(seed: int) -> None:
    vectors = embeddings([9, 30, 4, 1, 17], seed, spread=0.7)
    order = np.random.default_rng(seed).permutation(len(vectors))
    edges = neighbour_graph(vectors, THRESHOLD).edges
    shuffled = neighbour_graph(vectors[order], THRESHOLD).edges
    assert _same(edges[order][:, order], shuffled)


def test_the_size_of_the_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = embeddings([40, 3, 25, 1, 1, 30], spread=0.7)
    whole = neighbour_graph(vectors, THRESHOLD).edges
    monkeypatch.setattr(graph, "_BLOCK", 7)
    assert _same(neighbour_graph(vectors, THRESHOLD).edges, whole)


def test_two_faces_of_one_photo_are_never_neighbours() -> None:
    vectors = np.repeat(embeddings([1]), 4, axis=0)
    photos = np.array([0, 0, 1, 1], np.int32)
    edges = neighbour_graph(vectors, THRESHOLD, photos).edges
    assert (edges.toarray() > 0).tolist() == [
        [False, False, True, True],
        [False, False, True, True],
        [True, True, False, False],
        [True, True, False, False],
    ]


def _long_tail(seed: int) -> NDArray[np.float32]:
    sizes = (np.random.default_rng(seed).pareto(1.6, 150) * 6 + 1).astype(int).clip(1, 200)
    return embeddings(sizes.tolist(), seed, spread=0.6, dimension=64)


@pytest.mark.parametrize("seed", range(3))
def test_inverted_lists_find_a_part_of_the_edges_that_the_sample_estimates(seed: int) -> None:
    vectors = _long_tail(seed)
    photos = (np.arange(len(vectors)) // 2).astype(np.int32)
    exact = neighbour_graph(vectors, THRESHOLD, photos).edges
    found = neighbour_graph(vectors, THRESHOLD, photos, seed=seed, exact_limit=0)
    assert found.method == "inverted lists"
    dense = found.edges.toarray()
    assert np.array_equal(dense, np.where(dense > 0, exact.toarray(), 0))
    recall = found.edges.nnz / exact.nnz
    assert recall > 0.97
    assert found.edge_recall == pytest.approx(recall, abs=0.02)


def test_inverted_lists_give_the_same_graph_for_the_same_seed() -> None:
    vectors = _long_tail(0)
    one, other = (neighbour_graph(vectors, THRESHOLD, seed=5, exact_limit=0).edges for _ in range(2))
    assert _same(one, other)


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("exact_limit", [0, 100])
def test_hardly_any_faces_give_a_small_graph(n: int, exact_limit: int) -> None:
    if n > exact_limit == 0 or exact_limit:
        vectors = np.repeat(unit(np.ones((1, 8))), n, axis=0)
        found = neighbour_graph(vectors, THRESHOLD, exact_limit=exact_limit)
        assert found.edges.shape == (n, n)
        assert found.edges.nnz == n * (n - 1)
        assert found.edge_recall == 1.0
