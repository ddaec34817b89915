"""Clusters that have lost faces, or got them back: what stands for them is computed anew from those that are there.

A cluster keeps vectors of its own: that of its medoid, and the mean of its members. No vector stays whose face is
gone. Where the medoid was erased, the next best member takes its place; where nobody is left, the cluster goes. When
the faces come back, with the memberships that they had, the same computation gives what stood there before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from more_itertools import chunked

from shared.events import Cause
from shared.medoids import mean_of, medoid_of
from shared.ports import FaceRepository
from shared.records import Cluster, FaceRecord, Generation, GenerationState

LARGEST = 5_000
"""Faces of a cluster that are looked at: the first ones by their ids, which are digests, so a random sample."""

_BLOCK = 1_000  # medoids looked up at once


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """A cluster as it is to be, None where it is to go, and the ids of the faces that say so."""

    cluster: Cluster | None
    members: Sequence[str]


def refit(repository: FaceRepository, generation: Generation, cluster_ids: Iterable[str]) -> bool:
    """Make clusters of a generation those of their members; say whether any medoid is another one than before.

    To be called after memberships were written or removed. The faces that a regrouping has put into a cluster say
    what it is; those that were assigned later do where no other is left. Can be repeated, and by several processes at
    once: whoever writes last has seen what the others have changed before. Raises `Transient`.
    """
    moved, left = False, sorted(set(cluster_ids))
    while left:
        before = {cluster.cluster_id: cluster for cluster in repository.clusters(generation.number, left)}
        fitted = {name: _fitted(repository, generation, name, before.get(name)) for name in left}
        repository.save_clusters(
            [found.cluster for name, found in fitted.items() if found.cluster and found.cluster is not before.get(name)]
        )
        repository.remove_clusters(generation.number, [name for name, found in fitted.items() if not found.cluster])
        if any(_medoid(before.get(name)) != _medoid(found.cluster) for name, found in fitted.items()):
            repository.revise(generation.number)
            moved = True
        left = [name for name in left if _members(repository, generation.number, name) != fitted[name].members]
        if repository.generation(generation.number) is None:  # removed meanwhile: nothing of it comes back
            repository.remove_clusters(generation.number, list(fitted))
            return moved
    return moved


def refit_bereft(repository: FaceRepository) -> bool:
    """Refit the clusters of all whole generations whose medoids are not there; say whether there were any.

    For what earlier versions of this software left, and what a process left that died while it erased.
    """
    moved = False
    for generation in repository.generations():
        if generation.state is GenerationState.BUILDING:
            continue
        for clusters in chunked(repository.clusters(generation.number), _BLOCK):
            there = repository.faces_named([cluster.medoid_face_id for cluster in clusters])
            bereft = [cluster.cluster_id for cluster in clusters if cluster.medoid_face_id not in there]
            moved |= bool(bereft) and refit(repository, generation, bereft)
    return moved


def _fitted(repository: FaceRepository, generation: Generation, name: str, before: Cluster | None) -> _Fitted:
    members = _members(repository, generation.number, name)
    named = repository.faces_named(members)
    faces = [named[face_id] for face_id in members if face_id in named and _is_comparable(named[face_id], generation)]
    if not faces:
        return _Fitted(None, members)
    vectors = np.stack([face.vector for face in faces if face.vector is not None])
    middle, mean = medoid_of(vectors), mean_of(vectors)
    cluster = Cluster(
        generation=generation.number,
        cluster_id=name,
        medoid_face_id=faces[middle].face_id,
        medoid=vectors[middle],
        exemplars=mean[None],
        size=len(members) if len(members) < LARGEST or before is None else before.size,
        parents=before.parents if before else (),
    )
    return _Fitted(before if before and _is_same(before, cluster) else cluster, members)


def _members(repository: FaceRepository, generation: int, name: str) -> Sequence[str]:
    clustered = repository.members(generation, name, Cause.RECLUSTERED, LARGEST)
    return clustered or repository.members(generation, name, Cause.ARRIVED, LARGEST)


def _is_comparable(face: FaceRecord, generation: Generation) -> bool:
    return face.vector is not None and face.model_id == generation.model_id


def _is_same(one: Cluster, other: Cluster) -> bool:
    return (
        _medoid(one) == _medoid(other)
        and one.size == other.size
        and np.array_equal(one.medoid, other.medoid)
        and np.array_equal(one.exemplars, other.exemplars)
    )


def _medoid(cluster: Cluster | None) -> str | None:
    return cluster.medoid_face_id if cluster else None
