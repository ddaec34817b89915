"""A span for each consumed record, from the moment it is consumed until it is committed.

The spans follow OpenTelemetry's conventions for messaging: kind consumer, operation `process`. A span is the child of
the span in the record's `traceparent` (W3C Trace Context), and the parent of the spans of the next services. The
conventions also allow one span for a whole batch, with links to its records. Here the composition of a batch is chance,
and an operator looks for a photograph: one trace shows the whole way of one photograph. So all spans of a batch last as
long as the batch.

A record that is tried again has a span for each attempt; the span of a failed attempt has the reason. No span contains
any part of a record's value.
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

from shared.domain.topics import group_of
from shared.errors import Fatal, Transient, first_line
from shared.ports.streams import ConsumedRecord, ProducedRecord, RecordStream
from shared.stream.processor import Processor

_W3C = TraceContextTextMapPropagator()
_FLUSH_TIMEOUT = 5.0  # seconds for sending the last spans


@contextmanager
def sent_to(url: str, service: str, instance: str) -> Iterator[Tracer]:
    """Yield a tracer whose spans a thread sends to a collector; sends the last ones at the end of the block."""
    resource = Resource.create(
        {"service.namespace": "facestream", "service.name": service, "service.instance.id": instance}
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(url)))
    try:
        yield provider.get_tracer("facestream")
    finally:
        # Without a timeout it waits 30 s for a collector that does not answer, as long as Kubernetes waits for a pod.
        last = Thread(target=provider.shutdown, name="last spans", daemon=True)
        last.start()
        last.join(_FLUSH_TIMEOUT)


class SpanTracing:
    """Makes the spans of a service."""

    def __init__(self, tracer: Tracer, service: str) -> None:
        self._spans = _Spans(tracer, group_of(service))

    def wrap(self, stream: RecordStream, processor: Processor) -> tuple[RecordStream, Processor]:
        """Return a stream that begins and ends spans, and a processor that adds errors to them."""
        return _TracedStream(stream, self._spans), _TracedProcessor(processor, self._spans)


class _Spans:
    """The spans of the records that were consumed and are not committed yet, by record id."""

    def __init__(self, tracer: Tracer, group: str) -> None:
        self._tracer = tracer
        self._group = group
        self._open: dict[str, Span] = {}

    def begin(self, record: ConsumedRecord) -> ConsumedRecord:
        """Begin the span of a record; return the record with the trace context of the span instead of its own."""
        incoming = {
            name: record.headers[name].decode(errors="replace") for name in _W3C.fields if name in record.headers
        }
        span = self._tracer.start_span(
            f"process {record.topic}",
            _W3C.extract(incoming, Context()),
            SpanKind.CONSUMER,
            _attributes(record, self._group),
        )
        self._open[record.record_id] = span
        own: dict[str, str] = {}
        _W3C.inject(own, set_span_in_context(span, Context()))
        others = {name: value for name, value in record.headers.items() if name not in _W3C.fields}
        return replace(record, headers=others | {name: text.encode() for name, text in own.items()})

    def fail(self, records: Sequence[ConsumedRecord], error: Exception) -> None:
        """Add to the spans of these records why they are not done."""
        kind, reason = type(error).__name__, first_line(error)
        for span in filter(None, (self._open.get(record.record_id) for record in records)):
            # Without the stack, which is in the log.
            span.add_event("exception", {"exception.type": kind, "exception.message": reason})
            span.set_attribute("error.type", kind)
            span.set_status(StatusCode.ERROR, reason)

    def end(self, records: Sequence[ConsumedRecord]) -> None:
        """End the spans of these records."""
        for record in records:
            if span := self._open.pop(record.record_id, None):
                span.end()

    def end_all(self) -> None:
        """End all spans, those of records that are not done too."""
        while self._open:
            self._open.popitem()[1].end()


class _TracedProcessor:
    """A `Processor` that passes everything on to another one, and adds errors of `process` to the spans."""

    def __init__(self, inner: Processor, spans: _Spans) -> None:
        self._inner = inner
        self._spans = spans
        self.prefetches = inner.prefetches
        self.start = inner.start
        self.prefetch = inner.prefetch
        self.committed = inner.committed
        self.idle = inner.idle
        self.give_up = inner.give_up

    def process(self, records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        try:
            return self._inner.process(records)
        except (Transient, Fatal) as error:
            self._spans.fail(records, error)
            raise
        except Exception as error:
            if len(records) == 1:  # the worker will process each of several records alone
                self._spans.fail(records, error)
            raise


class _TracedStream:
    """A `RecordStream` that passes everything on to another one, and begins and ends spans."""

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
        self._spans.end(
            [record for record in consumed if record.record_id not in kept]
        )  # another member will process them
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
