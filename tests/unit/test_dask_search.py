import sys
from collections.abc import Iterator

import numpy as np
import pytest

from services.reclusterer.clustering.dask_search import dask_map, parallel_map_on
from services.reclusterer.clustering.neighbour_graph import NeighbourGraph, NeighbourSearch, neighbour_graph
from shared.errors import Fatal, Transient
from tests.support.synthetic_faces import embeddings

distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        yield cluster.scheduler_address


def _bytes(found: NeighbourGraph) -> list[bytes]:
    return [array.tobytes() for array in (*found.adjacency, found.faces)]


@pytest.mark.slow
@pytest.mark.parametrize("exact_limit", [0, 10_000])
def test_a_dask_cluster_finds_the_same_graph_as_one_process_to_the_last_byte(scheduler: str, exact_limit: int) -> None:
    vectors = embeddings([40, 3, 90, 1, 7, 300, 2, 60] * 2, seed=3, noise=0.7)
    photos = np.arange(len(vectors), dtype=np.int32) // 2
    keys = np.arange(len(vectors), dtype=np.uint64)
    alone = neighbour_graph(vectors, photos, 0.7, keys=keys, search=NeighbourSearch(exact_limit))
    with dask_map(scheduler) as parallel_map:
        shared = neighbour_graph(vectors, photos, 0.7, keys=keys, search=NeighbourSearch(exact_limit, parallel_map))
    assert alone.adjacency.edge_count > 0
    assert _bytes(alone) == _bytes(shared)
    assert alone.edge_recall == shared.edge_recall


def test_without_a_scheduler_the_threads_of_this_process_do_the_work() -> None:
    with parallel_map_on(None) as parallel_map:
        assert list(parallel_map(lambda number: number * number, range(100))) == [number**2 for number in range(100)]


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(Fatal, match=r"install facestream\[dask\]"), dask_map("tcp://127.0.0.1:1"):
        pass


def test_a_scheduler_that_is_away_is_worth_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.reclusterer.clustering.dask_search._CONNECT_TIMEOUT", 0.5)
    expected = pytest.raises(Transient, match=r"expected a Dask scheduler at tcp://127\.0\.0\.1:1")
    with expected, dask_map("tcp://127.0.0.1:1"):
        pass
