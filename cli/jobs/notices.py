"""Notices of a bucket in the form that MinIO gives them, written by someone else than MinIO."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote_plus

from shared.ports import ObjectInfo, ProducedRecord
from shared.records import ImageRecord
from shared.topics import IMAGES_UPLOADED

_SOURCE = "facestream:reconcile"


def uploaded(bucket: str, info: ObjectInfo) -> ProducedRecord:
    """Return the notice of an object that is there. Without a sequencer: a listing does not tell it."""
    facts = {"size": info.size, "eTag": info.etag or ""}
    return _notice("s3:ObjectCreated:Put", bucket, info.key, facts, info.modified)


def removed(image: ImageRecord, now: datetime) -> ProducedRecord:
    """Return the notice that the object of an image is gone.

    Its sequencer is the next after that of the image: later than all that is known, and earlier than an upload that
    may come at this moment.
    """
    facts = {"eTag": image.etag}
    if image.sequencer:
        facts["sequencer"] = f"{int(image.sequencer, 16) + 1:0{len(image.sequencer)}X}"
    return _notice("s3:ObjectRemoved:Delete", image.bucket, image.key, facts, now)


def _notice(name: str, bucket: str, key: str, facts: Mapping[str, object], time: datetime) -> ProducedRecord:
    record = {
        "eventVersion": "2.0",
        "eventSource": _SOURCE,
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
