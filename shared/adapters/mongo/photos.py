"""The photo catalog in MongoDB."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from shared.adapters.mongo import documents
from shared.adapters.mongo.collection import MongoStore, grouped, having, pages, remove, save
from shared.adapters.mongo.errors import errors
from shared.adapters.mongo.memberships import retire
from shared.domain.events import Outcome, Verdict
from shared.domain.records import FaceBlock, FaceRecord, ImageRecord

BY_KEY = ("bucket", "key", "image_id")
"""The fields of the index in whose order all images are read."""


class MongoPhotoCatalog(MongoStore):
    """A `PhotoCatalog`: the collections `images` and `faces`."""

    def save_images(self, images: Sequence[ImageRecord]) -> None:
        """Store images."""
        save(self._collections.images, map(documents.image_document, images))

    def save_faces(self, faces: Sequence[FaceRecord]) -> None:
        """Store faces."""
        save(self._collections.faces, map(documents.face_document, faces))

    def images(self, outcome: Outcome | None = None) -> Iterator[ImageRecord]:
        """Yield every image, or those of one outcome, in order of bucket and key. Writing meanwhile is allowed."""
        wanted = {} if outcome is None else {"outcome": outcome.value}
        for page in pages(self._collections.images, wanted, BY_KEY):
            yield from map(documents.image_of, page)

    def images_of(self, object_ids: Sequence[str]) -> Mapping[str, Sequence[ImageRecord]]:
        """Return the images of each of these objects that has any, in ascending order of image id."""
        found = map(documents.image_of, having(self._collections.images, "object_id", object_ids))
        return grouped(sorted(found, key=lambda image: image.image_id), lambda image: image.object_id)

    def faces(self) -> Iterator[FaceRecord]:
        """Yield every face in ascending order of face id. Writing meanwhile is allowed."""
        for page in pages(self._collections.faces, {}):
            yield from map(documents.face_of, page)

    def faces_of(self, image_ids: Sequence[str]) -> Mapping[str, Sequence[FaceRecord]]:
        """Return the faces of each of these images that has any, in ascending order of face id."""
        return grouped(self._faces_of(image_ids), lambda face: face.image_id)

    def faces_named(self, face_ids: Sequence[str]) -> Mapping[str, FaceRecord]:
        """Return those of these faces that exist, by face id."""
        return {face.face_id: face for face in map(documents.face_of, having(self._collections.faces, "_id", face_ids))}

    def remove_images(self, image_ids: Sequence[str]) -> Sequence[FaceRecord]:
        """Remove images with faces and memberships; return the removed faces in ascending order of face id.

        The images are removed last: after a failure, the same call removes what is left, and returns these faces.
        """
        removed = self._faces_of(image_ids)
        face_ids = [face.face_id for face in removed]
        retire(self._collections, "face_id", face_ids)
        remove(self._collections.faces, "_id", face_ids)
        remove(self._collections.images, "_id", image_ids)
        return removed

    def accepted_faces(self, model_id: str, block: int = 50_000) -> Iterator[FaceBlock]:
        """Yield the accepted faces that this model embedded, `block` faces at a time, in ascending order of face id."""
        wanted = {"model_id": model_id, "quality.verdict": Verdict.ACCEPTED.value, "vector": {"$ne": None}}
        for page in pages(self._collections.faces, wanted, size=block, fields={"image_id": 1, "vector": 1}):
            vectors = documents.vector_of(b"".join(face["vector"] for face in page)).reshape(len(page), -1)
            yield FaceBlock(tuple(face["_id"] for face in page), tuple(face["image_id"] for face in page), vectors)

    def accepted_ids(self) -> Iterator[tuple[str, str]]:
        """Yield face id and image id of every accepted face of any model. Writing meanwhile is allowed."""
        for page in pages(self._collections.faces, {"quality.verdict": Verdict.ACCEPTED.value}, fields={"image_id": 1}):
            for face in page:
                yield face["_id"], face["image_id"]

    def models(self) -> Sequence[str]:
        """Return the models that embedded accepted faces, in ascending order."""
        wanted = {"quality.verdict": Verdict.ACCEPTED.value, "vector": {"$ne": None}, "model_id": {"$ne": None}}
        with errors():
            return sorted(self._collections.faces.distinct("model_id", wanted))

    def _faces_of(self, image_ids: Iterable[str]) -> list[FaceRecord]:
        found = map(documents.face_of, having(self._collections.faces, "image_id", image_ids))
        return sorted(found, key=lambda face: face.face_id)
