"""Records of `images.uploaded` that facestream writes itself, in the form of MinIO's notifications."""

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

_RESOLUTION = timedelta(milliseconds=1)  # of the time in a notification


def uploaded(
    bucket: str, info: ObjectInfo, known: Sequence[ImageRecord] = (), *, retry: bool = False
) -> ProducedRecord:
    """Return the notification that an object exists. A listing has no sequencer.

    `known`: the recorded images of the object. The notification is later than all of them, whenever its content was
    written: if a newer version or a delete marker was deleted, the store does not report an upload.

    `retry`: the stream has processed the object, and is to try it again; else the store's notification was lost.
    """
    facts = {"size": info.size, "eTag": info.etag or ""}
    sequencers = [image.sequencer for image in known if image.sequencer]
    if sequencers:
        facts["sequencer"] = next_sequencer(max(sequencers, key=lambda sequencer: int(sequencer, 16)))
    time = max([info.modified, *(image.uploaded_at + _RESOLUTION for image in known)])
    return _record(RETRY if retry else RECONCILER, "s3:ObjectCreated:Put", (bucket, info.key), facts, time)


def removed(image: ImageRecord, now: datetime) -> ProducedRecord:
    """Return the notification that the object of an image is gone.

    Its sequencer is the next one after that of the image: later than everything that is recorded, and earlier than an
    upload that may happen now.
    """
    facts = {"eTag": image.etag}
    if image.sequencer:
        facts["sequencer"] = next_sequencer(image.sequencer)
    return _record(RECONCILER, "s3:ObjectRemoved:Delete", (image.bucket, image.key), facts, now)


def detect_again(photo: Photo) -> ProducedRecord:
    """Return the notification by which a photograph is detected again. It directly follows the photograph's upload."""
    facts: dict[str, object] = {"size": photo.size, "eTag": photo.etag}
    if photo.version_id:
        facts["versionId"] = photo.version_id
    if photo.sequencer:
        facts["sequencer"] = next_sequencer(photo.sequencer)
    time = photo.uploaded_at + _RESOLUTION
    return _record(ASSIGNER, "s3:ObjectCreated:Put", (photo.bucket, photo.key), facts, time)


def next_sequencer(sequencer: str) -> str:
    """Return the next sequencer. MinIO's are times in nanoseconds, so no other event of the same object has it."""
    return f"{int(sequencer, 16) + 1:0{len(sequencer)}X}"


def _record(
    source: str, name: str, bucket_and_key: tuple[str, str], facts: Mapping[str, object], time: datetime
) -> ProducedRecord:
    bucket, key = bucket_and_key
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
