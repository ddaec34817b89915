"""Traces: whose child a span is, what it tells of failures, and that there are none unless somebody wants them."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from threading import Event
from typing import Any

import pytest

import shared.stream
from shared.adapters.memory.stream import MemoryBroker, MemoryStream
from shared.errors import Fatal, InvalidInput, Poison, Transient
from shared.ports.streams import ConsumedRecord, ProducedRecord, RecordStream
from shared.stream.tracing import TracingSettings, tracing
from shared.stream.worker import Worker, WorkerSettings
from tests.support.processors import Functions, Process
from tests.support.span_collector import Collector, Received, collecting
from tools.samples import ROOT

_TRACE, _SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
_INCOMING = {"traceparent": f"00-{_TRACE}-{_SPAN}-01".encode(), "tracestate": b"vendor=7", "other": b"kept"}
_CONSUMER, _ERROR = 5, 2  # of opentelemetry.proto


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


class Silent:
    """An observer that says nothing."""

    def __getattr__(self, _name: str) -> Any:
        return lambda *_: None


def copied(records: Sequence[ConsumedRecord]) -> list[ProducedRecord]:
    return [ProducedRecord("out", record.key or b"", record.value, record.headers) for record in records]


def work(broker: MemoryBroker, collector: Collector | None, step: Process = copied, stream: Any = None) -> None:
    """Run a traced worker until the topic `in` is done."""
    stop, inner = Event(), stream or MemoryStream(broker, "quality", "one", ["in"])
    settings = TracingSettings(endpoint=collector.endpoint if collector else None)
    with tracing("quality", "one", settings) as of_service:
        seen, noting = of_service.wrap(inner, Functions(process=step))
        consume = seen.consume

        def consume_or_stop(limit: int, wait: float) -> Sequence[ConsumedRecord]:
            found = consume(limit, wait)
            if not found:
                stop.set()
            return found

        seen.consume = consume_or_stop  # type: ignore[method-assign]  # the topic ends here
        quick = WorkerSettings(first_retry=1e-6, longest_retry=1e-6)
        worker = Worker(service="quality", stream=seen, processor=noting, settings=quick, observer=Silent(), stop=stop)
        worker.run()


def broker_with(*headers: Mapping[str, bytes]) -> MemoryBroker:
    broker = MemoryBroker()
    for number, given in enumerate(headers):
        broker.append(ProducedRecord("in", b"photo", b"private %d" % number, given))
    return broker


def parents(records: Sequence[ConsumedRecord]) -> list[tuple[str, str]]:
    """The trace and the span that each record names."""
    found = [record.headers["traceparent"].decode().split("-") for record in records]
    return [(trace, span) for _, trace, span, _ in found]


def of_offset(spans: Sequence[Received], offset: int) -> list[Received]:
    return [span for span in spans if span.attributes["messaging.kafka.offset"] == offset]


def test_a_span_is_the_child_of_what_came_and_the_parent_of_what_follows(collector: Collector) -> None:
    broker = broker_with(_INCOMING)
    work(broker, collector)
    (span,) = collector.spans
    assert (span.service, span.name, span.kind) == ("quality", "process in", _CONSUMER)
    assert (span.trace, span.parent) == (_TRACE, _SPAN)
    assert span.end > span.start
    assert span.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": "in",
        "messaging.destination.partition.id": "0",
        "messaging.kafka.offset": 0,
        "messaging.kafka.message.key": "photo",
        "messaging.consumer.group.name": "facestream.quality",
    }
    (record,) = broker.records("out")
    assert parents([record]) == [(_TRACE, span.span)]
    assert (record.headers["tracestate"], record.headers["other"]) == (b"vendor=7", b"kept")


@pytest.mark.parametrize("headers", [{}, {"traceparent": b"nonsense"}, {"traceparent": b"\xff"}])
def test_where_nothing_usable_came_every_record_is_a_root(collector: Collector, headers: dict[str, bytes]) -> None:
    broker = broker_with(headers, headers)
    work(broker, collector)
    spans = collector.spans
    assert [span.parent for span in spans] == ["", ""]
    assert spans[0].trace != spans[1].trace
    assert sorted(parents(broker.records("out"))) == sorted((span.trace, span.span) for span in spans)


def test_each_attempt_has_a_span_and_says_what_went_wrong(collector: Collector) -> None:
    broker, failures = broker_with(_INCOMING, {}), iter([Transient("the store is away\nand more")])

    def step(records: Sequence[ConsumedRecord]) -> list[ProducedRecord]:
        if error := next(failures, None):
            raise error
        return copied(records)

    work(broker, collector, step)
    first, second = of_offset(collector.spans, 0)
    assert (first.status, second.status) == (_ERROR, 0)
    assert (first.parent, second.parent) == (_SPAN, _SPAN)
    assert first.attributes["error.type"] == "Transient"
    reason = {"exception.type": "Transient", "exception.message": "the store is away"}
    assert first.events == [{"name": "exception", **reason}]
    assert parents(broker.records("out"))[0] == (_TRACE, second.span)


def test_a_commit_that_fails_is_an_attempt_that_failed(collector: Collector) -> None:
    broker = broker_with({})
    stream = MemoryStream(broker, "quality", "one", ["in"])
    commit, failures = stream.commit, iter([Transient("the broker is away")])

    def failing(consumed: Sequence[ConsumedRecord], produced: Sequence[ProducedRecord]) -> None:
        if error := next(failures, None):
            raise error
        commit(consumed, produced)

    stream.commit = failing  # type: ignore[method-assign]
    work(broker, collector, stream=stream)
    assert [span.status for span in collector.spans] == [_ERROR, 0]


def test_of_a_batch_only_the_culprit_fails_and_its_dead_letter_is_its_child(collector: Collector) -> None:
    def step(records: Sequence[ConsumedRecord]) -> list[ProducedRecord]:
        if any(record.offset == 1 for record in records):
            msg = "no photograph"
            raise Poison(msg)
        return copied(records)

    broker = broker_with({}, _INCOMING, {})
    work(broker, collector, step)
    spans = collector.spans
    assert len(spans) == 3
    assert [of_offset(spans, offset)[0].status for offset in range(3)] == [0, _ERROR, 0]
    (culprit,) = of_offset(spans, 1)
    assert culprit.attributes["error.type"] == "Poison"
    assert parents(broker.records("dead-letters")) == [(_TRACE, culprit.span)]


def test_what_ends_the_process_is_sent(collector: Collector) -> None:
    def step(_: Sequence[ConsumedRecord]) -> list[ProducedRecord]:
        msg = "out of disk"
        raise Fatal(msg)

    with pytest.raises(Fatal):
        work(broker_with({}, {}), collector, step)
    assert [span.events[0]["exception.message"] for span in collector.spans] == ["out of disk"] * 2


def test_nothing_of_a_value_is_sent(collector: Collector) -> None:
    work(broker_with(_INCOMING), collector)
    assert collector.raw
    assert not any(b"private" in body for body in collector.raw)


def test_traced_or_not_what_is_written_differs_in_the_trace_only(collector: Collector) -> None:
    written = []
    for wanted in (collector, collector, None):
        broker = broker_with(_INCOMING)
        work(broker, wanted)
        (record,) = broker.records("out")
        others = {name: value for name, value in record.headers.items() if name != "traceparent"}
        written.append((record.key, record.value, others))
    assert written[0] == written[1] == written[2]
    assert record.headers == _INCOMING


def test_without_the_setting_stream_and_step_are_what_they_were() -> None:
    stream: RecordStream = MemoryStream(MemoryBroker(), "quality", "one", ["in"])
    processor = Functions(process=copied)
    with tracing("quality", "one", TracingSettings()) as of_service:
        found = of_service.wrap(stream, processor)
    assert found == (stream, processor)


@pytest.mark.slow
def test_without_the_setting_opentelemetry_is_not_even_imported() -> None:
    program = "import shared.stream.service, sys; print([name for name in sys.modules if 'telemetry' in name])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    assert done.stdout == "['shared.stream.telemetry']\n"


def test_without_opentelemetry_the_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(shared.stream, "spans", raising=False)
    monkeypatch.delitem(sys.modules, "shared.stream.spans", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)
    settings = TracingSettings(endpoint="http://collector:4318")
    with (
        pytest.raises(InvalidInput, match=r"FACESTREAM_TRACING_ENDPOINT.*install facestream\[tracing\]"),
        tracing("quality", "one", settings),
    ):
        pass


@pytest.mark.parametrize("url", ["collector:4318", "", "http://", "http://user:secret@collector", "ftp://collector"])
def test_an_endpoint_is_a_url_without_a_password(url: str) -> None:
    with pytest.raises(InvalidInput, match="FACESTREAM_TRACING_ENDPOINT") as caught:
        TracingSettings(endpoint=url)
    assert "secret" not in str(caught.value)
