"""Which faces are still there.

A removed photograph goes in this order: its image is marked as removed, tombstones of its faces are committed, then
memberships, faces and image are erased. So a face counts as there while its image is recorded and not so marked, and
whoever finds it there after a write knows that its tombstone, if ever one comes, comes after that write.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from shared.domain.events import Outcome, Verdict
from shared.domain.records import FaceRecord, ImageRecord
from shared.ports.repository import FaceRepository


def present(repository: FaceRepository, face_ids: Sequence[str]) -> Mapping[str, tuple[FaceRecord, ImageRecord]]:
    """Return those of the faces that are there, with their images, by face id."""
    return _with_images(repository, repository.faces_named(face_ids).values())


def present_of(repository: FaceRepository, image_ids: Sequence[str]) -> Mapping[str, Sequence[FaceRecord]]:
    """Return the accepted faces of these images that are there, by image id, in ascending order of face id."""
    of_images = repository.faces_of(image_ids)
    faces = [face for of_image in of_images.values() for face in of_image if face.verdict is Verdict.ACCEPTED]
    there = _with_images(repository, faces)
    found: dict[str, list[FaceRecord]] = {}
    for face in faces:
        if face.face_id in there:
            found.setdefault(face.image_id, []).append(face)
    return found


def present_ids(repository: FaceRepository) -> Iterator[tuple[str, str]]:
    """Yield face id and image id of every accepted face that is there, in ascending order of face id."""
    # The marks first: what is erased between the two reads is missed by both, and not taken for there.
    removed = {image.image_id for image in repository.images(Outcome.REMOVED)}
    return ((face_id, image_id) for face_id, image_id in repository.accepted_ids() if image_id not in removed)


def _with_images(
    repository: FaceRepository, faces: Collection[FaceRecord]
) -> Mapping[str, tuple[FaceRecord, ImageRecord]]:
    found = repository.images_of(sorted({face.object_id for face in faces}))
    images = {image.image_id: image for of_object in found.values() for image in of_object}
    there = {image_id for image_id, image in images.items() if image.outcome is not Outcome.REMOVED}
    return {face.face_id: (face, images[face.image_id]) for face in faces if face.image_id in there}
