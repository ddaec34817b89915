"""Notices of a bucket in the form that MinIO gives them, written by someone else than MinIO."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote_plus

from shared.domain.events import Photo
from shared.domain.records import ImageRecord
from shared.domain.topics import IMAGES_UPLOADED
from shared.ports.objects import ObjectInfo
from shared.ports.streams import ProducedRecord
from shared.stream.bucket_notifications import ASSIGNER, RECONCILER, RETRY

_NEXT = timedelta(milliseconds=1)  # the least that a notice tells apart


def uploaded(
    bucket: str, info: ObjectInfo, known: Sequence[ImageRecord] = (), *, retry: bool = False
) -> ProducedRecord:
    """Return the notice of an object that is there. A listing tells no sequencer.

    `retry`: the stream has heard of it and is to try once more; else its notice was lost.

    Where the object has a past that is `known`, the notice is later than all of it, whenever that content was
    written: somebody has deleted a newer version, or a delete marker, and none of that is told as an upload.
    """
    facts = {"size": info.size, "eTag": info.etag or ""}
    sequencers = [image.sequencer for image in known if image.sequencer]
    if sequencers:
        facts["sequencer"] = following(max(sequencers, key=lambda sequencer: int(sequencer, 16)))
    time = max([info.modified, *(image.uploaded_at + _NEXT for image in known)])
    return _notice(RETRY if retry else RECONCILER, "s3:ObjectCreated:Put", (bucket, info.key), facts, time)


def removed(image: ImageRecord, now: datetime) -> ProducedRecord:
    """Return the notice that the object of an image is gone.

    Its sequencer is the next after that of the image: later than all that is known, and earlier than an upload that
    may come at this moment.
    """
    facts = {"eTag": image.etag}
    if image.sequencer:
        facts["sequencer"] = following(image.sequencer)
    return _notice(RECONCILER, "s3:ObjectRemoved:Delete", (image.bucket, image.key), facts, now)


def again(photo: Photo) -> ProducedRecord:
    """Return the notice of a photograph that is to be detected once more, the next thing after its upload."""
    facts: dict[str, object] = {"size": photo.size, "eTag": photo.etag}
    if photo.version_id:
        facts["versionId"] = photo.version_id
    if photo.sequencer:
        facts["sequencer"] = following(photo.sequencer)
    time = photo.uploaded_at + _NEXT
    return _notice(ASSIGNER, "s3:ObjectCreated:Put", (photo.bucket, photo.key), facts, time)


def following(sequencer: str) -> str:
    """Return the next sequencer. Those of MinIO are nanoseconds, so nothing else of the same object has it."""
    return f"{int(sequencer, 16) + 1:0{len(sequencer)}X}"


def _notice(
    source: str, name: str, place: tuple[str, str], facts: Mapping[str, object], time: datetime
) -> ProducedRecord:
    bucket, key = place
    record = {
        "eventVersion": "2.0",
        "eventSource": source,
        "awsRegion": "",
        "eventTime": time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "eventName": name,
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "Config",
            "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
            "object": {"key": quote_plus(key), **facts},
        },
    }
    body = {"EventName": name, "Key": f"{bucket}/{key}", "Records": [record]}
    value = json.dumps(body, ensure_ascii=False).encode()
    return ProducedRecord(IMAGES_UPLOADED.name, f"{bucket}/{key}".encode(), value, {})
