"""What has changed in the folder since the last run: new photographs, replaced ones, removed ones."""

from collections.abc import Iterator
from dataclasses import dataclass

from more_itertools import chunked

from shared.events import BucketEvent
from shared.ids import object_id
from shared.photo_files import is_photo_name
from shared.ports import FaceRepository, ObjectInfo, ObjectStore
from shared.records import ImageRecord

_BLOCK = 500  # photographs looked up in the repository at once


@dataclass(frozen=True, slots=True)
class Census:
    """What a listing of the folder holds: photographs, and files whose names say that they are something else."""

    photos: int
    others: int


def census(objects: ObjectStore, bucket: str) -> Census:
    """Count what is in a bucket."""
    photos = others = 0
    for info in objects.list(bucket):
        if is_photo_name(info.key):
            photos += 1
        else:
            others += 1
    return Census(photos, others)


def _is_of(image: ImageRecord, info: ObjectInfo) -> bool:
    return image.size == info.size and image.uploaded_at == info.modified


def changed(objects: ObjectStore, repository: FaceRepository, bucket: str) -> Iterator[BucketEvent]:
    """Yield an event for each photograph that the repository does not know as it is now (size and time)."""
    listing = (info for info in objects.list(bucket) if is_photo_name(info.key))
    for block in chunked(listing, _BLOCK):
        ids = [object_id(bucket, info.key) for info in block]
        known = repository.images_of(ids)
        for info, its_id in zip(block, ids, strict=True):
            if not any(_is_of(image, info) for image in known.get(its_id, ())):
                yield BucketEvent(
                    bucket=bucket, key=info.key, size=info.size, etag=info.etag, occurred_at=info.modified
                )


def outdated(objects: ObjectStore, repository: FaceRepository, bucket: str) -> Iterator[ImageRecord]:
    """Yield each known image whose file is gone or is another one now.

    What lies in a folder that cannot be read just now is neither. Both sides come in the same order, so they are
    compared by one walk over both, whatever their number.
    """
    listing = (info for info in objects.list(bucket) if is_photo_name(info.key))
    info, closed = next(listing, None), None
    for image in repository.images():
        if image.bucket != bucket:
            continue
        while info is not None and info.key.encode() < image.key.encode():
            closed = info.key if info.key.endswith("/") else closed
            info = next(listing, None)
        if closed and image.key.startswith(closed):
            continue
        if info is None or info.key != image.key or not _is_of(image, info):
            yield image
