"""A span for each record that a service takes, from the moment it has it until it is done with it.

By OpenTelemetry's conventions for messaging: kind consumer, operation `process`, the child of the span that the
record's `traceparent` names (W3C Trace Context), and itself the parent of what the next services do. The conventions
also know one span for a whole batch, with links to what is in it. Here a batch is chance, and a photograph is what
somebody looks for: one trace is all the way of one photograph. So all spans of a batch last as long as the batch.

A record that is tried again has a span for each attempt, and those that failed say why. No span tells anything of a
record's value.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Thread

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.errors import Fatal, Transient, first_line
from shared.ports.streams import ConsumedRecord, ProducedRecord, RecordStream
from shared.stream.worker import Step

_W3C = TraceContextTextMapPropagator()
_LAST = 5.0  # seconds that the last spans have


@contextmanager
def sent_to(url: str, service: str, instance: str) -> Iterator[Tracer]:
    """Give a tracer whose spans go to a collector, in a thread beside; the last ones at the end of the block."""
    resource = Resource.create(
        {"service.namespace": "facestream", "service.name": service, "service.instance.id": instance}
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(url)))
    try:
        yield provider.get_tracer("facestream")
    finally:
        # By itself it insists for 30 s where no collector answers, as long as Kubernetes waits before it kills.
        last = Thread(target=provider.shutdown, name="last spans", daemon=True)
        last.start()
        last.join(_LAST)


def traced(tracer: Tracer, service: str, stream: RecordStream, step: Step) -> tuple[RecordStream, Step]:
    """Return a stream that begins and ends spans, and a step that notes in them what goes wrong."""
    spans = _Spans(tracer, f"facestream.{service}")

    def noting(records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        try:
            return step(records)
        except (Transient, Fatal) as error:
            spans.fail(records, error)
            raise
        except Exception as error:
            if len(records) == 1:  # of several, each will be tried alone
                spans.fail(records, error)
            raise

    return _TracedStream(stream, spans), noting


class _Spans:
    """The spans of the records at hand, by place."""

    def __init__(self, tracer: Tracer, group: str) -> None:
        self._tracer = tracer
        self._group = group
        self._open: dict[str, Span] = {}

    def begin(self, record: ConsumedRecord) -> ConsumedRecord:
        """Begin the span of a record; return the record with the span's context instead of the one it came with."""
        came = {name: record.headers[name].decode(errors="replace") for name in _W3C.fields if name in record.headers}
        span = self._tracer.start_span(
            f"process {record.topic}",
            _W3C.extract(came, Context()),
            SpanKind.CONSUMER,
            _attributes(record, self._group),
        )
        self._open[record.record_id] = span
        own: dict[str, str] = {}
        _W3C.inject(own, set_span_in_context(span, Context()))
        others = {name: value for name, value in record.headers.items() if name not in _W3C.fields}
        return replace(record, headers=others | {name: text.encode() for name, text in own.items()})

    def fail(self, records: Sequence[ConsumedRecord], error: Exception) -> None:
        """Note why records are not done."""
        kind, reason = type(error).__name__, first_line(error)
        for span in filter(None, (self._open.get(record.record_id) for record in records)):
            # Without the frames: the log has them.
            span.add_event("exception", {"exception.type": kind, "exception.message": reason})
            span.set_attribute("error.type", kind)
            span.set_status(StatusCode.ERROR, reason)

    def end(self, records: Sequence[ConsumedRecord]) -> None:
        """End the spans of these records."""
        for record in records:
            if span := self._open.pop(record.record_id, None):
                span.end()

    def end_all(self) -> None:
        """End the spans of what a process leaves undone."""
        while self._open:
            self._open.popitem()[1].end()


class _TracedStream:
    """A `RecordStream` on another one."""

    def __init__(self, inner: RecordStream, spans: _Spans) -> None:
        self._inner = inner
        self._spans = spans
        self.idle = inner.idle
        self.is_assigned = inner.is_assigned
        self.is_committed = inner.is_committed
        self.lag = inner.lag
        self.note = inner.note
        self.noted = inner.noted

    def consume(self, limit: int, wait: float) -> Sequence[ConsumedRecord]:
        return [self._spans.begin(record) for record in self._inner.consume(limit, wait)]

    def commit(self, consumed: Sequence[ConsumedRecord], produced: Sequence[ProducedRecord]) -> None:
        try:
            self._inner.commit(consumed, produced)
        except (Transient, Fatal) as error:
            self._spans.fail(consumed, error)
            raise
        self._spans.end(consumed)

    def rewind(self, consumed: Sequence[ConsumedRecord]) -> None:
        self._spans.end(consumed)
        self._inner.rewind(consumed)

    def still_assigned(self, consumed: Sequence[ConsumedRecord]) -> Sequence[ConsumedRecord]:
        found = self._inner.still_assigned(consumed)
        kept = {record.record_id for record in found}
        self._spans.end([record for record in consumed if record.record_id not in kept])  # another member's by now
        return found

    def close(self) -> None:
        self._spans.end_all()
        self._inner.close()


def _attributes(record: ConsumedRecord, group: str) -> Mapping[str, str | int | bool]:
    return {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": record.topic,
        "messaging.destination.partition.id": str(record.partition),
        "messaging.kafka.offset": record.offset,
        "messaging.kafka.message.key": (record.key or b"").decode(errors="replace"),
        "messaging.consumer.group.name": group,
    }
