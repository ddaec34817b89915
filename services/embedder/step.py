"""The embedder's job: the accepted faces of a batch of photographs get their vectors."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from services.embedder.embedding import Embedder, resized
from shared.errors import ObjectError
from shared.events import EmbeddedFace, FacesEmbedded, FacesScreened, ScreenedFace, Verdict
from shared.ports import ObjectStore
from shared.settings import BucketSettings


def embed(
    photos: Sequence[FacesScreened], objects: ObjectStore, embedder: Embedder, buckets: BucketSettings
) -> list[FacesEmbedded]:
    """Return the photographs in the order given, each accepted face with its vector.

    The crops of all photographs are embedded together, so that batches are full. A face whose crop is gone, or is no
    picture, is rejected for that and its photograph flows on. Raises `Transient` where the store does not answer.
    """
    crops: dict[str, NDArray[np.uint8]] = {}
    lost: set[str] = set()
    for face in (face for photo in photos for face in photo.faces if face.verdict is Verdict.ACCEPTED):
        crop = _crop(objects, buckets.faces, face.crop_key)
        if crop is None:
            lost.add(face.face_id)
        else:
            crops[face.face_id] = resized(crop, embedder.input_size)
    size = embedder.input_size
    vectors = embedder.embed(np.stack(list(crops.values())) if crops else np.empty((0, size, size, 3), np.uint8))
    by_face = dict(zip(crops, vectors, strict=True))

    def embedded(face: ScreenedFace) -> EmbeddedFace:
        said = dict(face)
        if face.face_id in lost:
            return EmbeddedFace(**said | {"verdict": Verdict.CROP_MISSING})
        vector = by_face.get(face.face_id) if face.verdict is Verdict.ACCEPTED else None
        return EmbeddedFace(**said, vector=vector, model_id=None if vector is None else embedder.model_id)

    return [
        FacesEmbedded(
            photo=photo.photo,
            outcome=photo.outcome,
            reason=photo.reason,
            faces=tuple(embedded(face) for face in photo.faces),
        )
        for photo in photos
    ]


def _crop(objects: ObjectStore, bucket: str, key: str) -> NDArray[np.uint8] | None:
    """Return the crop in BGR, or None where there is none any more or it is not a picture."""
    try:
        data = objects.get(bucket, key).data
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_BGR) if data else None
    except (ObjectError, cv2.error):  # OpenCV raises for a header that promises too many pixels
        return None
    return None if picture is None else np.asarray(picture, dtype=np.uint8)
