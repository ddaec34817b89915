"""Refit clusters that lost faces or got faces back: compute medoid and mean again from the present members.

A cluster stores two vectors: that of its medoid, and the mean of its members. No vector of an erased face may remain.
If the medoid is still present it stays, and only the mean is computed. If it was erased, the best remaining member
becomes the medoid; without members the cluster is removed. The medoid that the reclustering found is the face with
similarity 1: when it returns, it becomes the medoid again. So once all faces are back, the cluster is as it was.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from more_itertools import chunked

from shared.domain.events import Cause
from shared.domain.medoids import mean_of, medoid_of
from shared.domain.records import Cluster, FaceRecord, Generation, GenerationState, Membership
from shared.ports.repository import FaceRepository

LARGEST = 256
"""Faces of a cluster that are considered: the first ones by id. Ids are digests, so this is a random sample.

A batch of the assigner may remove a thousand photographs of as many people in five generations, and Kafka allows five
minutes for it: 5,000 clusters at about 10 ms each.
"""

_BLOCK = 1_000  # medoids looked up at once
_SAME = 1 - 5e-7  # similarities are kept with six decimals


@dataclass(frozen=True, slots=True)
class _Members:
    """The considered faces of a cluster, in ascending order of their ids, and the number of all its faces."""

    cause: Cause
    face_ids: Sequence[str]
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """The refitted cluster (None: to be removed), the members that define it, and further faces to consider."""

    cluster: Cluster | None
    members: _Members
    besides: Collection[str]


def refit_returned(repository: FaceRepository, generation: Generation, memberships: Iterable[Membership]) -> bool:
    """Refit the clusters of restored memberships, as `refit` does."""
    back: defaultdict[str, set[str]] = defaultdict(set)
    for membership in memberships:
        if membership.cluster_id is not None:
            back[membership.cluster_id].add(membership.face_id)
    return refit(repository, generation, back, back)


def refit(
    repository: FaceRepository,
    generation: Generation,
    cluster_ids: Iterable[str],
    back: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> bool:
    """Compute clusters of a generation again from their members. Return whether any medoid changed.

    Call it after memberships were written or removed; `back`: ids of the faces that returned, by cluster id. Members
    that a reclustering put into the cluster define it; those that were assigned later count only if no other is left.
    The call can be repeated, and several processes can make it at once: the one that writes last has seen the changes
    of the others. Raises `Transient`.
    """
    moved, left = False, sorted(set(cluster_ids))
    while left:
        before = {cluster.cluster_id: cluster for cluster in repository.clusters(generation.number, left)}
        fitted = {name: _fitted(repository, generation, name, before.get(name), back.get(name, ())) for name in left}
        repository.save_clusters(
            [found.cluster for name, found in fitted.items() if found.cluster and found.cluster is not before.get(name)]
        )
        repository.remove_clusters(generation.number, [name for name, found in fitted.items() if not found.cluster])
        if any(_medoid(before.get(name)) != _medoid(found.cluster) for name, found in fitted.items()):
            repository.revise(generation.number)
            moved = True
        left = [
            name for name, was in fitted.items() if _members(repository, generation, name, was.besides) != was.members
        ]
        if repository.generation(generation.number) is None:  # removed meanwhile: write nothing of it
            repository.remove_clusters(generation.number, list(fitted))
            return moved
    return moved


def refit_clusters_without_medoid(repository: FaceRepository) -> bool:
    """Refit the clusters without a medoid, in all complete generations. Return whether there were any.

    They come from earlier versions of this software, and from processes that died while erasing.
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


def _fitted(
    repository: FaceRepository, generation: Generation, name: str, before: Cluster | None, back: Collection[str] = ()
) -> _Fitted:
    besides = {*back, before.medoid_face_id} if before else set(back)
    members = _members(repository, generation, name, besides)
    named = repository.faces_named(members.face_ids)
    faces = {it: named[it] for it in members.face_ids if it in named and _is_comparable(named[it], generation)}
    if not faces:
        return _Fitted(None, members, besides)
    ids, vectors = list(faces), np.stack([face.vector for face in faces.values() if face.vector is not None])
    middle = _kept_medoid(repository, generation, ids, before, back) or ids[medoid_of(vectors)]
    cluster = Cluster(
        generation=generation.number,
        cluster_id=name,
        medoid_face_id=middle,
        medoid=vectors[ids.index(middle)],
        exemplars=mean_of(vectors)[None],
        size=members.count,
        parents=before.parents if before else repository.former_parents(generation.number, [name]).get(name, ()),
    )
    return _Fitted(before if before and _is_same(before, cluster) else cluster, members, besides)


def _kept_medoid(
    repository: FaceRepository,
    generation: Generation,
    face_ids: Sequence[str],
    before: Cluster | None,
    back: Collection[str],
) -> str | None:
    """Return the medoid that the reclustering chose, or else the present one; None if neither is a member."""
    present = before.medoid_face_id if before and before.medoid_face_id in face_ids else None
    # Equal vectors, as of copies of a photograph, all have similarity 1: then the first one counts.
    asked = [face_id for face_id in face_ids if face_id in back] if present else face_ids
    memberships = repository.memberships_of(generation.number, asked) if asked else {}
    made = [face_id for face_id in asked if (found := memberships.get(face_id)) and _is_of_medoid(found)]
    if not made:
        return present
    if present is None:
        return made[0]
    own = repository.memberships_of(generation.number, [present]).get(present)
    return min(made[0], present) if own and _is_of_medoid(own) else made[0]


def _is_of_medoid(membership: Membership) -> bool:
    return membership.cause is Cause.RECLUSTERED and (membership.similarity or 0) >= _SAME


def _members(repository: FaceRepository, generation: Generation, name: str, besides: Collection[str]) -> _Members:
    """Return the considered faces of a cluster; `besides`: further faces to consider, if they are members."""
    number = generation.number
    for cause in (Cause.RECLUSTERED, Cause.ARRIVED):
        found = repository.members(number, name, cause, LARGEST)
        if len(found) == LARGEST:
            others = repository.memberships_of(number, sorted(besides)).values()
            own = {item.face_id for item in others if (item.cluster_id, item.cause) == (name, cause)}
            return _Members(cause, sorted({*found, *own}), repository.count_members(number, name, cause))
        if found:
            break
    return _Members(cause, list(found), len(found))


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
