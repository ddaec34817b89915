"""The detector's job: a bucket event in, a photograph with its faces out."""

from collections.abc import Callable
from dataclasses import replace

from services.detector.settings import DetectorSettings
from services.detector.types import PhotoDetections
from shared import metrics
from shared.domain import ids
from shared.domain.events import BucketEvent, DetectedFace, FacesDetected, Outcome, Photo
from shared.errors import ObjectError, ObjectRefused, ObjectTooLarge, Poison, Undecoded, Unreadable
from shared.metrics import Drop
from shared.ports.objects import ObjectStore
from shared.settings import BucketSettings
from shared.stream.bucket_notifications import BucketNotification, count

Find = Callable[[bytes], PhotoDetections]
"""Finds the faces on a photograph, here or in another process; raises `Unreadable` with a reason."""


def detect(
    notification: BucketNotification,
    objects: ObjectStore,
    find: Find,
    settings: DetectorSettings,
    buckets: BucketSettings,
) -> FacesDetected | None:
    """Return the event of a notification's photograph, None if the notification is dropped. The crops are stored then.

    A photograph that cannot be read or decoded is an outcome with a reason, and not an error. The size in the
    notification decides nothing, because the object may have been replaced since. Raises `Transient` if the object
    store does not answer, and `Poison` if it refuses to answer whether an object was removed.
    """
    count(notification)
    if notification.dropped:
        return None
    event = notification.event
    etag = event.etag or ""
    if event.removed:
        if notification.is_doubtful and _is_there(objects, event):
            metrics.DROPPED.labels(Drop.STILL_THERE).inc()
            return None
        return FacesDetected(photo=_photo(event, etag), outcome=Outcome.REMOVED)
    try:
        stored = objects.get(event.bucket, event.key, settings.max_bytes)
        etag, event = etag or stored.etag, event.model_copy(update={"size": stored.size})
        found = find(stored.data)
    except ObjectTooLarge as error:
        size = event.size if error.size is None else error.size
        return unreadable(event.model_copy(update={"size": size}), etag, error)
    except (ObjectError, Unreadable) as error:
        return unreadable(event, etag, error)
    return detected(event, etag, found, objects, buckets)


def _is_there(objects: ObjectStore, event: BucketEvent) -> bool:
    try:
        return objects.exists(event.bucket, event.key)
    except ObjectError as error:
        msg = f"expected to learn whether this object was removed, got: {error}"
        raise Poison(msg) from error


def detected(
    event: BucketEvent, etag: str, finding: PhotoDetections, objects: ObjectStore, buckets: BucketSettings
) -> FacesDetected:
    """Return a photograph with the faces that were found on it, whose crops are stored then; raises `Transient`."""
    photo = replace(_photo(event, etag), width=finding.width, height=finding.height)
    faces = []
    for face in finding.faces:
        face_id = ids.face_id(photo.image_id, finding.version, face.box)
        crop_key = ids.crop_key(face_id)
        objects.put(buckets.faces, crop_key, face.crop, "image/png")
        faces.append(
            DetectedFace(face_id=face_id, box=face.box, score=face.score, landmarks=face.landmarks, crop_key=crop_key)
        )
    return FacesDetected(photo=photo, outcome=Outcome.DETECTED, faces=tuple(faces))


def unreadable(event: BucketEvent, etag: str, error: ObjectError | Unreadable) -> FacesDetected:
    """Return the outcome of a photograph that cannot be read; `etag` is empty where the object was not read.

    `passing` is set if the bytes are not the cause, so that the photograph is tried again later.
    """
    passing = isinstance(error, ObjectRefused | Undecoded)
    return FacesDetected(photo=_photo(event, etag), outcome=Outcome.UNREADABLE, reason=str(error), passing=passing)


def _photo(event: BucketEvent, etag: str) -> Photo:
    object_id = ids.object_id(event.bucket, event.key)
    # An object that was never read, or is gone, has no etag: the time of the event distinguishes its contents.
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
