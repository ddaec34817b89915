"""A repository with drawn people, for pictures and tests of the report."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from shared.adapters.memory.objects import MemoryObjectStore
from shared.adapters.memory.repository import MemoryRepository
from shared.domain import ids
from shared.domain.events import Box, Cause, Outcome, Verdict
from shared.domain.records import Cluster, FaceRecord, Generation, GenerationState, ImageRecord, Membership
from tools.drawn_faces import draw, invent

WHEN = datetime(2024, 5, 1, tzinfo=UTC)
_DIMENSIONS = 128
_NAME = "album/{day:%Y-%m-%d}/IMG_{number:04d}.jpg"


class Album:
    """A repository with people, and their crops in the bucket `faces`.

    `pictures`: the number of crops that are drawn of a person at most, because drawing takes 30 ms; further faces reuse
    them. `name`: template of the keys of photographs.
    """

    def __init__(self, seed: int = 0, pictures: int = 1_000, name: str = _NAME) -> None:
        self.repository = MemoryRepository()
        self.objects = MemoryObjectStore()
        self._rng = np.random.default_rng(seed)
        self._pictures = pictures
        self._name = name
        self._photos = 0
        self._crowd: list[ImageRecord] = []  # photographs with room for one more person

    def add_photo(self, outcome: Outcome = Outcome.DETECTED, reason: str | None = None) -> ImageRecord:
        """Add a photograph without faces, and return its record."""
        number, self._photos = self._photos, self._photos + 1
        key = self._name.format(number=number, day=WHEN.replace(month=1 + number // 28 % 12, day=1 + number % 28))
        object_id = ids.object_id("photos", key)
        size = int(self._rng.integers(200_000, 9_000_000))
        image_id = ids.image_id(object_id, None, "etag")
        image = ImageRecord(image_id, object_id, "photos", key, "etag", size, WHEN, outcome, reason)
        self.repository.save_images([image])
        return image

    def add_person(self, size: int) -> None:
        """Add a person on `size` photographs, some of which also show the former person."""
        look, centre = invent(self._rng), self._rng.normal(size=_DIMENSIONS)
        crops = [draw(look, self._rng) for _ in range(min(size, self._pictures))]
        shared = self._crowd[:size]
        photos = shared + [self.add_photo() for _ in range(size - len(shared))]
        self._crowd = photos[3::4]
        noise = self._rng.uniform(0.35, 0.6)
        vectors = _unit(centre + noise * self._rng.normal(size=(size, _DIMENSIONS)))
        faces = [
            self._add_face(photo, crops[index % len(crops)], self._sharpness(), vectors[index])
            for index, photo in enumerate(photos)
        ]
        best = int((vectors @ vectors.sum(axis=0)).argmax())
        medoid = faces[best].face_id
        cluster_id = ids.cluster_id(1, medoid)
        none = np.empty((0, _DIMENSIONS), np.float32)
        self.repository.save_clusters([Cluster(1, cluster_id, medoid, vectors[best], none, size)])
        self._assign(faces, cluster_id, vectors @ vectors[best])

    def add_unknown(self, count: int) -> None:
        """Add `count` photographs of a stranger each."""
        strangers = [draw(invent(self._rng), self._rng) for _ in range(min(count, self._pictures))]
        vectors = _unit(self._rng.normal(size=(count, _DIMENSIONS)))
        faces = [
            self._add_face(self.add_photo(), strangers[index % len(strangers)], self._sharpness(), vectors[index])
            for index in range(count)
        ]
        self._assign(faces, None, self._rng.normal(0.42, 0.14, size=count).clip(-0.2, 0.74).astype(np.float32))

    def add_blurry(self, count: int) -> None:
        """Add `count` photographs with a blurry face each."""
        radii = self._rng.uniform(3, 8, size=min(count, self._pictures))
        crops = [draw(invent(self._rng), self._rng, blur=float(radius)) for radius in radii]
        for index in range(count):
            self._add_face(self.add_photo(), crops[index % len(crops)], 60 / float(radii[index % len(crops)]), None)

    def group(self) -> None:
        """Save generation 1 with all people added so far, and activate it."""
        parameters = {"edge_threshold": 0.7, "iterations": 50, "min_cluster_size": 20, "seed": 0}
        self.repository.save_generation(Generation(1, GenerationState.BUILDING, "drawn", "snapshot", parameters))
        self.repository.activate(1, None)

    def _sharpness(self) -> float:
        return float(25 + np.exp(self._rng.normal(5.2, 0.9)))

    def _add_face(
        self, photo: ImageRecord, crop: bytes, sharpness: float, vector: NDArray[np.float32] | None
    ) -> FaceRecord:
        box = Box(left=int(self._rng.integers(4_000)), top=80, width=200, height=200)
        face_id = ids.face_id(photo.image_id, "drawn", box)
        face = FaceRecord(
            face_id,
            photo.image_id,
            photo.object_id,
            box,
            score=float(self._rng.uniform(0.2, 2.4)),
            crop_key=ids.crop_key(face_id),
            sharpness=sharpness,
            verdict=Verdict.BLURRY if vector is None else Verdict.ACCEPTED,
            vector=vector,
            model_id="drawn",
        )
        self.objects.put("faces", face.crop_key, crop, "image/png")
        self.repository.save_faces([face])
        return face

    def _assign(self, faces: Sequence[FaceRecord], cluster_id: str | None, similarities: NDArray[np.float32]) -> None:
        self.repository.save_memberships(
            [
                Membership(1, face.face_id, cluster_id, float(similarity), Cause.RECLUSTERED)
                for face, similarity in zip(faces, similarities, strict=True)
            ]
        )


def album(  # noqa: PLR0913  each describes one part of the album
    people: Sequence[int] = (),
    *,
    unknown: int = 0,
    blurry: int = 0,
    unreadable: int = 0,
    empty: int = 0,
    seed: int = 0,
    pictures: int = 1_000,
    name: str = _NAME,
) -> Album:
    """Return an album. `people`: the number of photographs of each person; without people there is no generation."""
    made = Album(seed, pictures, name)
    for size in people:
        made.add_person(size)
    made.add_unknown(unknown)
    made.add_blurry(blurry)
    for _ in range(unreadable):
        made.add_photo(Outcome.UNREADABLE, "the image data ends early")
    for _ in range(empty):
        made.add_photo()
    if people:
        made.group()
    return made


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    length: NDArray[np.float64] = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / length).astype(np.float32)
