"""What MinIO, and S3, write to `images.uploaded`: a record of what happened in a bucket."""

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import unquote_plus

from pydantic import AwareDatetime, BaseModel, Field

from shared.events import BucketEvent
from shared.ports import ConsumedRecord
from shared.streaming import decoded

# Not all of `ObjectCreated:*`: of changed tags or retention we are told as well, and the picture is the same.
_WRITTEN = {f"ObjectCreated:{how}" for how in ("Put", "Post", "Copy", "CompleteMultipartUpload")}
_REMOVED = "ObjectRemoved:"


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
    s3: _S3


class Notification(BaseModel):
    """The value of a record in `images.uploaded`."""

    records: Annotated[list[_Record], Field(alias="Records")]


def bucket_events(record: ConsumedRecord) -> Sequence[BucketEvent]:
    """Return what a record says of objects that were written or removed; raises `Poison` where it is no such record."""
    return [event for found in decoded(record, Notification).records if (event := _event(found))]


def _event(record: _Record) -> BucketEvent | None:
    name, changed = record.event_name.removeprefix("s3:"), record.s3.object
    removed = name.startswith(_REMOVED)
    if not removed and name not in _WRITTEN:
        return None
    return BucketEvent(
        bucket=record.s3.bucket.name,
        key=unquote_plus(changed.key),
        size=changed.size,
        etag=changed.etag.strip('"') if changed.etag else None,
        # "null" names every object that was written while the bucket kept no versions.
        version_id=changed.version_id if changed.version_id != "null" else None,
        sequencer=changed.sequencer or None,
        occurred_at=record.event_time,
        removed=removed,
    )
