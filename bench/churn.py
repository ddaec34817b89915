"""How far a reclustering changes clusters and ids of faces that did not change, with the job and with a plain run.

All faces are clustered once; then faces are added or removed, all are clustered again, and the ids are compared.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bench.lfw import PHOTOS, LabelledFaces, labelled_faces
from bench.tables import Table, without_data
from services.reclusterer.clustering.arrays import UNKNOWN
from services.reclusterer.clustering.cluster_faces import cluster_faces
from services.reclusterer.generations.lease import acquire_lease
from services.reclusterer.generations.publish import Publisher
from services.reclusterer.settings import JobSettings, ReclustererSettings
from services.reclusterer.step import recluster
from shared.adapters.memory.repository import MemoryRepository
from shared.domain.events import Box, Verdict
from shared.domain.ids import cluster_id
from shared.domain.matching import AssignerSettings
from shared.domain.records import FaceRecord

_MODEL = "bench"
_TRIALS = 5  # of each change, with other faces
_ALWAYS = JobSettings(least_change_faces=0, least_change_share=0, largest_loss=1, largest_cluster=1, drain_period=0)
_SETTINGS = ReclustererSettings(min_cluster_size=5)

Members = Mapping[int, str]
"""The cluster id of each face that has one, by the number of the face."""

_Run = Callable[[LabelledFaces, Mapping[int, str], Sequence[NDArray[np.int64]]], tuple[Members, Members]]


@dataclass(frozen=True, slots=True)
class Churn:
    """The differences for the faces that are in both clusterings: counts, and shares of these faces."""

    mates: float
    ids: int
    merged_or_split: int
    kept: float
    lost: int
    moved: int


def measure() -> Table:
    """Change the faces a little, cluster them again, and compare."""
    title = "churn: changes by a reclustering of Labeled Faces in the Wild"
    faces = labelled_faces()
    if faces is None:
        return without_data(title, PHOTOS)
    known = np.flatnonzero(~faces.strangers)
    rows: list[Sequence[str | float]] = []
    for what, count in (("same faces", 0), ("+1", 1), ("+5", 5), ("-1", -1), ("+10 %", len(known) // 10)):
        for how, run in (("the job", _with_job), ("plain run", _plain)):
            found = [_trial(faces, known, count, seed, run) for seed in range(_TRIALS if count else 1)]
            rows.append((what, how, *_mean(found)))
    columns = ("change", "how", "mates changed", "ids changed", "merged or split", "ids kept", "ids lost", "moved")
    notes = [
        f"{len(known):,} photos of {len(np.unique(faces.people[known]))} people; clusters of 5 faces and more",
        f"mean of {_TRIALS} trials; each assigns the face ids at random",
        "mates changed: share of the faces that stayed whose cluster has other members among these faces than before",
        "ids changed: faces with another id, except in clusters that merged or split, which are counted apart",
        "ids kept: share of the old people; ids lost: gone and not merged; moved: the id belongs to another person",
        "plain run: no labels to start with, no lineage; a cluster id is derived from its medoid",
    ]
    return Table(title, columns, rows, notes)


def _trial(faces: LabelledFaces, known: NDArray[np.int64], count: int, seed: int, run: _Run) -> Churn:
    random = np.random.default_rng(seed)
    order = random.permutation(known)
    before = np.sort(order[: len(order) - max(count, 0)])
    after = np.sort(order[-count:]) if count < 0 else np.sort(order)
    names = {int(face): f"{number:032x}" for face, number in zip(known, random.permutation(len(known)), strict=True)}
    first, second = run(faces, names, (before, after))
    return _churn(first, second, np.intersect1d(before, after), faces.people)


def _with_job(
    faces: LabelledFaces, names: Mapping[int, str], states: Sequence[NDArray[np.int64]]
) -> tuple[Members, Members]:
    repository = MemoryRepository()
    found = []
    face_of = {name: face for face, name in names.items()}
    for state in states:
        there = {face.image_id for face in repository.faces()}
        wanted = {names[int(face)] for face in state}
        repository.remove_images(sorted(there - wanted))
        repository.save_faces([_record(names[int(face)], faces.vectors[face]) for face in state])
        with acquire_lease(repository, "bench", _ALWAYS) as lease:
            publisher = Publisher(
                repository=repository, lease=lease, writer=None, assigner=AssignerSettings(), settings=_ALWAYS
            )
            recluster(repository, publisher, _SETTINGS, _ALWAYS, phases=publisher.phases, model_id=_MODEL)
        active = repository.active_generation()
        number = active.number if active else 0
        members = repository.memberships(number)
        found.append({face_of[item.face_id]: item.cluster_id for item in members if item.cluster_id})
    return found[0], found[1]


def _plain(
    faces: LabelledFaces, names: Mapping[int, str], states: Sequence[NDArray[np.int64]]
) -> tuple[Members, Members]:
    found = []
    for state in states:
        ordered = sorted((int(face) for face in state), key=lambda face: names[face])
        photos = np.arange(len(ordered), dtype=np.int32)
        clustering = cluster_faces(faces.vectors[ordered], photos, _SETTINGS)
        ids = [cluster_id(0, names[ordered[medoid]]) for medoid in clustering.medoids]
        rows = zip(ordered, clustering.labels.tolist(), strict=True)
        found.append({face: ids[label] for face, label in rows if label != UNKNOWN})
    return found[0], found[1]


def _record(name: str, vector: NDArray[np.float32]) -> FaceRecord:
    box = Box(left=0, top=0, width=1, height=1)
    return FaceRecord(
        face_id=name,
        image_id=name,
        object_id=name,
        box=box,
        score=1.0,
        crop_key=name,
        sharpness=50.0,
        verdict=Verdict.ACCEPTED,
        vector=vector,
        model_id=_MODEL,
    )


def _churn(first: Members, second: Members, stayed: NDArray[np.int64], people: NDArray[np.int32]) -> Churn:
    faces = stayed.tolist()
    mates_before, mates_after = _mates(first, faces), _mates(second, faces)
    changed_clusters = _merged_or_split(first, second, faces)
    changed = [face for face in faces if first.get(face) != second.get(face) and first.get(face) and second.get(face)]
    # Only by the faces that stayed: new photos of one person do not make a mixed cluster another one.
    old = _person_of_id({face: first[face] for face in faces if face in first}, people)
    new = _person_of_id({face: second[face] for face in faces if face in second}, people)
    gone = old.keys() - new.keys()
    return Churn(
        mates=sum(mates_before.get(face) != mates_after.get(face) for face in faces) / len(faces),
        ids=sum(first[face] not in changed_clusters for face in changed),
        merged_or_split=len(changed_clusters),
        kept=1 - len(gone) / max(1, len(old)),
        lost=len(gone - changed_clusters - _merged(first, second, set(gone))),
        moved=sum(old[its_id] != new[its_id] for its_id in old.keys() & new.keys()),
    )


def _mates(members: Members, faces: Sequence[int]) -> dict[int, frozenset[int]]:
    together: dict[str, set[int]] = {}
    for face in faces:
        if face in members:
            together.setdefault(members[face], set()).add(face)
    groups = {its_id: frozenset(group) for its_id, group in together.items()}
    return {face: groups[members[face]] for face in faces if face in members}


def _merged_or_split(first: Members, second: Members, faces: Sequence[int]) -> set[str]:
    """Return the old ids whose faces are in two new clusters now, or with those of another old id in one.

    Only if each of the two has five or more of the faces.
    """
    shared = Counter((first[face], second[face]) for face in faces if face in first and face in second)
    large = [pair for pair, count in shared.items() if count >= _SETTINGS.min_cluster_size]
    merged_or_split: set[str] = set()
    for one, other in combinations(large, 2):
        if one[0] == other[0] or one[1] == other[1]:
            merged_or_split |= {one[0], other[0]}
    return merged_or_split


def _merged(first: Members, second: Members, gone: set[str]) -> set[str]:
    """Return those of the gone ids that merged: most of their faces have another old id now."""
    sizes = Counter(first.values())
    shared = Counter((first[face], second[face]) for face in first if face in second)
    return {old for (old, new), count in shared.items() if old in gone and new in sizes and 2 * count > sizes[old]}


def _person_of_id(members: Members, people: NDArray[np.int32]) -> dict[str, int]:
    """Return the person of each id: the one of most of its faces."""
    counts: dict[str, Counter[int]] = {}
    for face, its_id in members.items():
        counts.setdefault(its_id, Counter())[int(people[face])] += 1
    return {its_id: found.most_common(1)[0][0] for its_id, found in counts.items()}


def _mean(found: Sequence[Churn]) -> Sequence[float]:
    names = ("mates", "ids", "merged_or_split", "kept", "lost", "moved")
    return [float(np.mean([getattr(churn, name) for churn in found])) for name in names]
