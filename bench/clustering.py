"""Time and quality of clustering, beside the plain networkx script that everybody begins with."""

import multiprocessing
import resource
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from bench.cluster_quality import Labels, b_cubed, pairwise
from bench.lfw import PHOTOS, LabelledFaces, labelled_faces
from bench.synthetic import long_tail
from bench.tables import Table, without_data
from services.reclusterer import reference
from services.reclusterer.clustering import cluster_faces
from services.reclusterer.settings import ReclustererSettings

_SIZES = (1_000, 4_000, 10_000, 100_000)
_BASELINE_SIZES = (1_000, 2_000)  # it takes the square of the number: 4,000 faces would be a minute
_SPLITS = 5
# For the quality of the clusters themselves, none is dropped for being small.
_ALL = ReclustererSettings(min_cluster_size=2)
_PLAIN = _ALL.model_copy(update={"stay_threshold": -1.0, "join_threshold": 1.0})
_GRID = [
    _ALL.model_copy(update={"edge_threshold": edge, "stay_threshold": stay, "join_threshold": join})
    for edge, stay, join in product((0.66, 0.68, 0.70), (-1.0, 0.5), (0.6, 1.0))
]


def measure() -> list[Table]:
    """Cluster synthetic faces of growing number, and those of LFW."""
    return [_speed(), _quality()]


def _speed() -> Table:
    rows: list[Sequence[str | float]] = []
    for n in _BASELINE_SIZES:
        vectors, people = long_tail(n)
        started = time.perf_counter()
        labels = _networkx_script(vectors, _PLAIN)
        seconds = time.perf_counter() - started
        rows.append(("networkx script", n, seconds, "", "", pairwise(labels, people).f, b_cubed(labels, people).f))
    for n in _SIZES:
        # A process of its own for each, since the peak of a process never goes down.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            seconds, mebibytes, recall, labels = process.submit(_timed, n).result()
        people = long_tail(n)[1]
        row = (f"{seconds:.2f}", f"{mebibytes:,.0f}", f"{recall:.4f}")
        rows.append(("reclusterer", n, *row, pairwise(labels, people).f, b_cubed(labels, people).f))
    return Table(
        "clustering: time",
        ("what", "faces", "seconds", "peak MiB", "edge recall", "pairwise F", "BCubed F"),
        rows,
        ["synthetic people with a long tail; from vectors to people with medoids, code compiled before, pairs count"],
    )


def _networkx_script(vectors: NDArray[np.float32], settings: ReclustererSettings) -> Labels:
    """Compare every face with every other in a loop, and whisper over a networkx graph."""
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(len(vectors)))
    for a in range(len(vectors)):
        for b in range(a + 1, len(vectors)):
            similarity = float(np.dot(vectors[a], vectors[b]))
            if similarity > settings.edge_threshold:
                graph.add_edge(a, b, weight=similarity)
    return reference.chinese_whispers(csr_array(nx.to_scipy_sparse_array(graph)), settings.iterations, settings.seed)


def _timed(n: int) -> tuple[float, float, float, Labels]:
    vectors, _ = long_tail(n)
    alone = np.arange(n, dtype=np.int32)
    cluster_faces(vectors[:500], alone[:500], _ALL)
    started = time.perf_counter()
    found = cluster_faces(vectors, alone, _ALL)
    seconds = time.perf_counter() - started
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, found.edge_recall, found.labels


def _quality() -> Table:
    title = "clustering: quality on Labeled Faces in the Wild"
    faces = labelled_faces()
    if faces is None:
        return without_data(title, PHOTOS)
    photos_of = np.bincount(faces.people)[faces.people]
    rows = [
        _judged("plain Chinese Whispers at 0.70", faces, _PLAIN),
        _judged("with refinement (the defaults)", faces, _ALL),
        _judged("with refinement, edges above 0.68", faces, _ALL.model_copy(update={"edge_threshold": 0.68})),
        _judged("plain, people with 20 photos or more", faces.of(photos_of >= 20), _PLAIN),  # noqa: PLR2004
        _judged("refined, people with 20 photos or more", faces.of(photos_of >= 20), _ALL),  # noqa: PLR2004
        *_halves(faces),
    ]
    columns = ("procedure", "faces", "precision", "recall", "pairwise F", "BCubed precision", "recall ", "BCubed F")
    people, strangers = len(np.unique(faces.people)), int(faces.strangers.sum())
    halves = f"halves: {_SPLITS} splits of the people, each half with the best of {len(_GRID)} settings for the other"
    notes = [
        f"{len(faces.people):,} photos of {people:,} people, {strangers:,} of them with one photo",
        f"on {faces.missed} photos no face was found, and the centre was taken",
        "clusters of two faces and more; a face in none is a cluster of its own",
        halves,
    ]
    return Table(title, columns, rows, notes)


def _clustered(faces: LabelledFaces, settings: ReclustererSettings) -> Labels:
    return cluster_faces(faces.vectors, np.arange(len(faces.people), dtype=np.int32), settings).labels


def _judged(what: str, faces: LabelledFaces, settings: ReclustererSettings) -> Sequence[str | float]:
    labels = _clustered(faces, settings)
    return (what, len(labels), *pairwise(labels, faces.people), *b_cubed(labels, faces.people))


def _halves(faces: LabelledFaces) -> list[Sequence[str | float]]:
    """Judge settings on people that had no part in choosing them."""
    settings = [_PLAIN, *_GRID]
    judged: dict[str, list[tuple[float, ...]]] = {"halves, plain at 0.70": [], "halves, settings of the other half": []}
    names = list(judged)
    count = len(np.unique(faces.people))
    for split in range(_SPLITS):
        first = np.isin(faces.people, np.random.default_rng(split).permutation(count)[: count // 2])
        scores = []
        for half in (faces.of(first), faces.of(~first)):
            found = [_clustered(half, one) for one in settings]
            scores.append([(*pairwise(labels, half.people), *b_cubed(labels, half.people)) for labels in found])
        for own, other in (scores, scores[::-1]):
            judged[names[0]].append(own[0])
            best = max(range(1, len(settings)), key=lambda place: other[place][2] + other[place][5])
            judged[names[1]].append(own[best])
    return [(name, len(faces.people) // 2, *np.mean(values, axis=0).tolist()) for name, values in judged.items()]
