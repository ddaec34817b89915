"""`facestream reconcile`: what the bucket holds beside what the database knows.

Both come in the same order, so one walk over both compares them, whatever their number. While it goes on, objects
come and go and outcomes are written; so each difference is looked at again, by itself, before it is announced.

Absence in a listing is not removal: MinIO lists nothing of a folder beside an object of the folder's name. So the
object itself is asked for. And where far more is gone than people remove without the stream hearing of it, a wrong,
new or half restored bucket is likelier than that: nothing is announced as removed until a person has looked.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, takewhile
from typing import Protocol

from more_itertools import chunked

from cli.jobs.watching import printable
from shared import metrics, notices
from shared.adapters.kafka import KafkaSettings
from shared.adapters.kafka_backlog import longest_wait
from shared.adapters.kafka_idle import idle_partitions, roll
from shared.adapters.kafka_writer import KafkaWriter
from shared.adapters.minio import MinioSettings, MinioStore
from shared.adapters.mongo import MongoRepository, MongoSettings
from shared.errors import Fatal, ObjectRefused
from shared.events import Outcome
from shared.health import Health, serve
from shared.ids import object_id
from shared.photo_rule import PhotoRule, PhotoSettings
from shared.ports import FaceRepository, ObjectInfo, ObjectStore, ProducedRecord
from shared.records import ImageRecord
from shared.service import ServiceSettings
from shared.settings import BucketSettings, ReconcilerSettings

_BLOCK = 500  # objects looked up at once, and notices in one transaction
_THREADS = 16  # objects asked for at once; as many connections as the store keeps open
_BEHIND = timedelta(hours=1)  # what waits for longer than this, and than the grace, says that the stream is behind
_LONGEST = timedelta(hours=6)  # that a comparison may take; then the process counts as stuck
# Removals that are never too many, of whatever share: of a hundred photographs a person removes thirty in one go.
_FEW = 20


class Held(Fatal):
    """So many photographs are gone that a person has to say whether they were removed."""


class Writer(Protocol):
    """Writes records, all or none."""

    def write(self, records: Sequence[ProducedRecord]) -> None:
        """Write them; raises `Transient`, `Fatal`."""
        ...


@dataclass
class Report:
    """The numbers of one comparison. `gone` are announced as removed unless they are `held` back."""

    objects: int = 0
    known: int = 0
    without_outcome: int = 0
    again: int = 0
    young: int = 0
    hidden: int = 0
    first_hidden: str = ""
    closed: int = 0
    first_closed: str = ""
    gone: int = 0
    prefix_of_gone: str = ""
    held: bool = False

    def lines(self, *, dry_run: bool) -> Iterator[str]:
        """Yield the numbers for a person."""
        announced = "would be announced" if dry_run else "announced"
        yield f"{self.objects} objects in the bucket"
        yield f"{self.without_outcome} without an outcome: {announced} as uploaded"
        if self.again:
            yield f"{self.again} that could not be read: {announced} again"
        yield f"{self.young} without an outcome, and too young to be missed"
        if self.hidden:
            first = printable(self.first_hidden)
            yield f"{self.hidden} objects are there though the listing does not show them ({first} is the first)"
        if self.closed:
            first = printable(self.first_closed)
            yield f"{self.closed} known objects are not listed and may not be looked at: kept ({first} is the first)"
        if not self.held:
            yield f"{self.gone} known and gone from the bucket: {announced} as removed"

    def objection(self) -> str:
        """Return why nothing was announced as removed, and what to do."""
        keys = f"; their keys begin with {printable(self.prefix_of_gone)}" if self.prefix_of_gone else ""
        return (
            f"{self.gone} of {self.known} known photographs are not in the bucket{keys}. Of so many at once nothing is"
            " announced as removed. Look whether the bucket is the right one and whole; if they were removed on"
            " purpose, run `facestream reconcile --largest-loss 1`"
        )


@dataclass(frozen=True, slots=True)
class _Pair:
    """One key: the object if there is one, the images that the database has of it."""

    info: ObjectInfo | None
    images: Sequence[ImageRecord]


def told_metrics(period: timedelta) -> Health:
    """Answer on the health port, if the settings of services name one, while comparisons are made again and again.

    Whoever makes them notes each of them in what is returned; where none comes for long, the process is not live.
    """
    settings, health = ServiceSettings(), Health(longest_silence=(period + _LONGEST).total_seconds())
    health.ready = True
    if settings.health_port:
        serve(health, settings.health_host, settings.health_port)
    return health


def reconcile_bucket(
    *, dry_run: bool, grace: float, largest_loss: float | None = None, unreadable: bool = False
) -> Iterator[str]:
    """Compare the bucket and the database of the settings; yield what a person wants to know.

    Then have Kafka forget what was erased (`kafka_idle`). Raises `Held` when all else is done, and not for a dry run.
    """
    kafka, bucket = KafkaSettings(), BucketSettings().photos
    limit = ReconcilerSettings().largest_loss if largest_loss is None else largest_loss
    backlog = longest_wait(kafka)
    report = None
    writer = None if dry_run else KafkaWriter(kafka, "reconcile")
    if backlog is not None and datetime.now(UTC) - backlog.since > max(timedelta(seconds=grace), _BEHIND):
        # What waits there would be announced again by every run, and never get less.
        yield f"the stream is behind: {backlog}; nothing is announced, run this again when it has caught up"
    else:
        store = MinioStore(MinioSettings())
        with MongoRepository(MongoSettings()) as repository:
            report = reconcile(
                store,
                repository,
                bucket,
                writer or _Nobody(),
                timedelta(seconds=grace),
                largest_loss=limit,
                rule=PhotoRule.of(PhotoSettings()),
                unreadable=unreadable,
            )
        metrics.RECONCILE_HELD.set(report.gone if report.held else 0)
        metrics.RECONCILE_HIDDEN.set(report.hidden)
        yield from report.lines(dry_run=dry_run)
    if writer and (idle := idle_partitions(kafka)):
        roll(writer, idle)
        yield f"{len(idle)} idle partitions: written to, since Kafka forgets what was erased when more is written"
    if report and report.held:
        if not dry_run:
            raise Held(report.objection())
        yield report.objection()


def reconcile(
    objects: ObjectStore,
    repository: FaceRepository,
    bucket: str,
    writer: Writer,
    grace: timedelta,
    *,
    largest_loss: float,
    rule: PhotoRule,
    unreadable: bool = False,
) -> Report:
    """Announce what the stream has not heard of; holds 500 differences at a time, and the keys of all that is gone.

    `largest_loss`: share of what is known that may be announced as removed in one run; 1: all. A million keys of 60
    bytes take 100 MB. Objects that the `rule` passes over by their keys have no outcome, and none is missed.
    Photographs that could not be read for a reason that may pass are announced again; `unreadable`: all others too.
    """
    now, report = datetime.now(UTC), Report()
    gone: list[str] = []
    with ThreadPoolExecutor(_THREADS, "exists") as pool:
        pairs = _differences(objects.list(bucket), repository, bucket, report, rule=rule, unreadable=unreadable)
        for block in chunked(pairs, _BLOCK):
            found: list[ProducedRecord] = []
            infos = [pair.info for pair in block if pair.info]
            for info, known in _still_undecided(repository, bucket, infos, unreadable=unreadable):
                is_known = _is_known(info, known)
                if now - info.modified < grace and not is_known:
                    report.young += 1
                    continue
                report.again += is_known
                report.without_outcome += not is_known
                found.append(notices.uploaded(bucket, info, known))
            if found:
                writer.write(found)
            gone += _gone(objects, pool, bucket, [pair.images[0].key for pair in block if not pair.info], report)
    report.gone, report.prefix_of_gone = len(gone), _common_prefix(gone)
    report.held = _is_too_much(report, largest_loss)
    if not report.held:
        report.gone = sum(_announced(repository, bucket, keys, writer, now) for keys in chunked(gone, _BLOCK))
    return report


def _is_too_much(report: Report, largest_loss: float) -> bool:
    if not report.gone or largest_loss >= 1:
        return False
    # An empty bucket is that of another, a new or a lost store, however few photographs it should hold.
    return not report.objects or report.gone > max(_FEW, largest_loss * report.known)


def _differences(
    infos: Iterator[ObjectInfo],
    repository: FaceRepository,
    bucket: str,
    report: Report,
    *,
    rule: PhotoRule,
    unreadable: bool,
) -> Iterator[_Pair]:
    for pair in _side_by_side(infos, repository.images(), bucket):
        if pair.info and not pair.images and rule.passes_over(pair.info.key):
            continue
        is_removed = all(map(_is_removed, pair.images))
        report.objects += pair.info is not None
        report.known += not is_removed
        decided = _is_decided(pair.info, pair.images, unreadable=unreadable) if pair.info else is_removed
        if not decided:
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


def _is_decided(info: ObjectInfo, images: Iterable[ImageRecord], *, unreadable: bool) -> bool:
    """Say whether what an object holds has an outcome that stands.

    One for a reason that may pass does not; with `unreadable`, none of a photograph that could not be read does.
    """
    standing = [image for image in images if not (image.passing or (unreadable and _is_unreadable(image)))]
    return _is_known(info, standing)


def _is_unreadable(image: ImageRecord) -> bool:
    return image.outcome is Outcome.UNREADABLE


def _still_undecided(
    repository: FaceRepository, bucket: str, infos: Iterable[ObjectInfo], *, unreadable: bool
) -> Iterator[tuple[ObjectInfo, Sequence[ImageRecord]]]:
    """Yield the objects whose content has no outcome that stands, each with what is known of it."""
    by_id = {object_id(bucket, info.key): info for info in infos}
    known = repository.images_of(list(by_id))
    for its_id, info in by_id.items():
        images = known.get(its_id, ())
        if not _is_decided(info, images, unreadable=unreadable):
            yield info, images


def _gone(objects: ObjectStore, pool: Executor, bucket: str, unlisted: Sequence[str], report: Report) -> Iterator[str]:
    """Yield those of the keys that no listing has of which the store itself says that there is no object."""

    def there(key: str) -> bool | None:
        try:
            return objects.exists(bucket, key)
        except ObjectRefused:
            return None

    for key, exists in zip(unlisted, pool.map(there, unlisted), strict=True):
        if exists is None:  # what may not be looked at is not gone
            report.first_closed = report.first_closed or key
            report.closed += 1
        elif exists:
            report.first_hidden = report.first_hidden or key
            report.hidden += 1
        else:
            yield key


def _announced(repository: FaceRepository, bucket: str, keys: Sequence[str], writer: Writer, now: datetime) -> int:
    """Announce as removed what is still known of these objects; return of how many."""
    known = repository.images_of([object_id(bucket, key) for key in keys])
    living = [[image for image in images if not _is_removed(image)] for images in known.values()]
    found = [notices.removed(images[-1], now) for images in living if images]
    if found:
        writer.write(found)
    return len(found)


def _common_prefix(ordered: Sequence[str]) -> str:
    """Return the folder that all of these keys have in common, else the letters that they begin with."""
    if not ordered:
        return ""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(ordered[0], ordered[-1], strict=False))
    prefix = "".join(letter for letter, _ in pairs)
    folder, slash, _ = prefix.rpartition("/")
    return folder + slash if slash else prefix


class _Nobody:
    """A writer for a dry run."""

    def write(self, records: Sequence[ProducedRecord]) -> None:
        """Write nothing."""
