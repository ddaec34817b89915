"""Backfill: every face that exists gets its membership in a generation, and every other face loses it.

While a generation is made, the assigner works in the active one. Faces that arrive in the meantime, or after an old
generation to which an operator returns, get the clusters of the generation that the assigner would have given them.
Faces that were erased after the snapshot must not return.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter

from more_itertools import chunked

from services.reclusterer.generations.existence import existing_face_ids, existing_faces_of
from shared.domain.events import Cause
from shared.domain.matching import AssignerSettings, Match, matches, matches_beside
from shared.domain.person_index import People
from shared.domain.records import FaceRecord, Generation, Membership
from shared.erasure.former_memberships import restored_memberships
from shared.erasure.refit import refit, refit_returned
from shared.ordered import outer_join
from shared.ports.repository import FaceRepository

_BLOCK = 500  # images that are processed together


def backfill(repository: FaceRepository, generation: Generation, settings: AssignerSettings) -> int:
    """Make the memberships of a generation those of the faces that exist; return the number of added memberships.

    `settings`: those of the assigner. Can be repeated. Call it when no assigner works in the generation before any
    more. Raises `Transient`.
    """
    missing = remove_orphaned_memberships(repository, generation)
    clusters = People(repository.clusters(generation.number), settings.rule)
    added = 0
    for image_ids in chunked(sorted(missing), _BLOCK):
        restored = _restore(repository, generation, clusters, image_ids)
        if refit_returned(repository, generation, restored):
            clusters = People(repository.clusters(generation.number), settings.rule)
        added += len(restored) + _assign(repository, generation, clusters, image_ids, settings)
    return added


def remove_orphaned_memberships(repository: FaceRepository, generation: Generation) -> set[str]:
    """Remove the memberships of faces that do not exist; return the ids of images that have faces without one.

    Refits the clusters that have lost faces, also those that lost them while the generation was written: no other
    process refits those. Can be repeated. Raises `Transient`.
    """
    missing: set[str] = set()
    orphaned: list[str] = []
    members = (membership.face_id for membership in repository.memberships(generation.number))
    for face, member in outer_join(existing_face_ids(repository), members, itemgetter(0), str):
        if member and not face:
            orphaned.append(member)
        elif face and not member:
            _, image_id = face
            missing.add(image_id)
    removed = repository.memberships_of(generation.number, orphaned) if orphaned else {}
    repository.remove_memberships(generation.number, orphaned)
    refit(repository, generation, _clusters_of(removed.values()) | repository.former_clusters(generation.number))
    return missing


def _clusters_of(memberships: Iterable[Membership]) -> set[str]:
    return {membership.cluster_id for membership in memberships if membership.cluster_id is not None}


def _restore(
    repository: FaceRepository, generation: Generation, clusters: People, image_ids: Sequence[str]
) -> Sequence[Membership]:
    """Restore the memberships that faces had before their photograph was removed; no cluster twice on a photograph."""
    faces_of, members = _faces_and_members(repository, generation, image_ids)
    missing = [face.face_id for of_image in faces_of.values() for face in of_image if face.face_id not in members]
    former = restored_memberships(repository, generation.number, missing, clusters)
    restored: list[Membership] = []
    for of_image in faces_of.values():
        used = {members[face.face_id].cluster_id for face in of_image if face.face_id in members} - {None}
        for face in of_image:
            membership = former.get(face.face_id)
            if membership and membership.cluster_id not in used:
                restored.append(membership)
                used |= {membership.cluster_id} - {None}
    _save(repository, generation, image_ids, restored)
    return restored


def _assign(
    repository: FaceRepository,
    generation: Generation,
    clusters: People,
    image_ids: Sequence[str],
    settings: AssignerSettings,
) -> int:
    """Assign the faces without a membership as the assigner does; return their number."""
    faces_of, members = _faces_and_members(repository, generation, image_ids)
    missing = {
        image_id: [face for face in of_image if face.face_id not in members] for image_id, of_image in faces_of.items()
    }
    used = {
        image_id: {members[face.face_id].cluster_id for face in of_image if face.face_id in members}
        for image_id, of_image in faces_of.items()
    }
    added = list(_new_memberships(generation, clusters, missing, used, settings))
    _save(repository, generation, image_ids, added)
    return len(added)


def _faces_and_members(
    repository: FaceRepository, generation: Generation, image_ids: Sequence[str]
) -> tuple[Mapping[str, Sequence[FaceRecord]], Mapping[str, Membership]]:
    """Return the accepted faces of images by image id, and the memberships that they have, by face id."""
    faces_of = existing_faces_of(repository, image_ids)
    face_ids = [face.face_id for of_image in faces_of.values() for face in of_image]
    return faces_of, repository.memberships_of(generation.number, face_ids)


def _save(
    repository: FaceRepository, generation: Generation, image_ids: Sequence[str], added: Sequence[Membership]
) -> None:
    repository.save_memberships(added)
    # If a face was erased between the read and this write, its membership has just returned: remove it again.
    faces_of = existing_faces_of(repository, image_ids)
    existing = {face.face_id for of_image in faces_of.values() for face in of_image}
    erased = [membership for membership in added if membership.face_id not in existing]
    repository.remove_memberships(generation.number, [membership.face_id for membership in erased])
    refit(repository, generation, _clusters_of(erased))


def _new_memberships(
    generation: Generation,
    clusters: People,
    missing: Mapping[str, Sequence[FaceRecord]],
    used: Mapping[str, set[str | None]],
    settings: AssignerSettings,
) -> Iterator[Membership]:
    """Yield the memberships of the missing faces; none gets a cluster that another face of its photograph has.

    `missing` and `used`: the faces without a membership, and the clusters of the other faces, by image id.
    """
    comparable = {
        image_id: [face for face in faces if face.model_id == generation.model_id and face.vector is not None]
        for image_id, faces in missing.items()
    }
    free = {image_id: faces for image_id, faces in comparable.items() if not used[image_id] - {None}}
    vectors = [[face.vector for face in faces if face.vector is not None] for faces in free.values()]
    for faces, found in zip(free.values(), matches(vectors, clusters, settings), strict=True):
        yield from _as_memberships(generation, clusters, faces, found)
    for image_id, faces in comparable.items():
        if image_id not in free and faces:
            own = [face.vector for face in faces if face.vector is not None]
            found = matches_beside(own, clusters, used[image_id], settings)
            yield from _as_memberships(generation, clusters, faces, found)
    others = [face for image_id, of_image in missing.items() for face in of_image if face not in comparable[image_id]]
    yield from _as_memberships(generation, clusters, others, [Match(None, None)] * len(others))


def _as_memberships(
    generation: Generation, clusters: People, faces: Iterable[FaceRecord], found: Iterable[Match]
) -> Iterator[Membership]:
    for face, match in zip(faces, found, strict=True):
        cluster_id = None if match.person is None else clusters.cluster_ids[match.person]
        yield Membership(generation.number, face.face_id, cluster_id, match.similarity, Cause.ARRIVED)
