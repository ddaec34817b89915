"""What the detector makes of a record of `images.uploaded`, by the parser that it uses."""

from shared.bucket_notification import bucket_events
from shared.events import BucketEvent
from shared.photo_rule import PhotoRule
from shared.ports import ConsumedRecord


def told(record: ConsumedRecord, bucket: str = "photos") -> list[BucketEvent]:
    """Return the events of a record that are not dropped."""
    return [notice.event for notice in bucket_events(record, bucket, PhotoRule()) if not notice.dropped]
