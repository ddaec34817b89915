"""Synthetic input of the assigner: the clusters of an active generation, and events with faces of these clusters."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from shared.domain import ids
from shared.domain.events import Box, EmbeddedFace, FacesEmbedded, Outcome, Photo, Point, Verdict
from shared.domain.records import Cluster, Generation, GenerationState
from shared.ports.repository import FaceRepository

MODEL = "facenet-6acdd8fb3a3f"
_START = datetime(2026, 11, 24, 12, tzinfo=UTC)
_FACES = (1, 2, 3, 4)
_SHARES = (0.5, 0.25, 0.15, 0.1)  # share of the photographs that have so many faces
_BLURRY = 0.1  # share of the faces that are blurry
_STRANGERS = 0.25  # share of the faces that resemble nobody
_NOISE = 0.6  # length of the noise: a face and its medoid have an inner product of 0.857 +- 0.02


def activate_clusters(repository: FaceRepository, medoids: NDArray[np.float32]) -> None:
    """Save generation 1 with a cluster for each medoid, and make it the active one.

    `medoids`: shape (clusters, dimensions), float32, unit length.
    """
    none = np.empty((0, medoids.shape[1]), np.float32)
    repository.save_generation(Generation(1, GenerationState.ACTIVE, MODEL, "synthetic", {}))
    repository.save_clusters(
        [
            Cluster(1, ids.cluster_id(1, str(number)), str(number), medoid, none, 20)
            for number, medoid in enumerate(medoids)
        ]
    )
    repository.activate(1, None)


def embedded_photos(number: int, medoids: NDArray[np.float32], seed: int = 0) -> Iterator[FacesEmbedded]:
    """Yield `number` events, each with one to four faces.

    Three quarters of the faces resemble one of the medoids, the others nobody; a tenth of all faces is blurry.
    """
    random = np.random.default_rng(seed)
    for index, count in enumerate(random.choice(_FACES, number, p=_SHARES).tolist()):
        photo = _photo(index)
        yield FacesEmbedded(
            photo=photo,
            outcome=Outcome.DETECTED,
            faces=tuple(_face(photo, face, medoids, random) for face in range(count)),
        )


def _photo(number: int) -> Photo:
    key = f"2026/11/holidays/IMG_{number:07}.jpg"
    object_id = ids.object_id("photos", key)
    etag = f"{number:032x}"
    return Photo(
        bucket="photos",
        key=key,
        object_id=object_id,
        image_id=ids.image_id(object_id, None, etag),
        etag=etag,
        sequencer=f"{number:016X}",
        size=2_345_678,
        uploaded_at=_START + timedelta(milliseconds=number),
        width=4032,
        height=3024,
    )


def _face(photo: Photo, index: int, medoids: NDArray[np.float32], random: np.random.Generator) -> EmbeddedFace:
    box = Box(left=400 * index + 17, top=311, width=268, height=268)
    face_id = ids.face_id(photo.image_id, "dlib-hog-1", box)
    one, two, three, four, five = (Point(x=box.left + 31.7 * point, y=box.top + 71.3) for point in range(5))
    blurry = random.random() < _BLURRY
    return EmbeddedFace(
        face_id=face_id,
        box=box,
        score=1.3264781,
        landmarks=(one, two, three, four, five),
        crop_key=ids.crop_key(face_id),
        sharpness=12.75 if blurry else 187.4321,
        verdict=Verdict.BLURRY if blurry else Verdict.ACCEPTED,
        vector=None if blurry else _vector(medoids, random),
        model_id=None if blurry else MODEL,
    )


def _vector(medoids: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    dimensions = medoids.shape[1]
    noise = random.standard_normal(dimensions, np.float32) * np.float32(1 / np.sqrt(dimensions))
    known = random.random() >= _STRANGERS
    vector = medoids[random.integers(len(medoids))] + np.float32(_NOISE) * noise if known else noise
    return np.asarray(vector / np.linalg.norm(vector), np.float32)
