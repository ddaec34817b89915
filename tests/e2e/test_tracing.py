"""The trace of a photograph through the real services, at a collector."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from tests.support.fixtures import needed
from tests.support.span_collector import Collector, Received, collecting
from tools.pipeline import SERVICES, Pipeline, new_pipeline
from tools.samples import PEOPLE, sample_photos

pytestmark = pytest.mark.slow

_WAY = ["images.uploaded", "faces.detected", "faces.screened", "faces.embedded"]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def pipeline(servers: Path, collector: Collector) -> Iterator[Pipeline]:
    environment = {"FACESTREAM_TRACING_ENDPOINT": collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    with needed(), new_pipeline(servers / uuid4().hex[:8], **environment) as pipeline:
        yield pipeline


def way(spans: list[Received], key: str) -> list[Received]:
    """The spans of the trace that begins with an object, from the root on."""
    root = [span for span in spans if span.attributes["messaging.kafka.message.key"] == f"photos/{key}"]
    found = root[-1:]
    while found and (after := [span for span in spans if span.parent == found[-1].span]):
        found += after
    return found


def test_the_way_of_a_photograph_is_one_trace_through_all_services(pipeline: Pipeline, collector: Collector) -> None:
    photo = sample_photos(PEOPLE[0])[0].read_bytes()
    pipeline.store.put("photos", "traced.jpg", photo, "image/jpeg")
    pipeline.store.put("photos", "broken.jpg", b"no picture", "image/jpeg")
    for key in ("traced.jpg", "broken.jpg"):
        pipeline.wait(lambda key=key: len(way(collector.spans, key)) >= len(_WAY), key)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        spans = way(collector.spans, key)
        assert [span.service for span in spans] == list(SERVICES)
        assert [span.attributes["messaging.destination.name"] for span in spans] == _WAY
        assert spans[0].parent == ""
        assert len({span.trace for span in spans}) == 1
        assert all(span.start <= after.start for span, after in pairwise(spans))
        assert {span.status for span in spans} == {0}
    trace, last = spans[-1].trace, spans[-1].span
    said = [record for record in pipeline.read("images.processed") if record.value is not None]
    outcomes = [record for record in said if json.loads(record.value or b"")["photo"]["key"] == key]
    assert [r.headers["traceparent"].decode().split("-")[1:3] for r in outcomes] == [[trace, last]]


def test_no_secret_no_vector_and_no_picture_is_in_what_was_sent(pipeline: Pipeline, collector: Collector) -> None:
    sent = b"".join(collector.raw)
    values = [json.loads(r.value or b"") for r in pipeline.read("faces.embedded")]
    private = [face["vector"] for value in values for face in value["faces"] if face["vector"]]
    assert private
    private += [pipeline.stack.minio.access_key, pipeline.stack.minio.secret_key, pipeline.stack.mongo.uri]
    assert not [text for text in private if text.encode() in sent]
    assert b"JFIF" not in sent
    assert b"PNG" not in sent


def test_what_cannot_be_read_in_any_topic_is_a_dead_letter_and_its_span_says_why(
    pipeline: Pipeline, collector: Collector
) -> None:
    producer = Producer(pipeline.stack.kafka.client_settings)
    for topic in _WAY:
        producer.produce(topic, b"{", b"poison")
    assert producer.flush(60) == 0

    def failed() -> dict[str, Received]:
        found = [span for span in collector.spans if span.attributes["messaging.kafka.message.key"] == "poison"]
        return {span.attributes["messaging.destination.name"]: span for span in found}

    pipeline.wait(lambda: len(failed()) == len(_WAY), "the spans")
    letters = {record.headers["dead_letter_topic"].decode(): record for record in pipeline.read("dead-letters")}
    assert letters.keys() == set(_WAY)
    for topic, span in failed().items():
        assert (span.status, span.attributes["error.type"]) == (2, "Poison")
        assert letters[topic].headers["dead_letter_service"].decode() == span.service
        assert letters[topic].headers["traceparent"].decode().split("-")[1:3] == [span.trace, span.span]
