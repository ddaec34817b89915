"""`facestream reconcile`: what the bucket holds beside what the database knows.

Both come in the same order, so one walk over both compares them, whatever their number. While it goes on, objects
come and go and outcomes are written; so each difference is looked at again, by itself, before it is announced.

Absence in a listing is not removal: MinIO lists nothing of a folder beside an object of the folder's name. So the
object itself is asked for. And where far more is gone than people remove without the stream hearing of it, a wrong,
new or half restored bucket is likelier than that: nothing is announced as removed until a person has looked. Unless
the stream has not read all yet: then it may be hearing of it.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import SystemRandom
from typing import Protocol

from more_itertools import chunked

from cli.reconciler.differences import differences, is_known, last_images, still_undecided
from cli.reconciler.summary import Report, common_prefix
from shared import metrics
from shared.adapters.kafka.backlog import longest_wait
from shared.adapters.kafka.idle_partitions import idle_partitions, roll
from shared.adapters.kafka.stream import KafkaSettings
from shared.adapters.kafka.writer import KafkaWriter
from shared.adapters.minio.store import MinioSettings, MinioStore
from shared.adapters.mongo.repository import MongoRepository, MongoSettings
from shared.errors import FacestreamError, Fatal, ObjectRefused
from shared.photos.photo_rule import PhotoRule, PhotoSettings
from shared.ports.objects import ObjectInfo, ObjectStore
from shared.ports.repository import FaceRepository
from shared.ports.streams import ProducedRecord
from shared.settings import BucketSettings, ReconcilerSettings
from shared.stream import notification_records as notices
from shared.stream.health import Health, serve
from shared.stream.service import ServiceSettings

_BLOCK = 500  # objects looked up at once, and notices in one transaction
_THREADS = 16  # objects asked for at once; as many connections as the store keeps open
_BEHIND = timedelta(hours=1)  # what waits for longer than this, and than the grace, says that the stream is behind
_LONGEST = timedelta(hours=6)  # that a comparison may take; then the process counts as stuck
# Removals that are never too many, of whatever share: of a hundred photographs a person removes thirty in one go.
_FEW = 20
_FEW_OF_ALL = 5  # removals that are never too many where the bucket is empty then, as a lost one is
# Photographs that are tried once more in one run: each may cost the detector the time after which it gives up.
_MOST_AGAIN = 100


class Held(Fatal):
    """So many photographs are gone that a person has to say whether they were removed."""

    exit_status = 3


@dataclass(frozen=True, slots=True)
class _Sides:
    """What is compared: the bucket and the database, and which objects are photographs."""

    minio: MinioSettings
    mongo: MongoSettings
    bucket: str
    rule: PhotoRule


class Writer(Protocol):
    """Writes records, all or none."""

    def write(self, records: Sequence[ProducedRecord]) -> None:
        """Write them; raises `Transient`, `Fatal`."""
        ...


def told_metrics(period: timedelta) -> Health:
    """Answer on the health port, if the settings of services name one, while comparisons are made again and again.

    Whoever makes them notes each of them in what is returned; where none comes for long, the process is not live.
    """
    settings, health = ServiceSettings(), Health(stall_timeout=(period + _LONGEST).total_seconds())
    health.ready = True
    if settings.health_port:
        serve(health, settings.health_host, settings.health_port)
    return health


def reconcile_bucket(
    *, dry_run: bool, grace: float, largest_loss: float | None = None, unreadable: bool = False
) -> Iterator[str]:
    """Compare the bucket and the database of the settings; yield what a person wants to know.

    Then have Kafka forget what was erased (`kafka_idle`), also where the comparison has failed: that has nothing to
    do with bucket and database. Raises `InvalidInput` before any server is asked, `Transient`, `Fatal`, and `Held`,
    which a dry run yields.
    """
    kafka = KafkaSettings()
    sides = _Sides(MinioSettings(), MongoSettings(), BucketSettings().photos, PhotoRule.of(PhotoSettings()))
    limit = ReconcilerSettings().largest_loss if largest_loss is None else largest_loss
    writer = None if dry_run else KafkaWriter(kafka, "reconcile")
    failed: FacestreamError | None = None
    try:
        yield from _compared(kafka, sides, writer, timedelta(seconds=grace), largest_loss=limit, unreadable=unreadable)
    except FacestreamError as error:
        failed = error
    if writer and (idle := idle_partitions(kafka)):
        roll(writer, idle)
        yield f"{len(idle)} idle partitions: written to, since Kafka forgets what was erased when more is written"
    if dry_run and isinstance(failed, Held):
        yield str(failed)
    elif failed:
        raise failed


def _compared(
    kafka: KafkaSettings,
    sides: _Sides,
    writer: KafkaWriter | None,
    grace: timedelta,
    *,
    largest_loss: float,
    unreadable: bool,
) -> Iterator[str]:
    backlog = longest_wait(kafka)
    if backlog is not None and datetime.now(UTC) - backlog.since > max(grace, _BEHIND):
        # What waits there would be announced again by every run, and never get less.
        yield f"the stream is behind: {backlog}; nothing is announced, run this again when it has caught up"
        return
    store = MinioStore(sides.minio)
    with MongoRepository(sides.mongo) as repository:
        report = reconcile(
            store,
            repository,
            sides.bucket,
            writer or _Nobody(),
            grace,
            largest_loss=largest_loss,
            rule=sides.rule,
            unreadable=unreadable,
            is_behind=lambda: longest_wait(kafka) is not None,
        )
    # A stream that is never done must not keep the alert silent: it is told where that lasts.
    metrics.RECONCILE_HELD.set(report.gone if report.held or report.awaited else 0)
    metrics.RECONCILE_HIDDEN.set(report.hidden)
    yield from report.lines(dry_run=writer is None)
    if report.held:
        raise Held(report.objection())


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
    is_behind: Callable[[], bool] = lambda: False,
) -> Report:
    """Announce what the stream has not heard of; holds 500 differences at a time, and the keys of all that is gone.

    `largest_loss`: share of what is known that may be announced as removed in one run; 1: all. A million keys of 60
    bytes take 100 MB. Objects that the `rule` passes over by their keys have no outcome, and none is missed.
    Photographs that could not be read for a reason that may pass are announced again, a hundred in one run;
    `unreadable`: all of them, and all others that could not be read. `is_behind` says whether anything waits in the
    stream; it is asked where too much is gone.
    """
    now, report = datetime.now(UTC), Report()
    gone: list[str] = []
    unread: list[ObjectInfo] = []
    with ThreadPoolExecutor(_THREADS, "exists") as pool:
        pairs = differences(objects.list(bucket), repository, bucket, report, rule=rule, unreadable=unreadable)
        for block in chunked(pairs, _BLOCK):
            found: list[ProducedRecord] = []
            infos = [pair.info for pair in block if pair.info]
            for info, known in still_undecided(repository, bucket, infos, unreadable=unreadable):
                if is_known(info, known):
                    unread.append(info)
                elif now - info.modified < grace:
                    report.young += 1
                else:
                    report.without_outcome += 1
                    found.append(notices.uploaded(bucket, info, known))
            if found:
                writer.write(found)
            gone += _gone(objects, pool, bucket, [pair.images[0].key for pair in block if not pair.info], report)
    _announce_removals(
        repository, bucket, gone, writer, report, largest_loss=largest_loss, is_behind=is_behind, now=now
    )
    _announce_again(repository, bucket, unread, writer, report, unreadable=unreadable)
    return report


def _announce_removals(
    repository: FaceRepository,
    bucket: str,
    keys: Sequence[str],
    writer: Writer,
    report: Report,
    *,
    largest_loss: float,
    is_behind: Callable[[], bool],
    now: datetime,
) -> None:
    """Announce as removed what is still known of these objects, unless that is too much."""
    report.gone, report.prefix_of_gone = len(keys), common_prefix(keys)
    if _is_too_much(report, largest_loss):
        # In this order: what the stream has read before it is asked is known then.
        awaits = is_behind()
        keys = [image.key for block in chunked(keys, _BLOCK) for image in last_images(repository, bucket, block)]
        report.known -= report.gone - len(keys)
        report.gone, report.prefix_of_gone = len(keys), common_prefix(sorted(keys))
        is_too_much = _is_too_much(report, largest_loss)
        report.awaited, report.held = is_too_much and awaits, is_too_much and not awaits
        if is_too_much:
            return
    report.gone = 0
    for block in chunked(keys, _BLOCK):
        if found := [notices.removed(image, now) for image in last_images(repository, bucket, block)]:
            writer.write(found)
        report.gone += len(found)


def _is_too_much(report: Report, largest_loss: float) -> bool:
    if not report.gone or largest_loss >= 1:
        return False
    # An empty bucket is that of another, a new or a lost store, whatever the share.
    is_empty = not report.listed and not report.hidden
    return report.gone > (_FEW_OF_ALL if is_empty else max(_FEW, largest_loss * report.known))


def _announce_again(
    repository: FaceRepository,
    bucket: str,
    unread: Sequence[ObjectInfo],
    writer: Writer,
    report: Report,
    *,
    unreadable: bool,
) -> None:
    """Announce these objects once more: all that are `unreadable`, else some of them.

    Which ones is drawn by lot, since nobody keeps what was tried: so each has its turn, also beside many that never
    get an outcome, and however often this runs.
    """
    drawn = unread if unreadable else SystemRandom().sample(unread, min(_MOST_AGAIN, len(unread)))
    report.left = len(unread) - len(drawn)
    for block in chunked(drawn, _BLOCK):
        undecided = still_undecided(repository, bucket, block, unreadable=unreadable)
        if found := [notices.uploaded(bucket, info, known, retry=True) for info, known in undecided]:
            writer.write(found)
        report.again += len(found)


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


class _Nobody:
    """A writer for a dry run."""

    def write(self, records: Sequence[ProducedRecord]) -> None:
        """Write nothing."""
