"""Both ports in plain dictionaries: for tests, and for whoever embeds facestream in a program of their own."""

import hashlib
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
from more_itertools import chunked

from shared.errors import ObjectMissing
from shared.events import Outcome, Verdict
from shared.ports import ObjectInfo, StoredObject
from shared.records import Cluster, FaceBlock, FaceRecord, Generation, ImageRecord, Membership


class MemoryObjectStore:
    """An `ObjectStore` whose buckets come into being with their first object."""

    def __init__(self) -> None:
        self._buckets: defaultdict[str, dict[str, tuple[bytes, datetime]]] = defaultdict(dict)

    def get(self, bucket: str, key: str) -> StoredObject:
        """Return an object; raises `ObjectMissing`."""
        try:
            data, _ = self._buckets[bucket][key]
        except KeyError:
            msg = f"{bucket}/{key}: no such object"
            raise ObjectMissing(msg) from None
        return StoredObject(data, _etag(data))

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:  # noqa: ARG002  of the port
        """Store an object."""
        self._buckets[bucket][key] = (bytes(data), datetime.now(UTC))

    def remove(self, bucket: str, keys: Iterable[str]) -> None:
        """Remove objects."""
        for key in keys:
            self._buckets[bucket].pop(key, None)

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects that are there when the iteration begins."""
        # Python compares texts by code point, and UTF-8 keeps that order.
        for key, (data, modified) in sorted(self._buckets[bucket].items()):
            if key.startswith(prefix):
                yield ObjectInfo(key, len(data), modified, _etag(data))


def _etag(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class MemoryRepository:
    """A `FaceRepository`. It keeps the records it is given, and gives them out again, without copying."""

    def __init__(self) -> None:
        self._images: dict[str, ImageRecord] = {}
        self._faces: dict[str, FaceRecord] = {}
        self._generations: dict[int, Generation] = {}
        self._clusters: dict[tuple[int, str], Cluster] = {}
        self._memberships: dict[tuple[int, str], Membership] = {}
        self._active: int | None = None
        self._last_number = 0
        self._lock = threading.Lock()

    def save_images(self, images: Sequence[ImageRecord]) -> None:
        """Store images."""
        self._images.update((image.image_id, image) for image in images)

    def save_faces(self, faces: Sequence[FaceRecord]) -> None:
        """Store faces."""
        self._faces.update((face.face_id, face) for face in faces)

    def save_memberships(self, memberships: Sequence[Membership]) -> None:
        """Store memberships."""
        self._memberships.update(((item.generation, item.face_id), item) for item in memberships)

    def images(self, outcome: Outcome | None = None) -> Iterator[ImageRecord]:
        """Yield every image, or those of one outcome, in ascending order of bucket and key."""
        ordered = sorted(self._images.values(), key=lambda image: (image.bucket, image.key, image.image_id))
        yield from (image for image in ordered if outcome in (None, image.outcome))

    def images_of(self, object_ids: Sequence[str]) -> Mapping[str, Sequence[ImageRecord]]:
        """Return the images of each of these objects that has any."""
        wanted = set(object_ids)
        found: defaultdict[str, list[ImageRecord]] = defaultdict(list)
        for _, image in sorted(self._images.items()):
            if image.object_id in wanted:
                found[image.object_id].append(image)
        return dict(found)

    def faces(self) -> Iterator[FaceRecord]:
        """Yield every face in ascending order of face id."""
        for _, face in sorted(self._faces.items()):
            yield face

    def faces_of(self, image_ids: Sequence[str]) -> Mapping[str, Sequence[FaceRecord]]:
        """Return the faces of each of these images that has any, in ascending order of face id."""
        wanted = set(image_ids)
        found: defaultdict[str, list[FaceRecord]] = defaultdict(list)
        for face in self.faces():
            if face.image_id in wanted:
                found[face.image_id].append(face)
        return dict(found)

    def remove_images(self, image_ids: Sequence[str]) -> Sequence[FaceRecord]:
        """Remove images, their faces and the memberships of those; return the faces in ascending order of face id."""
        gone = set(image_ids)
        removed = [face for face in self.faces() if face.image_id in gone]
        gone_faces = {face.face_id for face in removed}
        for key in [key for key in self._memberships if key[1] in gone_faces]:
            del self._memberships[key]
        for face_id in gone_faces:
            del self._faces[face_id]
        for image_id in gone:
            self._images.pop(image_id, None)
        return removed

    def accepted_faces(self, model_id: str, block: int = 50_000) -> Iterator[FaceBlock]:
        """Yield the accepted faces that this model embedded, in ascending order of face id, in blocks of `block`."""
        embedded = (
            (face, face.vector)
            for face in self.faces()
            if face.verdict is Verdict.ACCEPTED and face.model_id == model_id and face.vector is not None
        )
        for part in chunked(embedded, block):
            yield FaceBlock(
                face_ids=tuple(face.face_id for face, _ in part),
                image_ids=tuple(face.image_id for face, _ in part),
                vectors=np.stack([vector for _, vector in part]).astype(np.float32, copy=False),
            )

    def generation(self, number: int) -> Generation | None:
        """Return a generation, or None."""
        return self._generations.get(number)

    def active_generation(self) -> Generation | None:
        """Return the generation that readers see, or None before the first."""
        return None if self._active is None else self._generations[self._active]

    def last_generation_number(self) -> int:
        """Return the highest number that any generation ever had, 0 before the first."""
        return self._last_number

    def save_generation(self, generation: Generation) -> None:
        """Store a generation document."""
        self._generations[generation.number] = generation
        self._last_number = max(self._last_number, generation.number)

    def save_clusters(self, clusters: Sequence[Cluster]) -> None:
        """Store clusters of a generation."""
        self._clusters.update(((cluster.generation, cluster.cluster_id), cluster) for cluster in clusters)

    def clusters(self, generation: int) -> Sequence[Cluster]:
        """Return the clusters of a generation in ascending order of cluster id."""
        return [cluster for (number, _), cluster in sorted(self._clusters.items()) if number == generation]

    def memberships(self, generation: int) -> Iterator[Membership]:
        """Yield the memberships of a generation in ascending order of face id."""
        for (number, _), membership in sorted(self._memberships.items()):
            if number == generation:
                yield membership

    def memberships_of(self, generation: int, face_ids: Sequence[str]) -> Mapping[str, Membership]:
        """Return the membership in a generation of each of these faces that has one, by face id."""
        found = ((face_id, self._memberships.get((generation, face_id))) for face_id in face_ids)
        return {face_id: membership for face_id, membership in found if membership}

    def activate(self, number: int, expected: int | None) -> bool:
        """Make a generation the active one if `expected` still is it; say whether it was."""
        with self._lock:
            if number not in self._generations:
                msg = f"generation {number}: expected one that was saved, found none"
                raise ValueError(msg)
            if self._active != expected:
                return False
            self._active = number
            return True

    def remove_generation(self, number: int) -> None:
        """Remove a generation with its clusters and memberships; refuses the active one with ValueError."""
        with self._lock:
            if number == self._active:
                msg = f"generation {number} is the active one; make another one active first"
                raise ValueError(msg)
            self._generations.pop(number, None)
        for clusters_key in [key for key in self._clusters if key[0] == number]:
            del self._clusters[clusters_key]
        for membership_key in [key for key in self._memberships if key[0] == number]:
            del self._memberships[membership_key]
