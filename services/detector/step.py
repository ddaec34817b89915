"""The detector's job: bucket events in, photographs with their faces out."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from services.detector.decode import decode
from services.detector.faces import FaceFinder
from services.detector.limits import check_bytes
from services.detector.settings import DetectorSettings
from shared import ids
from shared.errors import ObjectError, Unreadable
from shared.events import BucketEvent, DetectedFace, FacesDetected, Outcome, Photo
from shared.ports import ObjectStore
from shared.settings import BucketSettings


def detect(
    events: Sequence[BucketEvent],
    objects: ObjectStore,
    finder: FaceFinder,
    settings: DetectorSettings,
    buckets: BucketSettings,
) -> list[FacesDetected]:
    """Return what became of each event's photograph, in the same order; the crops are stored when it returns.

    A photograph that cannot be had or decoded is an outcome with a reason, and no error. Raises `Transient` where
    the object store does not answer.
    """
    return [_detected(event, objects, finder, settings, buckets) for event in events]


def unreadable(event: BucketEvent, etag: str, reason: str) -> FacesDetected:
    """Return the outcome of a photograph that cannot be read; `etag` is empty where the object was not read."""
    return FacesDetected(photo=_photo(event, etag), outcome=Outcome.UNREADABLE, reason=reason)


def _detected(
    event: BucketEvent,
    objects: ObjectStore,
    finder: FaceFinder,
    settings: DetectorSettings,
    buckets: BucketSettings,
) -> FacesDetected:
    etag = event.etag or ""
    if event.removed:
        return FacesDetected(photo=_photo(event, etag), outcome=Outcome.REMOVED)
    try:
        check_bytes(event.size, settings)
        stored = objects.get(event.bucket, event.key)
        etag = etag or stored.etag
        decoded = decode(stored.data, settings)
    except (ObjectError, Unreadable) as error:
        return unreadable(event, etag, str(error))
    photo = _photo(event, etag).model_copy(update={"width": decoded.width, "height": decoded.height})
    faces = []
    for face in finder.find(decoded):
        face_id = ids.face_id(photo.image_id, finder.version, face.box)
        crop_key = ids.crop_key(face_id)
        objects.put(buckets.faces, crop_key, _png(face.crop), "image/png")
        faces.append(
            DetectedFace(face_id=face_id, box=face.box, score=face.score, landmarks=face.landmarks, crop_key=crop_key)
        )
    return FacesDetected(photo=photo, outcome=Outcome.DETECTED, faces=tuple(faces))


def _photo(event: BucketEvent, etag: str) -> Photo:
    object_id = ids.object_id(event.bucket, event.key)
    # What was never read, or is gone, has no etag: its moment tells it from what the object held before and after.
    content = etag or event.sequencer or f"{event.size} bytes at {event.occurred_at.isoformat()}"
    return Photo(
        bucket=event.bucket,
        key=event.key,
        object_id=object_id,
        image_id=ids.image_id(object_id, event.version_id, content),
        etag=etag,
        version_id=event.version_id,
        sequencer=event.sequencer,
        size=event.size,
        uploaded_at=event.occurred_at,
    )


def _png(crop: NDArray[np.uint8]) -> bytes:
    _, encoded = cv2.imencode(".png", crop, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return encoded.tobytes()
