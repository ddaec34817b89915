"""Whether a face or an image still exists.

A photograph is removed in this order: its image is marked as removed, tombstones of its faces are committed, then
memberships, faces and image are erased. So a face exists as long as its image is recorded and not marked. If a face
still exists after a record of it was appended, then its tombstone, if there will be one, is appended after that record.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from shared.domain.events import Outcome, Verdict
from shared.domain.records import FaceRecord, ImageRecord
from shared.ports.photos import PhotoCatalog


def existing_faces(photos: PhotoCatalog, face_ids: Sequence[str]) -> Mapping[str, tuple[FaceRecord, ImageRecord]]:
    """Return those of the faces that exist, with their images, by face id. Raises `Transient`."""
    return _with_images(photos, photos.faces_named(face_ids).values())


def existing_faces_of(photos: PhotoCatalog, image_ids: Sequence[str]) -> Mapping[str, Sequence[FaceRecord]]:
    """Return the accepted faces of these images that exist, by image id, in ascending order of face id.

    Raises `Transient`.
    """
    of_images = photos.faces_of(image_ids)
    faces = [face for of_image in of_images.values() for face in of_image if face.verdict is Verdict.ACCEPTED]
    existing = _with_images(photos, faces)
    found: dict[str, list[FaceRecord]] = {}
    for face in faces:
        if face.face_id in existing:
            found.setdefault(face.image_id, []).append(face)
    return found


def existing_face_ids(photos: PhotoCatalog) -> Iterator[tuple[str, str]]:
    """Yield face id and image id of every accepted face that exists, in ascending order of face id.

    Raises `Transient`.
    """
    # The marks are read first: a face that is erased between the two reads is missing in the second.
    removed = {image.image_id for image in photos.images(Outcome.REMOVED)}
    return ((face_id, image_id) for face_id, image_id in photos.accepted_ids() if image_id not in removed)


def existing_images(photos: PhotoCatalog, images: Sequence[ImageRecord]) -> Sequence[ImageRecord]:
    """Return the present records of those of the images that exist, in ascending order of image id.

    Raises `Transient`.
    """
    wanted = {image.image_id for image in images}
    found = photos.images_of(sorted({image.object_id for image in images}))
    existing = (image for of_object in found.values() for image in of_object if not image.is_removed)
    return sorted((image for image in existing if image.image_id in wanted), key=lambda image: image.image_id)


def removed_objects(photos: PhotoCatalog, object_ids: Collection[str]) -> Sequence[str]:
    """Return, in ascending order, those of the objects that have images, all of them marked as removed.

    Raises `Transient`.
    """
    found = photos.images_of(sorted(object_ids))
    return sorted(
        object_id for object_id, images in found.items() if images and all(image.is_removed for image in images)
    )


def _with_images(photos: PhotoCatalog, faces: Collection[FaceRecord]) -> Mapping[str, tuple[FaceRecord, ImageRecord]]:
    found = photos.images_of(sorted({face.object_id for face in faces}))
    images = {image.image_id: image for of_object in found.values() for image in of_object}
    existing = {image_id for image_id, image in images.items() if not image.is_removed}
    return {face.face_id: (face, images[face.image_id]) for face in faces if face.image_id in existing}
