import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.reclusterer.clustering import neighbour_graph as graph
from services.reclusterer.clustering import pairs
from services.reclusterer.clustering.neighbour_graph import NeighbourGraph, NeighbourSearch, neighbour_graph
from services.reclusterer.clustering.pairs import FULL_WEIGHT
from tests.support.synthetic_faces import embeddings, unit

THRESHOLD = 0.7
SEEDS = st.integers(0, 2**32 - 1)


def _brute_force(vectors: NDArray[np.float32], photos: NDArray[np.int32]) -> NDArray[np.bool_]:
    exact = vectors.astype(np.float64)
    connected: NDArray[np.bool_] = (exact @ exact.T > THRESHOLD) & (photos[:, None] != photos)
    return connected


def _graph(
    vectors: NDArray[np.float32], photos: NDArray[np.int32] | None = None, *, seed: int = 0, exact_limit: int = 10_000
) -> NeighbourGraph:
    alone = np.arange(len(vectors), dtype=np.int32)
    photos = alone if photos is None else photos
    keys = alone.astype(np.uint64)
    return neighbour_graph(vectors, photos, THRESHOLD, keys=keys, seed=seed, search=NeighbourSearch(exact_limit))


def _bytes(found: NeighbourGraph) -> list[bytes]:
    return [array.tobytes() for array in (*found.adjacency, found.faces)]


def _matrix(found: NeighbourGraph) -> NDArray[np.float32]:
    """The weights between faces."""
    node_of = np.argsort(found.faces)
    matrix: NDArray[np.float32] = found.adjacency.as_csr().toarray()[node_of][:, node_of]
    return matrix


@given(SEEDS, st.lists(st.integers(1, 8), max_size=8), st.integers(1, 9))
def test_faces_are_connected_exactly_where_their_inner_product_is_above_the_threshold(
    seed: int, sizes: list[int], faces_per_photo: int
) -> None:
    vectors = embeddings(sizes, seed, noise=0.7) if sizes else np.empty((0, 32), np.float32)
    photos = (np.arange(len(vectors)) // faces_per_photo).astype(np.int32)
    found = _graph(vectors, photos)
    assert ((_matrix(found) > 0) == _brute_force(vectors, photos)).all()
    assert (found.lists, found.edge_recall) == (None, 1.0)


@given(SEEDS)
def test_an_edge_weighs_the_inner_product_in_255ths_in_both_directions(seed: int) -> None:
    vectors = embeddings([5, 6, 7], seed)
    weights = _matrix(_graph(vectors))
    assert np.array_equal(weights, weights.T)
    assert weights.diagonal().tolist() == [0] * len(vectors)
    products = vectors @ vectors.T
    assert np.abs(weights - products * FULL_WEIGHT)[weights > 0].max() < 0.5001


@given(SEEDS)
def test_another_order_of_faces_gives_the_same_graph(seed: int) -> None:
    vectors = embeddings([9, 30, 4, 1, 17], seed, noise=0.7)
    order = np.random.default_rng(seed).permutation(len(vectors))
    assert np.array_equal(_matrix(_graph(vectors))[order][:, order], _matrix(_graph(vectors[order])))


@pytest.mark.parametrize("exact_limit", [0, 1000])
def test_the_size_of_the_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch, exact_limit: int) -> None:
    vectors = embeddings([40, 3, 25, 1, 1, 30], noise=0.7)
    whole = _matrix(_graph(vectors, exact_limit=exact_limit))
    monkeypatch.setattr(graph, "_BLOCK", 7)
    monkeypatch.setattr(pairs, "_PRODUCT", 900)
    assert np.array_equal(_matrix(_graph(vectors, exact_limit=exact_limit)), whole)


def test_two_faces_of_one_photo_are_never_neighbours() -> None:
    vectors = np.repeat(embeddings([1]), 4, axis=0)
    photos = np.array([0, 0, 1, 1], np.int32)
    assert (_matrix(_graph(vectors, photos)) > 0).tolist() == [
        [False, False, True, True],
        [False, False, True, True],
        [True, True, False, False],
        [True, True, False, False],
    ]


def _long_tail(seed: int) -> NDArray[np.float32]:
    sizes = (np.random.default_rng(seed).pareto(1.6, 150) * 6 + 1).astype(int).clip(1, 200)
    return embeddings(sizes.tolist(), seed, noise=0.6, dimension=64)


@pytest.mark.parametrize("seed", range(3))
def test_inverted_lists_find_a_part_of_the_edges_that_the_sample_estimates(seed: int) -> None:
    vectors = _long_tail(seed)
    photos = (np.arange(len(vectors)) // 2).astype(np.int32)
    exact = _graph(vectors, photos)
    found = _graph(vectors, photos, seed=seed, exact_limit=0)
    assert (exact.lists is None, found.lists is None) == (True, False)
    weights = _matrix(found)
    assert np.array_equal(weights, weights.T)
    assert np.array_equal(weights, np.where(weights > 0, _matrix(exact), 0))
    recall = found.adjacency.edge_count / exact.adjacency.edge_count
    assert recall > 0.97
    assert found.edge_recall == pytest.approx(recall, abs=0.02)


@pytest.mark.parametrize("exact_limit", [0, 10_000])
def test_the_same_seed_gives_the_same_bytes_on_one_core_and_on_all(
    monkeypatch: pytest.MonkeyPatch, exact_limit: int
) -> None:
    vectors = _long_tail(0)
    whole = _graph(vectors, seed=5, exact_limit=exact_limit)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    alone = _graph(vectors, seed=5, exact_limit=exact_limit)
    assert _bytes(whole) == _bytes(alone)


def test_more_edges_than_the_sample_made_room_for_are_kept_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = _long_tail(1)
    whole = _matrix(_graph(vectors))
    monkeypatch.setattr("services.reclusterer.clustering.adjacency._ROOM", 0)
    assert np.array_equal(_matrix(_graph(vectors)), whole)


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("exact_limit", [0, 100])
def test_hardly_any_faces_give_a_small_graph(n: int, exact_limit: int) -> None:
    vectors = np.repeat(unit(np.ones((1, 8))), n, axis=0)
    found = _graph(vectors, exact_limit=exact_limit)
    assert found.adjacency.as_csr().shape == (n, n)
    assert found.adjacency.edge_count == n * (n - 1) // 2
    assert found.edge_recall == 1.0
