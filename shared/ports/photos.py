"""The port of the photo catalog: images and their faces."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from shared.domain.events import Outcome
from shared.domain.records import FaceBlock, FaceRecord, ImageRecord


class PhotoCatalog(Protocol):
    """Images and faces.

    Every call blocks, and raises `Transient` if no answer comes in time. `save_*` are upserts on the ids of the
    records: the same call again changes nothing.
    """

    def save_images(self, images: Sequence[ImageRecord]) -> None:
        """Store images."""
        ...

    def save_faces(self, faces: Sequence[FaceRecord]) -> None:
        """Store faces, with or without a vector."""
        ...

    def images(self, outcome: Outcome | None = None) -> Iterator[ImageRecord]:
        """Yield every image, or those of one outcome, in ascending order of bucket and key."""
        ...

    def images_of(self, object_ids: Sequence[str]) -> Mapping[str, Sequence[ImageRecord]]:
        """Return the images of each of these objects that has any, in ascending order of image id."""
        ...

    def faces(self) -> Iterator[FaceRecord]:
        """Yield every face in ascending order of face id."""
        ...

    def faces_of(self, image_ids: Sequence[str]) -> Mapping[str, Sequence[FaceRecord]]:
        """Return the faces of each of these images that has any, in ascending order of face id."""
        ...

    def faces_named(self, face_ids: Sequence[str]) -> Mapping[str, FaceRecord]:
        """Return those of these faces that exist, by face id."""
        ...

    def remove_images(self, image_ids: Sequence[str]) -> Sequence[FaceRecord]:
        """Remove images and their faces, and make the memberships of these faces former ones.

        Return the removed faces, in ascending order of face id. The clusters that were computed with their vectors
        stay: `shared.erasure.erase.erase` recomputes them as well.
        """
        ...

    def accepted_faces(self, model_id: str, block: int = 50_000) -> Iterator[FaceBlock]:
        """Yield the accepted faces that this model embedded, `block` faces at a time, in ascending order of face id."""
        ...

    def accepted_ids(self) -> Iterator[tuple[str, str]]:
        """Yield the face id and the image id of every accepted face of any model, in ascending order of face id."""
        ...

    def models(self) -> Sequence[str]:
        """Return the models that embedded accepted faces, in ascending order."""
        ...
