"""`facestream reconcile`: what the bucket holds beside what the database knows.

Both come in the same order, so one walk over both compares them, whatever their number. While it goes on, objects
come and go and outcomes are written; so each difference is looked at again, by itself, before it is announced.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Protocol

from more_itertools import chunked

from shared import notices
from shared.adapters.kafka import KafkaSettings
from shared.adapters.kafka_backlog import longest_wait
from shared.adapters.kafka_writer import KafkaWriter
from shared.adapters.minio import MinioSettings, MinioStore
from shared.adapters.mongo import MongoRepository, MongoSettings
from shared.events import Outcome
from shared.ids import object_id
from shared.ports import FaceRepository, ObjectInfo, ObjectStore, ProducedRecord
from shared.records import ImageRecord
from shared.settings import BucketSettings

_BLOCK = 500  # objects looked up at once, and notices in one transaction
_BEHIND = timedelta(hours=1)  # what waits for longer than this, and than the grace, says that the stream is behind


class Writer(Protocol):
    """Writes records, all or none."""

    def write(self, records: Sequence[ProducedRecord]) -> None:
        """Write them; raises `Transient`, `Fatal`."""
        ...


@dataclass
class Report:
    """The numbers of one comparison."""

    objects: int = 0
    without_outcome: int = 0
    young: int = 0
    gone: int = 0

    def lines(self, *, dry_run: bool) -> Iterator[str]:
        """Yield the numbers for a person."""
        announced = "would be announced" if dry_run else "announced"
        yield f"{self.objects} objects in the bucket"
        yield f"{self.without_outcome} without an outcome: {announced} as uploaded"
        yield f"{self.young} without an outcome, and too young to be missed"
        yield f"{self.gone} known and gone from the bucket: {announced} as removed"


@dataclass(frozen=True, slots=True)
class _Pair:
    """One key: the object if there is one, the images that the database has of it."""

    info: ObjectInfo | None
    images: Sequence[ImageRecord]


def reconcile_bucket(*, dry_run: bool, grace: float) -> Iterator[str]:
    """Compare the bucket and the database of the settings; yield what a person wants to know."""
    kafka, bucket = KafkaSettings(), BucketSettings().photos
    backlog = longest_wait(kafka)
    if backlog is not None and datetime.now(UTC) - backlog.since > max(timedelta(seconds=grace), _BEHIND):
        # What waits there would be announced again by every run, and never get less.
        yield f"the stream is behind: {backlog}; nothing is announced, run this again when it has caught up"
        return
    store = MinioStore(MinioSettings())
    writer: Writer = _Nobody() if dry_run else KafkaWriter(kafka, "reconcile")
    with MongoRepository(MongoSettings()) as repository:
        report = reconcile(store, repository, bucket, writer, timedelta(seconds=grace))
    yield from report.lines(dry_run=dry_run)


def reconcile(
    objects: ObjectStore, repository: FaceRepository, bucket: str, writer: Writer, grace: timedelta
) -> Report:
    """Announce what the stream has not heard of; holds 500 differences at a time."""
    now, report = datetime.now(UTC), Report()
    for block in chunked(_differences(objects, repository, bucket, report), _BLOCK):
        found: list[ProducedRecord] = []
        for info, known in _still_unknown(repository, bucket, (pair.info for pair in block if pair.info)):
            if now - info.modified < grace:
                report.young += 1
            else:
                report.without_outcome += 1
                found.append(notices.uploaded(bucket, info, known))
        for pair in block:
            image = next((image for image in reversed(pair.images) if not _is_removed(image)), None)
            if pair.info is None and image and _is_gone(objects, repository, image):
                report.gone += 1
                found.append(notices.removed(image, now))
        if found:
            writer.write(found)
    return report


def _differences(objects: ObjectStore, repository: FaceRepository, bucket: str, report: Report) -> Iterator[_Pair]:
    for pair in _side_by_side(objects.list(bucket), repository.images(), bucket):
        report.objects += pair.info is not None
        if not (_is_known(pair.info, pair.images) if pair.info else all(map(_is_removed, pair.images))):
            yield pair


def _side_by_side(infos: Iterator[ObjectInfo], images: Iterable[ImageRecord], bucket: str) -> Iterator[_Pair]:
    """Yield every key that one of the two has, in the order of UTF-8 bytes, which both come in."""
    info = next(infos, None)
    for key, group in groupby((image for image in images if image.bucket == bucket), lambda image: image.key):
        while info is not None and info.key.encode() < key.encode():
            yield _Pair(info, ())
            info = next(infos, None)
        same = info if info is not None and info.key == key else None
        yield _Pair(same, list(group))
        info = next(infos, None) if same else info
    while info is not None:
        yield _Pair(info, ())
        info = next(infos, None)


def _is_removed(image: ImageRecord) -> bool:
    return image.outcome is Outcome.REMOVED


def _is_known(info: ObjectInfo, images: Iterable[ImageRecord]) -> bool:
    return any(image.etag == info.etag and image.size == info.size and not _is_removed(image) for image in images)


def _still_unknown(
    repository: FaceRepository, bucket: str, infos: Iterable[ObjectInfo]
) -> Iterator[tuple[ObjectInfo, Sequence[ImageRecord]]]:
    """Yield the objects whose content has no outcome, each with what else is known of it."""
    by_id = {object_id(bucket, info.key): info for info in infos}
    known = repository.images_of(list(by_id))
    for its_id, info in by_id.items():
        images = known.get(its_id, ())
        if not _is_known(info, images):
            yield info, images


def _is_gone(objects: ObjectStore, repository: FaceRepository, image: ImageRecord) -> bool:
    # A key is the first of all that begin with it.
    found = next(objects.list(image.bucket, image.key), None)
    known = repository.images_of([image.object_id]).get(image.object_id, ())
    return (found is None or found.key != image.key) and not all(map(_is_removed, known))


class _Nobody:
    """A writer for a dry run."""

    def write(self, records: Sequence[ProducedRecord]) -> None:
        """Write nothing."""
