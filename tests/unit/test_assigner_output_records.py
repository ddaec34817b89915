"""What the assigner counts of a batch, and that a record is the same, encoded alone or among others."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest
from prometheus_client import REGISTRY

from shared import metrics
from shared.domain.events import Box, Cause, FaceAssigned
from shared.domain.topics import FACES_ASSIGNED
from shared.domain.vector_search import NearestRows, search_on_one_core
from shared.stream.cloudevents import EventEncoder

_TIME = datetime(2026, 11, 24, tzinfo=UTC)
_TRACE = {"traceparent": b"00-1-2-01", "other": b"no"}
_EVENT = FaceAssigned(
    face_id="face",
    image_id="image",
    object_id="object",
    bucket="photos",
    key="a.jpg",
    box=Box(left=-1, top=2, width=3, height=4),
    crop_key="crops/é.png",
    cluster_id="person",
    similarity=0.812345,
    generation=3,
    cause=Cause.ARRIVED,
)


@pytest.mark.parametrize("event", [_EVENT, None])
def test_a_record_is_the_same_alone_and_after_others(event: FaceAssigned | None) -> None:
    encoder = EventEncoder("assigner", _TIME, _TRACE)
    encoder.record(FACES_ASSIGNED, "other", None, subject="other", cause="erased 0")
    encoder.record(FACES_ASSIGNED, "face", _EVENT, subject="face", cause="arrived 0", generation=3)
    among = encoder.record(FACES_ASSIGNED, "face", event, subject="face", cause="arrived 1", generation=3)
    alone = EventEncoder("assigner", _TIME, _TRACE).record(
        FACES_ASSIGNED, "face", event, subject="face", cause="arrived 1", generation=3
    )
    assert (among, list(among.headers.items())) == (alone, list(alone.headers.items()))
    assert among.value == (event and event.model_dump_json().encode())


def _value(name: str, **labels: str) -> float:
    value = REGISTRY.get_sample_value(name, labels)
    assert value is not None
    return value


def _counted() -> tuple[float, ...]:
    results = [_value("facestream_assignments_total", result=result) for result in ("assigned", "unknown")]
    return (*results, _value("facestream_similarity_count"), _value("facestream_similarity_bucket", le="0.5"))


def test_every_accepted_face_is_counted_and_the_similarity_of_those_that_had_somebody_to_compare_with() -> None:
    before = _counted()
    metrics.count_assignments(1, [0.75, 0.25, None])
    assert np.subtract(_counted(), before).tolist() == pytest.approx([1, 2, 2, 1])


def test_a_search_finds_the_same_on_one_core() -> None:
    vectors = np.random.default_rng(0).standard_normal((300, 16), np.float32)
    index = NearestRows(vectors)
    with ThreadPoolExecutor(1, initializer=search_on_one_core) as thread:
        _, alone = thread.submit(index.search, vectors, 3).result()
    _, on_all = index.search(vectors, 3)
    assert np.array_equal(alone, on_all)
