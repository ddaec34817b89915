"""Time and quality of clustering, and how many faces move to another cluster from generation to generation."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from bench.cluster_quality import Labels, b_cubed, pairwise
from bench.cluster_speed import beside_exact, speed
from bench.lfw import PHOTOS, LabelledFaces, labelled_faces
from bench.tables import Table, without_data
from services.reclusterer.clustering.arrays import UNKNOWN
from services.reclusterer.clustering.cluster_faces import cluster_faces
from services.reclusterer.generations.lineage import trace_lineage
from services.reclusterer.settings import ReclustererSettings

_GENERATIONS = 20
_SPLITS = 5
# To measure the quality of the clusters, small ones are kept.
_ALL = ReclustererSettings(min_cluster_size=2)
_PLAIN = _ALL.model_copy(update={"stay_threshold": -1.0, "join_threshold": 1.0})
_GRID = [
    _ALL.model_copy(update={"edge_threshold": edge, "stay_threshold": stay, "join_threshold": join})
    for edge, stay, join in product((0.66, 0.68, 0.70), (-1.0, 0.5), (0.6, 1.0))
]


def measure() -> list[Table]:
    """Cluster synthetic faces, up to a million, and those of Labeled Faces in the Wild."""
    return [speed(), beside_exact(), _quality(), _churn()]


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
        f"on {faces.missed} photos no face was found, and the centre was cropped",
        "clusters of two faces and more; a face without a cluster counts as a cluster of its own",
        halves,
    ]
    return Table(title, columns, rows, notes)


def _clustered(faces: LabelledFaces, settings: ReclustererSettings) -> Labels:
    return cluster_faces(faces.vectors, np.arange(len(faces.people), dtype=np.int32), settings).labels


def _judged(what: str, faces: LabelledFaces, settings: ReclustererSettings) -> Sequence[str | float]:
    labels = _clustered(faces, settings)
    return (what, len(labels), *pairwise(labels, faces.people), *b_cubed(labels, faces.people))


def _halves(faces: LabelledFaces) -> list[Sequence[str | float]]:
    """Judge settings by people that were not used to choose them."""
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
            best = max(range(1, len(settings)), key=lambda index: other[index][2] + other[index][5])
            judged[names[1]].append(own[best])
    return [(name, len(faces.people) // 2, *np.mean(values, axis=0).tolist()) for name, values in judged.items()]


def _churn() -> Table:
    title = f"clustering: {_GENERATIONS} generations of Labeled Faces in the Wild, 1 % new faces in each"
    faces = labelled_faces()
    if faces is None:
        return without_data(title, PHOTOS)
    rows = [
        ("orders by position, fresh labels", *_grown(faces, by_key=False, warm=False)),
        ("orders by face id, fresh labels", *_grown(faces, by_key=True, warm=False)),
        ("orders by face id, labels of the last generation", *_grown(faces, by_key=True, warm=True)),
    ]
    notes = ["moved: share of the old faces whose cluster has another id in the next generation"]
    return Table(title, ("procedure", "moved", "pairwise F at the end", "BCubed F at the end"), rows, notes)


def _grown(faces: LabelledFaces, *, by_key: bool, warm: bool) -> tuple[str, float, float]:
    """Return the share of old faces that moved to another cluster, and pairwise F and BCubed F of the last generation.

    `by_key`: random orders depend on keys of the faces, else on their positions. `warm`: each generation starts with
    the labels of the one before.
    """
    n = len(faces.people)
    random = np.random.default_rng(0)
    keys = random.integers(0, 2**63, n).astype(np.uint64)
    arrival = random.permutation(n)
    labels = np.full(n, UNKNOWN, np.int32)
    before = arrival[:0]
    moved = []
    for generation in range(_GENERATIONS + 1):
        present = arrival[: n - (_GENERATIONS - generation) * n // 100]
        present = present[np.argsort(keys[present])]
        found = cluster_faces(
            faces.vectors[present],
            np.arange(len(present), dtype=np.int32),
            _ALL,
            keys=keys[present] if by_key else None,
            previous=labels[present] if warm else None,
        )
        new = np.full(n, UNKNOWN, np.int32)
        new[present] = found.labels
        if len(before):
            lineages = trace_lineage(labels[before], new[before], len(found.medoids))
            origin = np.array([-2 if it.continues is None else it.continues for it in lineages] + [UNKNOWN])
            moved.append(float((origin[new[before]] != labels[before]).mean()))
        labels, before = new, present
    quality = (pairwise(labels, faces.people).f, b_cubed(labels, faces.people).f)
    return (f"{np.mean(moved):.5f}", *quality)
