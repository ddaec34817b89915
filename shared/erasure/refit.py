"""Clusters that have lost faces, or got them back: what stands for them is computed anew from those that are there.

A cluster keeps vectors of its own: that of its medoid, and the mean of its members. No vector stays whose face is
gone. A medoid that is there stays, and only the mean is computed. Where it was erased, the next best member takes its
place; where nobody is left, the cluster goes. The medoid that the regrouping has found is the face whose similarity to
it is 1: when it comes back, it takes its place again. So what stood there before stands there once all faces are back.
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
"""Faces of a cluster that are looked at: the first ones by their ids, which are digests, so a random sample.

A batch of the assigner may remove a thousand photographs of as many people, who are in five generations, and Kafka
waits for it for five minutes: 5,000 clusters at some 10 ms.
"""

_BLOCK = 1_000  # medoids looked up at once
_SAME = 1 - 5e-7  # similarities are kept with six decimals


@dataclass(frozen=True, slots=True)
class _Members:
    """Faces of a cluster that are looked at, in ascending order of their ids, and how many there are in all."""

    cause: Cause
    face_ids: Sequence[str]
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """A cluster as it is to be, None where it is to go, and what says so: its faces, and those looked for besides."""

    cluster: Cluster | None
    members: _Members
    besides: Collection[str]


def refit_returned(repository: FaceRepository, generation: Generation, memberships: Iterable[Membership]) -> bool:
    """Do as `refit`, after faces got back these memberships."""
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
    """Make clusters of a generation those of their members; say whether any medoid is another one than before.

    To be called after memberships were written or removed; `back`: the ids of the faces
    that came back, by cluster id. The faces that
    a regrouping has put into a cluster say what it is; those that were assigned later do where no other is left. Can
    be repeated, and by several processes at once: whoever writes last has seen what the others have changed before.
    Raises `Transient`.
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
    middle = _standing(repository, generation, ids, before, back) or ids[medoid_of(vectors)]
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


def _standing(
    repository: FaceRepository,
    generation: Generation,
    face_ids: Sequence[str],
    before: Cluster | None,
    back: Collection[str],
) -> str | None:
    """Return which of a cluster's faces is its medoid without a search: the one that was made so, or that still is."""
    present = before.medoid_face_id if before and before.medoid_face_id in face_ids else None
    # Of equal vectors, as copies of a photograph have, all have similarity 1: then the first is the one.
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
    """Return the faces of a cluster that are looked at; `besides`: also these, where they are of it."""
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
