"""The accepted faces of a result, each with its photograph and its membership."""

from collections.abc import Iterator
from dataclasses import dataclass

from more_itertools import chunked

from services.standalone.result.folder import UNKNOWN
from shared.domain.event_builders import face_assigned
from shared.domain.events import FaceAssigned, Verdict
from shared.domain.records import FaceRecord, ImageRecord, Membership
from shared.ports.repository import FaceRepository

_BLOCK = 500  # images whose faces are read at once


@dataclass(frozen=True, slots=True)
class Assignment:
    """An accepted face with its photograph and its membership in the active generation."""

    image: ImageRecord
    face: FaceRecord
    membership: Membership

    @property
    def label(self) -> str:
        """The person's id, or `unknown`."""
        return self.membership.cluster_id or UNKNOWN

    def event(self) -> FaceAssigned:
        """Return the event that the assigner or the reclusterer would publish for it."""
        return face_assigned(self.face, self.image, self.membership, self.membership.cause)


def assignments(repository: FaceRepository, generation: int) -> Iterator[Assignment]:
    """Yield every accepted face, in the order of the photographs' keys, and from left to right on each photograph."""
    for images in chunked(repository.images(), _BLOCK):
        faces_of = repository.faces_of([image.image_id for image in images])
        accepted = {
            image_id: [face for face in faces if face.verdict is Verdict.ACCEPTED]
            for image_id, faces in faces_of.items()
        }
        ids = [face.face_id for faces in accepted.values() for face in faces]
        memberships = repository.memberships_of(generation, ids)
        for image in images:
            for face in sorted(accepted.get(image.image_id, []), key=lambda face: (face.box.left, face.box.top)):
                yield Assignment(image, face, memberships[face.face_id])
