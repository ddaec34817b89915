"""The work of `facestream reconcile`: compare the bucket and the database of the settings, once or on a schedule."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cli.output.terminal import say
from cli.reconciler.reconciler import Reconciler
from shared import metrics
from shared.adapters.kafka.backlog import longest_wait
from shared.adapters.kafka.idle_partitions import idle_partitions, roll
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.writer import KafkaWriter
from shared.adapters.minio.settings import MinioSettings
from shared.adapters.minio.store import MinioStore
from shared.adapters.mongo.repository import MongoRepository
from shared.adapters.mongo.settings import MongoSettings
from shared.errors import FacestreamError, Fatal, Transient
from shared.photos.photo_rule import PhotoRule, PhotoSettings
from shared.ports.streams import ProducedRecord
from shared.settings import BucketSettings, ReconcilerSettings
from shared.stream.health import Health, serve
from shared.stream.service import ServiceSettings

_BEHIND = timedelta(hours=1)  # the stream is behind if a record waits for longer than this and than the grace period
_LONGEST = timedelta(hours=6)  # a comparison that takes longer counts as stuck


class RemovalsWithheld(Fatal):
    """So many photographs are gone that an operator has to decide whether they were removed."""

    exit_status = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileOptions:
    """Options of a comparison.

    `dry_run`: announce nothing. `grace`: younger objects without an outcome are not announced. `largest_loss`: share
    of the known photographs, see `Reconciler`; None: that of the settings. `unreadable`: announce all unreadable
    photographs again.
    """

    dry_run: bool = False
    grace: timedelta
    largest_loss: float | None = None
    unreadable: bool = False


def reconcile_on_schedule(interval: timedelta, options: ReconcileOptions) -> None:
    """Compare and print the numbers without end, with a pause of `interval` after each comparison.

    A `Transient` error, and removals that were withheld, are printed on the error stream. Serves metrics and health if
    the settings of the services set a port; without a comparison for long, the process does not count as live.
    """
    settings, health = ServiceSettings(), Health(stall_timeout=(interval + _LONGEST).total_seconds())
    health.ready = True
    if settings.health_port:
        serve(health, settings.health_host, settings.health_port)
    while True:
        try:
            for line in reconcile_bucket(options):
                say(line)
        except RemovalsWithheld as error:
            say(str(error), on_error_stream=True)
        except Transient as error:
            say(f"given up until the next time: {error}", on_error_stream=True)
        health.looped()
        time.sleep(interval.total_seconds())


def reconcile_bucket(options: ReconcileOptions) -> Iterator[str]:
    """Compare the bucket and the database of the settings; yield the numbers as lines of text.

    Then write a record to each idle partition, so that Kafka removes erased data (`idle_partitions`), also if the
    comparison has failed, which does not concern it. Raises `InvalidInput` before any server is asked, `Transient`,
    `Fatal`, and `RemovalsWithheld`, whose text a dry run yields instead.
    """
    comparison = _Comparison.of_settings(options)
    writer = None if options.dry_run else KafkaWriter(comparison.kafka, "reconcile")
    failed: FacestreamError | None = None
    try:
        yield from comparison.run(writer)
    except FacestreamError as error:
        failed = error
    if writer and (idle := idle_partitions(comparison.kafka)):
        roll(writer, idle)
        yield f"{len(idle)} idle partitions: a record was written to each, so that Kafka removes erased data"
    if options.dry_run and isinstance(failed, RemovalsWithheld):
        yield str(failed)
    elif failed:
        raise failed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Comparison:
    """A comparison with all of its settings, which were checked before any server is asked."""

    kafka: KafkaSettings
    minio: MinioSettings
    mongo: MongoSettings
    bucket: str
    rule: PhotoRule
    largest_loss: float
    options: ReconcileOptions

    @classmethod
    def of_settings(cls, options: ReconcileOptions) -> "_Comparison":
        default_loss = ReconcilerSettings().largest_loss
        return cls(
            kafka=KafkaSettings(),
            minio=MinioSettings(),
            mongo=MongoSettings(),
            bucket=BucketSettings().photos,
            rule=PhotoRule.of(PhotoSettings()),
            largest_loss=default_loss if options.largest_loss is None else options.largest_loss,
            options=options,
        )

    def run(self, writer: KafkaWriter | None) -> Iterator[str]:
        """Compare, and announce the differences by `writer` if there is one; yield the numbers as lines of text."""
        backlog = longest_wait(self.kafka)
        if backlog is not None and datetime.now(UTC) - backlog.since > max(self.options.grace, _BEHIND):
            # Otherwise each run would announce the waiting photographs again, and the backlog would never get shorter.
            yield f"the stream is behind: {backlog}; nothing is announced; run this again later"
            return
        store = MinioStore(self.minio)
        with MongoRepository(self.mongo) as repository:
            summary = Reconciler(
                objects=store,
                repository=repository,
                bucket=self.bucket,
                writer=writer or _DryWriter(),
                rule=self.rule,
                grace=self.options.grace,
                largest_loss=self.largest_loss,
                unreadable=self.options.unreadable,
                is_behind=lambda: longest_wait(self.kafka) is not None,
            ).run()
        # Also set while the stream is behind: if that lasts, the alert must fire nevertheless.
        metrics.RECONCILE_HELD.set(summary.gone if summary.withheld or summary.stream_behind else 0)
        metrics.RECONCILE_HIDDEN.set(summary.hidden)
        yield from summary.lines(dry_run=writer is None)
        if summary.withheld:
            raise RemovalsWithheld(summary.objection())


class _DryWriter:
    """The writer of a dry run."""

    def write(self, records: Sequence[ProducedRecord]) -> None:
        """Write nothing."""
