"""Image records for what is removed: images to erase, the placeholder of stale faces, and the mark of a gone object.

All of them have the outcome `removed`. An image to erase has faces; the mark of a gone object has none, and stays: with
it, an event that comes late is recognised as older than the removal.
"""

from collections.abc import Sequence
from dataclasses import replace

from shared.domain.events import Outcome, Photo
from shared.domain.ids import image_id
from shared.domain.records import ImageRecord
from shared.stream.notification_records import next_sequencer


def to_erase(image: ImageRecord, source: str) -> ImageRecord:
    """Return the record of an image that is to be erased because of the record `source`."""
    return replace(image, outcome=Outcome.REMOVED, reason=None, source=source)


def placeholder_of(image: ImageRecord, source: str) -> ImageRecord:
    """Return a placeholder image for the stale faces of `image`, so that the normal removal erases them.

    `source`: the id of the record whose photograph does not have these faces.
    """
    name = image_id(image.object_id, None, f"other faces before {source}")
    return replace(to_erase(image, source), image_id=name)


def removal_id(photo: Photo) -> str:
    """Return the image id of the record that marks an object as gone, whatever its content was."""
    return image_id(photo.object_id, None, f"removed at {photo.sequencer or photo.uploaded_at.isoformat()}")


def removal_record(photo: Photo, stale: Sequence[ImageRecord], source: str) -> ImageRecord:
    """Return the record that marks an object as gone, for events that come late. `stale`: its images to erase.

    If only one version of the object was deleted, later versions may exist: then the removal directly follows this
    version.
    """
    if photo.version_id:
        last = stale[-1]
        sequencer = last.sequencer and next_sequencer(last.sequencer)
        photo = replace(photo, sequencer=sequencer, uploaded_at=last.uploaded_at)
    return ImageRecord(
        image_id=removal_id(photo),
        object_id=photo.object_id,
        bucket=photo.bucket,
        key=photo.key,
        etag="",
        size=0,
        uploaded_at=photo.uploaded_at,
        outcome=Outcome.REMOVED,
        sequencer=photo.sequencer,
        source=source,
    )
