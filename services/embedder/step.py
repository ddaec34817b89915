"""The embedder's job: the accepted faces of a batch of photographs get their vectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from services.embedder.embedding import Embedder, resized
from shared.domain.events import EmbeddedFace, FacesEmbedded, FacesScreened, ScreenedFace, Verdict, facts
from shared.errors import ObjectError
from shared.ports.objects import LARGEST_CROP, ObjectStore
from shared.settings import BucketSettings


@dataclass(frozen=True, slots=True, eq=False)
class Cropped:
    """A photograph and the crops of its accepted faces by face id, those that can be had.

    Each is (s, s, 3) uint8 BGR, s being the size that the network takes.
    """

    photo: FacesScreened
    crops: Mapping[str, NDArray[np.uint8]]


def crop(photo: FacesScreened, objects: ObjectStore, size: int, buckets: BucketSettings) -> Cropped:
    """Read the crops of a photograph; raises `Transient` where the store does not answer."""
    read = {
        face.face_id: _crop(objects, buckets.faces, face.crop_key)
        for face in photo.faces
        if face.verdict is Verdict.ACCEPTED
    }
    return Cropped(photo, {face_id: resized(crop, size) for face_id, crop in read.items() if crop is not None})


def embed(photos: Sequence[Cropped], embedder: Embedder) -> list[FacesEmbedded]:
    """Return the photographs in the order given, each accepted face with its vector.

    The crops of all photographs are embedded together, so that batches are full. A face whose crop is gone, or is no
    picture, is rejected for that and its photograph flows on.
    """
    crops = {face_id: crop for photo in photos for face_id, crop in photo.crops.items()}
    size = embedder.input_size
    vectors = embedder.embed(np.stack(list(crops.values())) if crops else np.empty((0, size, size, 3), np.uint8))
    by_face = dict(zip(crops, vectors, strict=True))

    def embedded(face: ScreenedFace) -> EmbeddedFace:
        fields = facts(face)
        if face.verdict is not Verdict.ACCEPTED:
            return EmbeddedFace(**fields)
        if face.face_id not in by_face:
            return EmbeddedFace(**fields | {"verdict": Verdict.CROP_MISSING})
        return EmbeddedFace(**fields, vector=by_face[face.face_id], model_id=embedder.model_id)

    return [
        FacesEmbedded(
            photo=item.photo.photo,
            outcome=item.photo.outcome,
            reason=item.photo.reason,
            passing=item.photo.passing,
            faces=tuple(embedded(face) for face in item.photo.faces),
        )
        for item in photos
    ]


def _crop(objects: ObjectStore, bucket: str, key: str) -> NDArray[np.uint8] | None:
    """Return the crop in BGR, or None where there is none any more or it is not a picture."""
    try:
        data = objects.get(bucket, key, LARGEST_CROP).data
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_BGR) if data else None
    except (ObjectError, cv2.error):  # OpenCV raises for a header that promises too many pixels
        return None
    return None if picture is None else np.asarray(picture, dtype=np.uint8)
