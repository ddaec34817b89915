"""Time, memory and quality of clustering synthetic faces, up to a million."""

import multiprocessing
import resource
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from bench.cluster_quality import Labels, b_cubed, pairwise
from bench.synthetic import long_tail
from bench.tables import Table
from services.reclusterer.clustering import reference
from services.reclusterer.clustering.cluster_faces import Clustering, cluster_faces
from services.reclusterer.clustering.dask_search import parallel_map_on
from services.reclusterer.clustering.neighbour_graph import EXACT_LIMIT, NeighbourSearch
from services.reclusterer.clustering.random_orders import visiting_orders
from services.reclusterer.settings import ReclustererSettings

_SIZES = (10_000, 100_000, 1_000_000)
_BASELINE_SIZES = (1_000, 2_000)  # the time grows with the square of the number: 4,000 faces would take a minute
_COMPARED = 100_000
_SEEDS = 3
_WARM_UP = 2_000
# To measure the quality of the clusters, small ones are kept.
_ALL = ReclustererSettings(min_cluster_size=2)
_PHASES = ("graph", "whispers", "refine", "medoids")


class _Run(NamedTuple):
    seconds: float
    mebibytes: float
    found: Clustering


def speed() -> Table:
    """Cluster growing numbers of faces, and compare with a plain script on networkx."""
    rows: list[Sequence[str | float]] = []
    for n in _BASELINE_SIZES:
        vectors, people = long_tail(n)
        started = time.perf_counter()
        labels = _networkx_script(vectors, _ALL)
        seconds = time.perf_counter() - started
        rows.append(("networkx", n, f"{seconds:.2f}", *[""] * 7, pairwise(labels, people).f, b_cubed(labels, people).f))
    for n in _SIZES:
        run = _apart(n, 0)
        people = long_tail(n)[1]
        phases = [f"{run.found.timings[phase]:.2f}" for phase in _PHASES]
        bound = _memory_bound(n, run.found.edges) / 2**20
        shown = (
            f"{run.seconds:.2f}",
            *phases,
            f"{run.mebibytes:,.0f}",
            f"{bound:,.0f}",
            f"{run.found.edge_recall:.4f}",
        )
        quality = (pairwise(run.found.labels, people).f, b_cubed(run.found.labels, people).f)
        rows.append(("reclusterer", n, *shown, *quality))
    return Table(
        "clustering: time",
        ("what", "faces", "seconds", *_PHASES, "peak MiB", "bound MiB", "edge recall", "pairwise F", "BCubed F"),
        rows,
        [
            "people with a long tail of photographs, distributed as those of Labeled Faces in the Wild; made before",
            "time from vectors to clusters with medoids; peak memory of the process, including the vectors",
        ],
    )


def beside_exact() -> Table:
    """Compare inverted lists, in threads and on Dask, with the exact neighbour graph."""
    rows: list[Sequence[str | float]] = []
    for seed in range(_SEEDS):
        _, people = long_tail(_COMPARED, seed)
        runs = {
            "exact graph": _apart(_COMPARED, seed, exact_limit=_COMPARED),
            "inverted lists": _apart(_COMPARED, seed),
        }
        if seed == 0:
            with _local_dask() as scheduler:
                runs["inverted lists on Dask"] = _apart(_COMPARED, seed, scheduler=scheduler)
        same = runs["inverted lists"].found.labels.tobytes()
        for what, run in runs.items():
            f = (pairwise(run.found.labels, people).f, b_cubed(run.found.labels, people).f)
            equal = "yes" if run.found.labels.tobytes() == same else "no"
            rows.append((what, seed, f"{run.seconds:.2f}", f"{run.found.edge_recall:.4f}", *f, equal))
    columns = ("what", "seed", "seconds", "edge recall", "pairwise F", "BCubed F", "same as the lists")
    return Table(
        f"clustering: {_COMPARED:,} faces beside the exact graph", columns, rows, ["on Dask: two workers, one machine"]
    )


def _networkx_script(vectors: NDArray[np.float32], settings: ReclustererSettings) -> Labels:
    """Compare every face with every other one in a loop, and run Chinese Whispers on a networkx graph."""
    n = len(vectors)
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(n))
    for a in range(n):
        for b in range(a + 1, n):
            similarity = float(np.dot(vectors[a], vectors[b]))
            if similarity > settings.edge_threshold:
                graph.add_edge(a, b, weight=similarity)
    alone = np.arange(n, dtype=np.int32)
    orders = visiting_orders(alone.astype(np.uint64), settings.iterations, settings.seed)
    return reference.whisper(graph, orders, photos=alone, first=alone)


def _memory_bound(faces: int, edges: int, *, dimensions: int = 128, cores: int = 2) -> int:
    """Return the bytes of memory that a process that clusters needs at most, including the vectors.

    350 MiB for the program and 32 MiB for each core; the vectors, and 250 bytes for each face; 13 bytes for each edge,
    of which 10 are the graph and the rest what waits to be put into it. The photographs of one person make edges: a
    face has as many as its person has other photographs, and each edge is one of two faces.
    """
    return (350 + 32 * cores) * 2**20 + faces * (4 * dimensions + 250) + 13 * edges


def _apart(n: int, seed: int, *, exact_limit: int = EXACT_LIMIT, scheduler: str | None = None) -> _Run:
    """Cluster in a new process, since the peak memory of a process never decreases."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(_timed, n, seed, exact_limit, scheduler).result()


def _timed(n: int, seed: int, exact_limit: int, scheduler: str | None) -> _Run:
    vectors, _ = long_tail(n, seed)
    alone = np.arange(n, dtype=np.int32)
    with parallel_map_on(scheduler) as parallel_map:
        for limit in (0, _WARM_UP):  # compile, and start threads or workers
            search = NeighbourSearch(limit, parallel_map)
            cluster_faces(vectors[:_WARM_UP], alone[:_WARM_UP], _ALL, search=search)
        started = time.perf_counter()
        found = cluster_faces(vectors, alone, _ALL, search=NeighbourSearch(exact_limit, parallel_map))
        seconds = time.perf_counter() - started
    return _Run(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, found)


@contextmanager
def _local_dask() -> Iterator[str]:
    distributed: Any = import_module("distributed")  # heavy to import
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        yield cluster.scheduler_address
