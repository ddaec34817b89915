"""Removes images: their faces, memberships and crops.

Erasing cannot be repeated: the tombstones of faces are made from the recorded faces. So an image is first only recorded
as removed. It is erased after the commit in Kafka, or at the next start if the process died in between.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import structlog
from more_itertools import chunked

from services.assigner.output_records import AcceptedEvent
from services.assigner.removal_records import placeholder_of
from shared import metrics
from shared.domain.events import Outcome
from shared.domain.records import ImageRecord
from shared.erasure.erase import erase
from shared.errors import Fatal, Transient
from shared.ports.objects import ObjectStore
from shared.ports.repository import FaceRepository

_BLOCK = 500  # images that are read together at a start
_ImagesOf = Mapping[str, Sequence[ImageRecord]]


class Removal:
    """Erases images from the repository, and their crops from the bucket `crops`."""

    def __init__(self, repository: FaceRepository, objects: ObjectStore, crops: str) -> None:
        self._repository = repository
        self._objects = objects
        self._crops = crops

    def with_stale_faces(self, accepted: Sequence[AcceptedEvent], known: _ImagesOf) -> list[AcceptedEvent]:
        """Return the events, each with a placeholder image for the faces that its image does not have any more.

        The detector reads what an object contains at that moment. That may be the content of a later upload than the
        one in the notification. When the content of the notification is uploaded again, its image has the faces of the
        other content. `known`: the recorded images of each object, by object id. Writes the placeholder, and moves the
        stale faces to it. Raises `Transient`.
        """
        own = {
            item.record.record_id: image
            for item in accepted
            for image in known.get(item.event.photo.object_id, ())
            if image.image_id == item.event.photo.image_id and not item.is_removal
        }
        recorded = self._repository.faces_of([image.image_id for image in own.values()]) if own else {}
        found = []
        for item in accepted:
            present = {face.face_id for face in item.event.faces}
            image = own.get(item.record.record_id)
            stale = [face for face in recorded.get(image.image_id, ()) if face.face_id not in present] if image else []
            if image and stale:
                placeholder = placeholder_of(image, item.record.record_id)
                self._repository.save_images([placeholder])
                self._repository.save_faces([replace(face, image_id=placeholder.image_id) for face in stale])
                others = (other for other in item.stale if other.image_id != placeholder.image_id)
                found.append(replace(item, stale=(*others, placeholder)))
            else:
                found.append(item)
        return found

    def erase_left_over(self, is_committed: Callable[[str], bool]) -> None:
        """Erase the images that a killed process recorded as removed and did not erase; raises `Transient`.

        `is_committed`: whether the group has committed the record with this id. If it has not, the record will be
        consumed again, and its tombstones need the faces.
        """
        for images in chunked(self._repository.images(Outcome.REMOVED), _BLOCK):
            faces = self._repository.faces_of([image.image_id for image in images])
            self.erase([image for image in images if image.image_id in faces and is_committed(image.source)])

    def erase(self, images: Sequence[ImageRecord]) -> None:
        """Erase images; raises `Transient` and `Fatal`.

        An image that cannot be erased does not affect the others, and is logged. It stays recorded as removed, and the
        next start tries it again. Its record is committed, so it cannot become a dead letter.
        """
        try:
            self._erase(images)
        except (Transient, Fatal):
            raise
        except Exception as error:  # noqa: BLE001  a defect, or a record that the repository cannot store
            if len(images) > 1:
                for image in images:
                    self.erase([image])
                return
            name = [image.image_id for image in images]
            structlog.get_logger().error("cannot be erased", images=name, error=type(error).__name__)

    def _erase(self, images: Sequence[ImageRecord]) -> None:
        """Erase those of these images that are still recorded as removed, with faces, memberships and crops.

        An object may have been uploaded again since. Then the records of its earlier removals are erased as well.
        """
        known = self._repository.images_of([image.object_id for image in images])
        wanted = {image.image_id for image in images}
        removed = [image for of_object in known.values() for image in of_object if image.is_removed]
        present = {image.object_id for of_object in known.values() for image in of_object if not image.is_removed}
        faces = self._repository.faces_of([image.image_id for image in removed])
        ids = [
            image.image_id
            for image in removed
            if image.image_id in wanted or (image.object_id in present and image.image_id not in faces)
        ]
        erased = [face for image_id in ids for face in faces.get(image_id, ())]
        self._objects.remove(self._crops, [face.crop_key for face in erased])
        erase(self._repository, [image for image in removed if image.image_id in set(ids)])
        metrics.ERASED.inc(len(erased))
