"""Erasing photographs: faces, memberships, and what was derived from their vectors, in every generation.

What is kept of an erased face are its former memberships: derived ids and a similarity, until their generations go.
By them a photograph that comes back gets back the people that it had (`shared.erasure.former_memberships`).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from shared.domain.events import Outcome, Verdict
from shared.domain.records import FaceRecord, GenerationState, ImageRecord
from shared.erasure.refit import refit
from shared.ports.repository import FaceRepository


def erase(repository: FaceRepository, images: Sequence[ImageRecord]) -> Sequence[FaceRecord]:
    """Remove images, their faces and memberships, and refit the clusters; return the faces, in order of face id.

    The images are marked as removed first and go last: where a process dies in between, the same call does the rest,
    for the images that are marked and have faces. Raises `Transient`.
    """
    ids = [image.image_id for image in images]
    of_images = repository.faces_of(ids)
    repository.save_images(
        [
            replace(image, outcome=Outcome.REMOVED, reason=None)
            for image in images
            if image.image_id in of_images and image.outcome is not Outcome.REMOVED
        ]
    )
    return erase_at_once(repository, ids)


def erase_at_once(repository: FaceRepository, image_ids: Sequence[str]) -> Sequence[FaceRecord]:
    """Do as `erase`, for a caller whose transaction makes sure that all of it happens or nothing."""
    of_images = repository.faces_of(image_ids)
    faces = [face.face_id for found in of_images.values() for face in found if face.verdict is Verdict.ACCEPTED]
    _leave_clusters(repository, faces)
    return repository.remove_images(image_ids)


def _leave_clusters(repository: FaceRepository, face_ids: Sequence[str]) -> None:
    """Take faces out of all generations."""
    if not face_ids:
        return
    left: defaultdict[int, set[str | None]] = defaultdict(set)
    # Those of an attempt whose process died before it had refitted.
    for memberships in repository.former_memberships(face_ids).values():
        for membership in memberships:
            left[membership.generation].add(membership.cluster_id)
    for generation in repository.generations():
        number = generation.number
        left[number] |= {item.cluster_id for item in repository.memberships_of(number, face_ids).values()}
        repository.remove_memberships(number, face_ids)
        _refit(repository, number, [name for name in left[number] if name is not None])


def _refit(repository: FaceRepository, number: int, cluster_ids: Sequence[str]) -> None:
    """Refit clusters of a generation, if it is whole.

    One that is being written has clusters before it has all their members, who would be counted out. The reclusterer
    refits what has lost faces once it is written. So its state is looked at after the memberships were removed: while
    it is `building`, that is still to come, and finds them.
    """
    generation = repository.generation(number) if cluster_ids else None
    if generation and generation.state is not GenerationState.BUILDING:
        refit(repository, generation, cluster_ids)
