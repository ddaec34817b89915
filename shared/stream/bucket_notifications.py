"""Bucket notifications: the records that MinIO, and S3, write to `images.uploaded`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import unquote_plus

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from shared import metrics
from shared.domain.events import BucketEvent
from shared.metrics import Drop
from shared.photos.photo_rule import PhotoRule
from shared.ports.streams import ConsumedRecord
from shared.stream.cloudevents import decoded

# Other events of `ObjectCreated:*` report changed tags or retention, which leave the photograph as it is.
_WRITTEN = {f"ObjectCreated:{how}" for how in ("Put", "Post", "Copy", "CompleteMultipartUpload")}
_REMOVED = "ObjectRemoved:"
_OF_VERSION = {"ObjectRemoved:Delete", "ObjectRemoved:NoOP"}
_DELETE_MARKER = "ObjectRemoved:DeleteMarkerCreated"
_WITHOUT_VERSIONS = "null"  # the version of every object that was written while the bucket kept no versions
_LONGEST = 1024  # bytes of a key in S3; and characters of each other text, which all later events contain
_SIZES = 2**63  # bytes; the repository cannot store larger numbers
_MARGIN = timedelta(days=366)  # more than is ever added to the time of a notification

RECONCILER = "facestream:reconcile"
"""The source of notifications with which the reconciler replaces lost ones of the bucket."""
ASSIGNER = "facestream:assigner"
"""The source of notifications with which the assigner has a photograph detected again."""
RETRY = "facestream:again"
"""The source of notifications with which the reconciler has a photograph tried again; none was lost."""
_SOURCES = {RECONCILER: "reconciler", ASSIGNER: "assigner", RETRY: "retry"}


def _in_calendar(time: datetime) -> datetime:
    try:
        time.astimezone(UTC) + _MARGIN
    except OverflowError:
        msg = "expected a time to which a year can be added, found one at the end of the calendar"
        raise ValueError(msg) from None
    return time


def _key(quoted: str) -> str:
    key = unquote_plus(quoted)
    if not 0 < (size := len(key.encode())) <= _LONGEST:
        msg = f"expected the key of an object, of 1 to {_LONGEST:,} bytes, found {size:,} bytes"
        raise ValueError(msg)
    return key


def _short(text: str | None) -> str | None:
    if text is not None and len(text) > _LONGEST:
        msg = f"expected at most {_LONGEST:,} characters, found {len(text):,}"
        raise ValueError(msg)
    return text


def _size(size: int) -> int:
    if not 0 <= size < _SIZES:
        msg = f"expected a size in bytes, from 0 to {_SIZES - 1:,}, found {'less' if size < 0 else 'more'}"
        raise ValueError(msg)
    return size


def _some(records: "list[_Record]") -> "list[_Record]":
    if not records:
        msg = "expected one record or more, found none"
        raise ValueError(msg)
    return records


# Impossible values are refused by these validators, and not by the schema, which describes what MinIO and S3 write.
_Short = AfterValidator(_short)


class _Bucket(BaseModel):
    name: str


class _Object(BaseModel):
    key: Annotated[str, AfterValidator(_key)]
    size: Annotated[int, AfterValidator(_size)] = 0
    etag: Annotated[str | None, Field(alias="eTag"), _Short] = None
    version_id: Annotated[str | None, Field(alias="versionId"), _Short] = None
    sequencer: Annotated[str | None, Field(pattern="^[0-9A-Fa-f]+$"), _Short] = None


class _S3(BaseModel):
    bucket: _Bucket
    object: _Object


class _Record(BaseModel):
    event_name: Annotated[str, Field(alias="eventName")]
    event_time: Annotated[AwareDatetime, AfterValidator(_in_calendar), Field(alias="eventTime")]
    event_source: Annotated[str | None, Field(alias="eventSource")] = None
    s3: _S3


class Notification(BaseModel):
    """The value of a record in `images.uploaded`."""

    # The errors of a million invalid records would need gigabytes, so the first error ends the validation.
    records: Annotated[list[_Record], AfterValidator(_some)] = Field(alias="Records", fail_fast=True)


@dataclass(frozen=True, slots=True)
class BucketNotification:
    """The notification of a change to one object.

    `source`: who wrote it: "bucket", "reconciler", "assigner", or "retry" (the reconciler too). `dropped`: why it is
    not processed, None if it is. `is_doubtful`: the object may exist in spite of this removal, so the bucket must be
    asked.

    A removal is doubtful in three cases. MinIO sends the same notification when a delete marker is deleted and when
    one is created; in the first case the object exists. A deleted "null" version may be the last one or an old one. And
    the reconciler relies on a listing, which may have lacked objects that exist.
    """

    event: BucketEvent
    source: str = "bucket"
    dropped: Drop | None = None
    is_doubtful: bool = False


def bucket_events(record: ConsumedRecord, bucket: str, rule: PhotoRule) -> Sequence[BucketNotification]:
    """Return the notifications in a record; raises `Poison` if the record has none.

    `dropped` is set for three kinds. First, for buckets other than `bucket`: otherwise any producer of the topic could
    make the detector read every bucket that it may read, and a missing bucket or an invalid name would end it. Second,
    for changes that leave the photograph as it is. Third, for uploads whose key is not that of a photograph according
    to `rule`, if the bucket itself sent the notification: what facestream announces may be recorded under an earlier
    rule, and its faces stay until the object has an outcome again. For the same reason, the rule never drops a removal.

    A removal with a version is the permanent removal of this version; without a version, the object is gone.
    """
    return [_notification(found, bucket, rule) for found in decoded(record, Notification).records]


def count(notification: BucketNotification) -> None:
    """Count a notification by its source, and by the reason if it is dropped."""
    if notification.dropped:
        metrics.DROPPED.labels(notification.dropped).inc()
    if notification.dropped not in (Drop.OTHER_BUCKET, Drop.OTHER_CHANGE):
        metrics.BUCKET_NOTIFICATIONS.labels(
            notification.source, "removed" if notification.event.removed else "written"
        ).inc()


def _notification(record: _Record, bucket: str, rule: PhotoRule) -> BucketNotification:
    name, changed = record.event_name.removeprefix("s3:"), record.s3.object
    removed = name.startswith(_REMOVED)
    event = BucketEvent(
        bucket=record.s3.bucket.name,
        key=changed.key,
        size=changed.size,
        etag=changed.etag.strip('"') if changed.etag else None,
        version_id=_version(changed.version_id) if not removed or name in _OF_VERSION else None,
        sequencer=changed.sequencer or None,
        occurred_at=record.event_time,
        removed=removed,
    )
    source = _SOURCES.get(record.event_source or "", "bucket")
    dropped = None
    if event.bucket != bucket:
        dropped = Drop.OTHER_BUCKET
    elif not removed and name not in _WRITTEN:
        dropped = Drop.OTHER_CHANGE
    elif not removed and source == "bucket" and rule.passes_over(event.key):
        dropped = Drop.NO_PHOTOGRAPH
    is_null = name in _OF_VERSION and changed.version_id == _WITHOUT_VERSIONS
    doubtful = removed and (name == _DELETE_MARKER or is_null or record.event_source == RECONCILER)
    return BucketNotification(event, source, dropped, doubtful)


def _version(name: str | None) -> str | None:
    return name if name and name != _WITHOUT_VERSIONS else None
