"""The observer of a service's worker: writes the log, counts the metrics, and keeps the health port up to date.

A line of the log names records (topic, partition, offset) and photographs; it never contains a secret, a vector or
content.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence

import structlog

from shared import metrics
from shared.errors import Deadly, Poison, Transient, first_line
from shared.ports.streams import ConsumedRecord, ProducedRecord, RecordStream
from shared.stream.crash_tries import Tries
from shared.stream.health import Health

_LONGEST_KEY = 1100  # bytes; in S3, the longest name of an object has 63 for the bucket, a slash and 1,024 for the key
_LAG_EVERY = 5.0  # seconds; measuring the lag takes a call of the client for each partition


class Telemetry:
    """The `Observer` of a worker, with the log, the metrics and the health port."""

    def __init__(self, stream: RecordStream, health: Health, on_started: Callable[[], None] | None = None) -> None:
        """`on_started` is called each time the processor has started."""
        self._stream = stream
        self._health = health
        self._on_started = on_started
        self._log = structlog.get_logger()
        self._lag_at = 0.0  # monotonic, in seconds
        self._has_started = False

    def started(self) -> None:
        """Note that all dependencies have answered: the service is ready once it has partitions."""
        if self._on_started:
            self._on_started()
        self._has_started = True

    def batch_done(
        self, consumed: Sequence[ConsumedRecord], produced: Sequence[ProducedRecord], seconds: float
    ) -> None:
        """Count the records of a committed batch, and log its first and last one."""
        metrics.BATCH_RECORDS.observe(len(consumed))
        metrics.BATCH_SECONDS.observe(seconds)
        for topic, count in Counter(record.topic for record in consumed).items():
            metrics.CONSUMED.labels(topic).inc(count)
        for topic, count in Counter(record.topic for record in produced).items():
            metrics.PRODUCED.labels(topic).inc(count)
        self._log.info(
            "batch done",
            first=consumed[0].record_id,
            last=consumed[-1].record_id,
            records=len(consumed),
            produced=len(produced),
            seconds=round(seconds, 4),
        )
        for record in consumed:
            self._log.debug("record done", **_about(record))

    def retrying(self, error: Transient, attempt: int, pause: float) -> None:
        """Count and log that a batch failed with a transient error."""
        metrics.RETRIES.inc()
        self._log.warning("trying again", reason=first_line(error), attempt=attempt, pause=round(pause, 2))

    def dead_lettered(self, record: ConsumedRecord, error: Exception) -> None:
        """Count and log a dead letter; if the reason is a defect, with its stack."""
        metrics.DEAD_LETTERS.labels(type(error).__name__).inc()
        defect = None if isinstance(error, Poison) else error
        self._log.error(
            "dead letter", error=type(error).__name__, reason=first_line(error), exc_info=defect, **_about(record)
        )

    def unfinished(self, record: ConsumedRecord, tries: Tries) -> None:
        """Count and log that an earlier process ended while it processed this record."""
        for begun, count in {"together": tries.together, "alone": tries.alone}.items():
            if count:
                metrics.UNFINISHED.labels(begun).inc()
        self._log.warning(
            "begun before and not ended", together=tries.together, alone=tries.alone, last=tries.last, **_about(record)
        )

    def given_up(self, record: ConsumedRecord, reason: Deadly) -> None:
        """Count and log that a record is not processed any more."""
        metrics.GIVEN_UP.inc()
        metrics.GIVEN_UP_AT.set_to_current_time()
        self._log.error("given up", reason=first_line(reason), **_about(record))

    def looped(self) -> None:
        """Update the health port, and from time to time the lag."""
        self._health.looped()
        if self._has_started and self._stream.is_assigned() and not self._health.ready:
            self._health.ready = True
            self._log.info("ready")
        if time.monotonic() > self._lag_at + _LAG_EVERY:
            self._lag_at = time.monotonic()
            metrics.LAG.clear()  # a partition may be assigned to another member by now
            for (topic, partition), records in self._stream.lag().items():
                metrics.LAG.labels(topic, str(partition)).set(records)


def _about(record: ConsumedRecord) -> dict[str, object]:
    key = (record.key or b"")[:_LONGEST_KEY].decode(errors="replace")  # may be any bytes, up to 8 MiB
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset, "photo": key}
