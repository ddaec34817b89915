"""What the detector makes of a record of `images.uploaded`, by the parser that it uses."""

from shared.domain.events import BucketEvent
from shared.photos.photo_rule import PhotoRule
from shared.ports.streams import ConsumedRecord
from shared.stream.bucket_notifications import bucket_events


def events_of(record: ConsumedRecord, bucket: str = "photos") -> list[BucketEvent]:
    """Return the events of a record that are not dropped."""
    return [notice.event for notice in bucket_events(record, bucket, PhotoRule()) if not notice.dropped]
