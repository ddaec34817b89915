"""What MinIO, and S3, write to `images.uploaded`: a record of what happened in a bucket."""

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import unquote_plus

from pydantic import AwareDatetime, BaseModel, Field

from shared import metrics
from shared.errors import ObjectError, Poison
from shared.events import BucketEvent
from shared.photo_rule import PhotoRule
from shared.ports import ConsumedRecord, ObjectStore
from shared.streaming import decoded

# Not all of `ObjectCreated:*`: of changed tags or retention we are told as well, and the picture is the same.
_WRITTEN = {f"ObjectCreated:{how}" for how in ("Put", "Post", "Copy", "CompleteMultipartUpload")}
_REMOVED = "ObjectRemoved:"
_OF_VERSION = {"ObjectRemoved:Delete", "ObjectRemoved:NoOP"}
_DELETE_MARKER = "ObjectRemoved:DeleteMarkerCreated"
_WITHOUT_VERSIONS = "null"  # the version of every object that was written while the bucket kept none

RECONCILER = "facestream:reconcile"
"""The source of notices that the reconciler writes. Each of them is one that was lost on the bucket's side."""
ASSIGNER = "facestream:assigner"
"""The source of notices by which the assigner asks for a photograph to be detected once more."""
RETRY = "facestream:again"
"""The source of notices by which the reconciler asks for a photograph to be tried once more: none of them was lost."""
_SOURCES = {RECONCILER: "reconciler", ASSIGNER: "assigner", RETRY: "retry"}


class _Bucket(BaseModel):
    name: str


class _Object(BaseModel):
    key: str
    size: int = 0
    etag: Annotated[str | None, Field(alias="eTag")] = None
    version_id: Annotated[str | None, Field(alias="versionId")] = None
    sequencer: Annotated[str | None, Field(pattern="^[0-9A-Fa-f]+$")] = None


class _S3(BaseModel):
    bucket: _Bucket
    object: _Object


class _Record(BaseModel):
    event_name: Annotated[str, Field(alias="eventName")]
    event_time: Annotated[AwareDatetime, Field(alias="eventTime")]
    event_source: Annotated[str | None, Field(alias="eventSource")] = None
    s3: _S3


class Notification(BaseModel):
    """The value of a record in `images.uploaded`."""

    records: Annotated[list[_Record], Field(alias="Records")]


def bucket_events(record: ConsumedRecord) -> Sequence[BucketEvent]:
    """Return what a record says of objects that were written or removed; raises `Poison` where it is no such record.

    A removal that has a version is that of this version, for good; one without says that the object is gone.
    """
    return [event for found in decoded(record, Notification).records if (event := _event(found))]


def confirmed_events(record: ConsumedRecord, objects: ObjectStore, rule: PhotoRule) -> Sequence[BucketEvent]:
    """Return the same, without uploads of what is no photograph by its key, and without removals that are none.

    Of the former nothing is read; they are dropped where the bucket tells of them, and not where we do: what we
    announce has a past under another rule, whose faces stay until the object has an outcome again. The latter only
    the bucket can tell.

    MinIO tells of a delete marker that was deleted by the same words as of one that was made: the object is there
    again then, or has been all the time. A "null" version that was deleted may have been the last one or an old one.
    And what the reconciler says is not the bucket's own word: it may have waited here since a moment at which the
    bucket showed less than it holds. Raises `Transient` as well, and `Poison` too where the bucket does not say.
    """
    found = decoded(record, Notification).records
    told = [(event, _is_doubtful(of)) for of in found if (event := _event(of)) and not _is_dropped(of, event, rule)]
    return [event for event, doubtful in told if not (doubtful and _is_there(objects, event))]


def _is_dropped(record: _Record, event: BucketEvent, rule: PhotoRule) -> bool:
    """Say whether the bucket tells of no photograph, and count it.

    A removal is never dropped: the rule may have been another one when the object came, and it has faces.
    """
    if event.removed or record.event_source in _SOURCES or not rule.passes_over(event.key):
        return False
    metrics.DROPPED.labels("not a photograph").inc()
    return True


def _is_doubtful(record: _Record) -> bool:
    name = record.event_name.removeprefix("s3:")
    if not name.startswith(_REMOVED):
        return False
    is_null = name in _OF_VERSION and record.s3.object.version_id == _WITHOUT_VERSIONS
    return name == _DELETE_MARKER or is_null or record.event_source == RECONCILER


def _is_there(objects: ObjectStore, event: BucketEvent) -> bool:
    try:
        return objects.exists(event.bucket, event.key)
    except ObjectError as error:
        msg = f"nobody can tell whether this object was removed: {error}"
        raise Poison(msg) from error


def _event(record: _Record) -> BucketEvent | None:
    name, changed = record.event_name.removeprefix("s3:"), record.s3.object
    removed = name.startswith(_REMOVED)
    if not removed and name not in _WRITTEN:
        return None
    source = _SOURCES.get(record.event_source or "", "bucket")
    metrics.NOTICES.labels(source, "removed" if removed else "written").inc()
    return BucketEvent(
        bucket=record.s3.bucket.name,
        key=unquote_plus(changed.key),
        size=changed.size,
        etag=changed.etag.strip('"') if changed.etag else None,
        version_id=_version(changed.version_id) if not removed or name in _OF_VERSION else None,
        sequencer=changed.sequencer or None,
        occurred_at=record.event_time,
        removed=removed,
    )


def _version(name: str | None) -> str | None:
    return name if name and name != _WITHOUT_VERSIONS else None
