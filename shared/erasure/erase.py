"""Erase photographs: faces, memberships, and everything derived from their vectors, in every generation.

Only the former memberships of an erased face are kept (derived ids and a similarity), until their generations are
removed. With them, a photograph that returns has the same people as before (`shared.erasure.former_memberships`).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from shared.domain.events import Outcome, Verdict
from shared.domain.records import FaceRecord, GenerationState, ImageRecord
from shared.erasure.refit import refit
from shared.ports.repository import FaceRepository


def erase(repository: FaceRepository, images: Sequence[ImageRecord]) -> Sequence[FaceRecord]:
    """Remove images, their faces and memberships, and refit the clusters. Return the faces, in order of face id.

    The images are marked as removed first and deleted last. If the process dies in between, the same call completes
    the work, for images that are marked and still have faces. Raises `Transient`.
    """
    ids = [image.image_id for image in images]
    of_images = repository.faces_of(ids)
    repository.save_images(
        [
            replace(image, outcome=Outcome.REMOVED, reason=None)
            for image in images
            if image.image_id in of_images and not image.is_removed
        ]
    )
    return erase_at_once(repository, ids)


def erase_at_once(repository: FaceRepository, image_ids: Sequence[str]) -> Sequence[FaceRecord]:
    """Erase as `erase` does, within a transaction of the caller."""
    of_images = repository.faces_of(image_ids)
    faces = [face.face_id for found in of_images.values() for face in found if face.verdict is Verdict.ACCEPTED]
    _leave_clusters(repository, faces)
    return repository.remove_images(image_ids)


def _leave_clusters(repository: FaceRepository, face_ids: Sequence[str]) -> None:
    """Remove faces from all generations."""
    if not face_ids:
        return
    left: defaultdict[int, set[str | None]] = defaultdict(set)
    # Left by an attempt whose process died before it refitted the clusters.
    for memberships in repository.former_memberships(face_ids).values():
        for membership in memberships:
            left[membership.generation].add(membership.cluster_id)
    for generation in repository.generations():
        number = generation.number
        left[number] |= {item.cluster_id for item in repository.memberships_of(number, face_ids).values()}
        repository.remove_memberships(number, face_ids)
        _refit(repository, number, [name for name in left[number] if name is not None])


def _refit(repository: FaceRepository, number: int, cluster_ids: Sequence[str]) -> None:
    """Refit clusters of a generation, if it is complete.

    A generation that is being written has clusters before it has all their members, which would be missed. The
    reclusterer itself refits clusters that lost faces after it has written them. So the state is read after the
    memberships were removed: while it is `building`, the reclusterer will still see the removal.
    """
    generation = repository.generation(number) if cluster_ids else None
    if generation and generation.state is not GenerationState.BUILDING:
        refit(repository, generation, cluster_ids)
