"""What MinIO, and S3, write to `images.uploaded`: a record of what happened in a bucket."""

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
from shared.stream.photo_processor import decoded

# Not all of `ObjectCreated:*`: of changed tags or retention we are told as well, and the picture is the same.
_WRITTEN = {f"ObjectCreated:{how}" for how in ("Put", "Post", "Copy", "CompleteMultipartUpload")}
_REMOVED = "ObjectRemoved:"
_OF_VERSION = {"ObjectRemoved:Delete", "ObjectRemoved:NoOP"}
_DELETE_MARKER = "ObjectRemoved:DeleteMarkerCreated"
_WITHOUT_VERSIONS = "null"  # the version of every object that was written while the bucket kept none
_LONGEST = 1024  # bytes of a key, by S3; and characters of what else of an object goes into every later event
_SIZES = 2**63  # what the repository can hold
_ROOM = timedelta(days=366)  # more than is ever added to the time of a notice

RECONCILER = "facestream:reconcile"
"""The source of notices that the reconciler writes. Each of them is one that was lost on the bucket's side."""
ASSIGNER = "facestream:assigner"
"""The source of notices by which the assigner asks for a photograph to be detected once more."""
RETRY = "facestream:again"
"""The source of notices by which the reconciler asks for a photograph to be tried once more: none of them was lost."""
_SOURCES = {RECONCILER: "reconciler", ASSIGNER: "assigner", RETRY: "retry"}


def _in_calendar(time: datetime) -> datetime:
    try:
        time.astimezone(UTC) + _ROOM
    except OverflowError:
        msg = "expected a time at which a year may be added, found one at the end of the calendar"
        raise ValueError(msg) from None
    return time


def _key(quoted: str) -> str:
    key = unquote_plus(quoted)
    if not 0 < (size := len(key.encode())) <= _LONGEST:
        msg = f"expected the key of an object, of 1 to {_LONGEST:,} bytes, found one of {size:,}"
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


# What of these fields cannot be is refused here, and not in the schema: that says what MinIO and S3 write.
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

    # The errors of a million records that are none would be gigabytes: the first one ends the reading.
    records: Annotated[list[_Record], AfterValidator(_some)] = Field(alias="Records", fail_fast=True)


@dataclass(frozen=True, slots=True)
class Notice:
    """What a notification says of one object, and what may be made of it before anybody is asked.

    `source`: whose word it is: the bucket's, the reconciler's, the assigner's, or that of a retry. `dropped`: why it
    comes to nothing, None where it does not. `is_doubtful`: whether this removal is one, only the bucket can tell.

    MinIO tells of a delete marker that was deleted by the same words as of one that was made: the object is there
    again then, or has been all the time. A "null" version that was deleted may have been the last one or an old one.
    And what the reconciler says is not the bucket's own word: it may have waited here since a moment at which the
    bucket showed less than it holds.
    """

    event: BucketEvent
    source: str = "bucket"
    dropped: Drop | None = None
    is_doubtful: bool = False


def bucket_events(record: ConsumedRecord, bucket: str, rule: PhotoRule) -> Sequence[Notice]:
    """Return what a record says of objects of any bucket; raises `Poison` where it is no such record.

    Dropped is what is said of another bucket than `bucket`: whoever writes here could else have any bucket read that
    the detector may read, and a bucket that is not there, or a name that no bucket can have, would stop it. Dropped as
    well are changes that leave the picture as it is, and uploads of what the `rule` takes for no photograph by its key.
    That last only where the bucket tells of it: what we announce has a past under another rule, whose faces stay until
    the object has an outcome again. And a removal is never dropped by the rule: it may have been another one when the
    object came.

    A removal that has a version is that of this version, for good; one without says that the object is gone.
    """
    return [_notice(found, bucket, rule) for found in decoded(record, Notification).records]


def count(notice: Notice) -> None:
    """Count a notice by who gives it, and by why it is dropped, if it is."""
    if notice.dropped:
        metrics.DROPPED.labels(notice.dropped).inc()
    if notice.dropped not in (Drop.OTHER_BUCKET, Drop.OTHER_CHANGE):
        metrics.BUCKET_NOTIFICATIONS.labels(notice.source, "removed" if notice.event.removed else "written").inc()


def _notice(record: _Record, bucket: str, rule: PhotoRule) -> Notice:
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
    return Notice(event, source, dropped, doubtful)


def _version(name: str | None) -> str | None:
    return name if name and name != _WITHOUT_VERSIONS else None
