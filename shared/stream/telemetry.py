"""What a service tells of its work: JSON lines on standard error, metrics, and whether it is live and ready.

A line names places (topic, partition, offset) and photographs; never a secret, a vector or the bytes of anything.
"""

import logging
import sys
import time
from collections import Counter
from collections.abc import Sequence

import structlog
from structlog.processors import ExceptionRenderer, JSONRenderer
from structlog.stdlib import ProcessorFormatter
from structlog.tracebacks import ExceptionDictTransformer

from shared import metrics
from shared.errors import Deadly, Poison, Transient, first_line
from shared.ports.streams import ConsumedRecord, ProducedRecord, RecordStream
from shared.stream.crash_tries import Tries
from shared.stream.health import Health

_LONGEST_KEY = 1100  # bytes; the longest name of an object, by S3, is 63 of a bucket, a slash and 1,024 of a key
_LAG_EVERY = 5.0  # seconds; asking takes a call into the client for each partition


def configure_logging(service: str, instance: str, level: str) -> None:
    """Write one JSON object per line from here on, each with the names of the service and of this process.

    What libraries log comes in the same form, from warnings on.
    """
    chain: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Without local variables: they hold photographs and vectors.
        ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
    ]
    structlog.configure(
        processors=[*chain, JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    structlog.contextvars.bind_contextvars(service=service, instance=instance)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=chain, processors=[ProcessorFormatter.remove_processors_meta, JSONRenderer()]
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING)


class Telemetry:
    """The `Observer` of a worker: feeds the log, the metrics and the health port."""

    def __init__(self, stream: RecordStream, health: Health) -> None:
        self._stream = stream
        self._health = health
        self._log = structlog.get_logger()
        self._lag_at = 0.0
        self._prepared = False

    def prepared(self) -> None:
        """All that the service depends on was reached once."""
        self._prepared = True

    def batch_done(
        self, consumed: Sequence[ConsumedRecord], produced: Sequence[ProducedRecord], seconds: float
    ) -> None:
        """A batch is committed."""
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
        """A batch failed for a reason that may pass."""
        metrics.RETRIES.inc()
        self._log.warning("trying again", reason=first_line(error), attempt=attempt, pause=round(pause, 2))

    def dead_lettered(self, record: ConsumedRecord, error: Exception) -> None:
        """A record cannot be processed."""
        metrics.DEAD_LETTERS.labels(type(error).__name__).inc()
        defect = None if isinstance(error, Poison) else error
        self._log.error(
            "dead letter", error=type(error).__name__, reason=first_line(error), exc_info=defect, **_about(record)
        )

    def unfinished(self, record: ConsumedRecord, tries: Tries) -> None:
        """A process before this one began with a record and did not come back."""
        for begun, count in {"together": tries.together, "alone": tries.alone}.items():
            if count:
                metrics.UNFINISHED.labels(begun).inc()
        self._log.warning(
            "begun before and not ended", together=tries.together, alone=tries.alone, last=tries.last, **_about(record)
        )

    def given_up(self, record: ConsumedRecord, reason: Deadly) -> None:
        """A record is begun no more."""
        metrics.GIVEN_UP.inc()
        metrics.GIVEN_UP_AT.set_to_current_time()
        self._log.error("given up", reason=first_line(reason), **_about(record))

    def looped(self) -> None:
        """The loop is alive."""
        self._health.looped()
        if self._prepared and self._stream.is_assigned() and not self._health.ready:
            self._health.ready = True
            self._log.info("ready")
        if time.monotonic() > self._lag_at + _LAG_EVERY:
            self._lag_at = time.monotonic()
            metrics.LAG.clear()  # partitions go to other members
            for (topic, partition), records in self._stream.lag().items():
                metrics.LAG.labels(topic, str(partition)).set(records)


def _about(record: ConsumedRecord) -> dict[str, object]:
    key = (record.key or b"")[:_LONGEST_KEY].decode(errors="replace")  # anybody's bytes, of up to 8 MiB
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset, "photo": key}
