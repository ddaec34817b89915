"""Catching up: every face that is there gets its place in a generation, and those that are gone lose it.

While a generation is made, the assigner goes on in the one before. Faces that came meanwhile, and all that came since
an old generation to which somebody goes back, are given to the people of the generation as the assigner would have.
Faces that were erased after the snapshot must not come back.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from more_itertools import chunked

from services.reclusterer.generations.existence import present_ids, present_of
from shared.domain.events import Cause
from shared.domain.matching import AssignerSettings, Match, matches, matches_beside
from shared.domain.person_index import People
from shared.domain.records import FaceRecord, Generation, Membership
from shared.erasure.former_memberships import restored_memberships
from shared.erasure.refit import refit, refit_returned
from shared.ports.repository import FaceRepository

_BLOCK = 500  # photographs looked at together


def catch_up(repository: FaceRepository, generation: Generation, settings: AssignerSettings) -> int:
    """Make the memberships of a generation those of the faces that are there; return how many were added.

    `settings` are the assigner's. Can be repeated. To be called when no assigner works in the generation before.
    """
    late = forget_gone(repository, generation)
    people = People(repository.clusters(generation.number), settings.rule)
    added = 0
    for image_ids in chunked(sorted(late), _BLOCK):
        back = _give_back(repository, generation, people, image_ids)
        if refit_returned(repository, generation, back):
            people = People(repository.clusters(generation.number), settings.rule)
        added += len(back) + _place(repository, generation, people, image_ids, settings)
    return added


def forget_gone(repository: FaceRepository, generation: Generation) -> set[str]:
    """Remove the memberships of faces that are not there, and refit the clusters that have lost any.

    Also those that lost faces while the generation was written: nobody else refits them. Returns the ids of the images
    that have faces without a membership. Can be repeated.
    """
    late: set[str] = set()
    gone: list[str] = []
    members = (membership.face_id for membership in repository.memberships(generation.number))
    for face_id, image_id in _differences(present_ids(repository), members):
        if image_id is None:
            gone.append(face_id)
        else:
            late.add(image_id)
    left = repository.memberships_of(generation.number, gone) if gone else {}
    repository.remove_memberships(generation.number, gone)
    lost = repository.former_clusters(generation.number)
    refit(repository, generation, _clusters_of(left.values()) | lost)
    return late


def _clusters_of(memberships: Iterable[Membership]) -> set[str]:
    return {membership.cluster_id for membership in memberships if membership.cluster_id is not None}


def _differences(there: Iterator[tuple[str, str]], members: Iterator[str]) -> Iterator[tuple[str, str | None]]:
    """Yield faces that are there and no members, with their images, and members that are not there, with None.

    Both in ascending order of face id.
    """
    face, member = next(there, None), next(members, None)
    while face is not None or member is not None:
        if member is None or (face is not None and face[0] < member):
            assert face is not None  # noqa: S101  what the loop's condition says, for the reader of types
            yield face
            face = next(there, None)
        elif face is None or member < face[0]:
            yield member, None
            member = next(members, None)
        else:
            face, member = next(there, None), next(members, None)


def _give_back(
    repository: FaceRepository, generation: Generation, people: People, image_ids: Sequence[str]
) -> Sequence[Membership]:
    """Give late faces the memberships that they had before their photograph went; nobody is on a photograph twice."""
    faces_of, placed = _late(repository, generation, image_ids)
    missing = [face.face_id for of_image in faces_of.values() for face in of_image if face.face_id not in placed]
    had = restored_memberships(repository, generation.number, missing, people)
    back: list[Membership] = []
    for of_image in faces_of.values():
        taken = {placed[face.face_id].cluster_id for face in of_image if face.face_id in placed} - {None}
        for face in of_image:
            membership = had.get(face.face_id)
            if membership and membership.cluster_id not in taken:
                back.append(membership)
                taken |= {membership.cluster_id} - {None}
    _write(repository, generation, image_ids, back)
    return back


def _place(
    repository: FaceRepository,
    generation: Generation,
    people: People,
    image_ids: Sequence[str],
    settings: AssignerSettings,
) -> int:
    faces_of, placed = _late(repository, generation, image_ids)
    late = {
        image_id: [face for face in of_image if face.face_id not in placed] for image_id, of_image in faces_of.items()
    }
    taken = {
        image_id: {placed[face.face_id].cluster_id for face in of_image if face.face_id in placed}
        for image_id, of_image in faces_of.items()
    }
    added = list(_memberships(generation, people, late, taken, settings))
    _write(repository, generation, image_ids, added)
    return len(added)


def _late(
    repository: FaceRepository, generation: Generation, image_ids: Sequence[str]
) -> tuple[Mapping[str, Sequence[FaceRecord]], Mapping[str, Membership]]:
    """Return the accepted faces of images by image id, and those memberships that they have."""
    faces_of = present_of(repository, image_ids)
    faces = [face.face_id for of_image in faces_of.values() for face in of_image]
    return faces_of, repository.memberships_of(generation.number, faces)


def _write(
    repository: FaceRepository, generation: Generation, image_ids: Sequence[str], added: Sequence[Membership]
) -> None:
    repository.save_memberships(added)
    # A face that was erased between the look and the write has just come back.
    there = present_of(repository, image_ids)
    still = {face.face_id for of_image in there.values() for face in of_image}
    again = [item for item in added if item.face_id not in still]
    repository.remove_memberships(generation.number, [item.face_id for item in again])
    refit(repository, generation, _clusters_of(again))


def _memberships(
    generation: Generation,
    people: People,
    late: Mapping[str, Sequence[FaceRecord]],
    taken: Mapping[str, set[str | None]],
    settings: AssignerSettings,
) -> Iterator[Membership]:
    """Yield the memberships of late faces; whom another face of the photograph is already, no further one becomes."""
    comparable = {
        image_id: [face for face in faces if face.model_id == generation.model_id and face.vector is not None]
        for image_id, faces in late.items()
    }
    free = {image_id: faces for image_id, faces in comparable.items() if not taken[image_id] - {None}}
    vectors = [[face.vector for face in faces if face.vector is not None] for faces in free.values()]
    for faces, found in zip(free.values(), matches(vectors, people, settings), strict=True):
        yield from _named(generation, people, faces, found)
    for image_id, faces in comparable.items():
        if image_id not in free and faces:
            own = [face.vector for face in faces if face.vector is not None]
            yield from _named(generation, people, faces, matches_beside(own, people, taken[image_id], settings))
    others = [face for image_id, of_image in late.items() for face in of_image if face not in comparable[image_id]]
    yield from _named(generation, people, others, [Match(None, None)] * len(others))


def _named(
    generation: Generation, people: People, faces: Iterable[FaceRecord], found: Iterable[Match]
) -> Iterator[Membership]:
    for face, match in zip(faces, found, strict=True):
        cluster_id = None if match.person is None else people.cluster_ids[match.person]
        yield Membership(generation.number, face.face_id, cluster_id, match.similarity, Cause.ARRIVED)
