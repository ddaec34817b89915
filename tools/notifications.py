"""The events in a record of `images.uploaded`, by the parser of the detector."""

from shared.domain.events import BucketEvent
from shared.photos.photo_rule import PhotoRule
from shared.ports.streams import ConsumedRecord
from shared.stream.bucket_notifications import bucket_events


def events_of(record: ConsumedRecord, bucket: str = "photos") -> list[BucketEvent]:
    """Return the events of a record, without those that the detector drops."""
    return [found.event for found in bucket_events(record, bucket, PhotoRule()) if not found.dropped]
