"""Latency of one photograph at a time through idle services, from its upload to the assignment of its face."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from urllib.parse import unquote_plus
from uuid import uuid4

import cv2
import numpy as np
from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from bench.servers import not_there
from bench.tables import Table
from shared.domain.topics import (
    FACES_ASSIGNED,
    FACES_DETECTED,
    FACES_EMBEDDED,
    FACES_SCREENED,
    IMAGES_PROCESSED,
    IMAGES_UPLOADED,
)
from tools.pipeline import Pipeline, new_pipeline
from tools.samples import SAMPLES
from tools.stack import Missing, new_run

_TITLE = "latency: one photograph at a time through four idle services"
_PHOTOS = 200
_WARM = 3  # photographs before the measurement
_TIMEOUT = 30.0  # seconds for one photograph
_CROPPED = 3  # pixels cut away at the edge of each further copy of a photograph
_PORTIONS = {
    IMAGES_UPLOADED.name: "notification of the object store",
    FACES_DETECTED.name: "detector",
    FACES_SCREENED.name: "quality",
    FACES_EMBEDDED.name: "embedder",
    FACES_ASSIGNED.name: "assigner",
}


def measure() -> Table:
    """Upload photographs of one face, each after the former one is finished."""
    if not SAMPLES.is_dir():
        return Table(_TITLE, ("result",), [("not measured",)], [f"expected {SAMPLES}, found none; run `make setup`"])
    try:
        with new_run() as folder, new_pipeline(folder / "latency") as pipeline:
            return _measured(pipeline)
    except Missing as missing:
        return not_there(_TITLE, missing)


def _measured(pipeline: Pipeline) -> Table:
    ending = _Ending(pipeline)
    started: dict[str, float] = {}
    ended: dict[str, float] = {}
    others = 0
    for number, data in enumerate(_pictures()):
        key = f"{number:05}.jpg"
        now = time.time()
        pipeline.store.put("photos", key, data, "image/jpeg")
        faces, assigned_at = ending.wait(key)
        if number < _WARM:
            continue
        if faces != 1:
            others += 1
            continue
        started[key], ended[key] = now, assigned_at
        if len(ended) == _PHOTOS:
            break
    ending.close()
    seconds = [ended[key] - started[key] for key in ended]
    rows: list[Sequence[str | float]] = [("upload to faces.assigned", *_percentiles(seconds))]
    written = {topic: _written(pipeline, topic) for topic in _PORTIONS}
    before: Mapping[str, float] = started
    for topic, name in _PORTIONS.items():
        spent = [written[topic][key] - before[key] for key in ended]
        rows.append((f"  {name}", *_percentiles(spent)))
        before = written[topic]
    rows.append(("  last commit and delivery", *_percentiles([ended[key] - before[key] for key in ended])))
    notes = [
        f"{len(ended)} different photographs with one face each ({others} others left out), after {_WARM} to warm up",
        "a portion begins at the end of the former one, and ends when the service writes its record, in milliseconds:",
        "it includes the commit and delivery of the former record, reading it, and the work",
    ]
    return Table(_TITLE, ("portion", "p50, ms", "p99, ms", "maximum, ms"), rows, notes)


class _Ending:
    """A consumer of the events of the assigner."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._consumer = Consumer(
            {
                **pipeline.stack.kafka.client_settings,
                "group.id": uuid4().hex,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            }
        )
        topics = (FACES_ASSIGNED.name, IMAGES_PROCESSED.name)
        there = self._consumer.list_topics(timeout=10).topics
        self._consumer.assign(
            [TopicPartition(topic, number, OFFSET_END) for topic in topics for number in there[topic].partitions]
        )
        self._consumer.consume(1, 2.0)  # nothing is written yet; from here on it waits at the ends

    def wait(self, key: str) -> tuple[int, float]:
        """Return the number of accepted faces of a photograph, and the time when the event of the first face came."""
        faces: int | None = None
        first = 0.0
        deadline = time.monotonic() + _TIMEOUT
        while faces is None or (faces and not first):  # the two topics come in any order
            if time.monotonic() > deadline:
                msg = f"{key}: expected its events within {_TIMEOUT:.0f} s, they did not come"
                raise RuntimeError(msg)
            message = self._consumer.poll(0.5)
            now = time.time()
            if message is None or message.error():
                continue
            value = message.value()
            if value is None:  # a tombstone: of a face or an object that is gone
                continue
            event = json.loads(value)
            if message.topic() == FACES_ASSIGNED.name and event["key"] == key:
                first = first or now
            elif message.topic() == IMAGES_PROCESSED.name and event["photo"]["key"] == key:
                faces = event["assigned"] + event["unknown"]
        return faces, first

    def close(self) -> None:
        self._consumer.close()


def _pictures() -> Iterator[bytes]:
    """Yield different JPEG files: the samples, with more and more cut off at their edges."""
    files = sorted(SAMPLES.rglob("*.jpg"))
    for edge in count(0, _CROPPED):
        for file in files:
            picture = cv2.imread(str(file))
            if picture is not None and min(picture.shape[:2]) > 100 + 2 * edge:
                height, width = picture.shape[:2]
                _, data = cv2.imencode(".jpg", picture[edge : height - edge, edge : width - edge])
                yield data.tobytes()


def _written(pipeline: Pipeline, topic: str) -> Mapping[str, float]:
    """Return when the record of each photograph was written to a topic, in seconds since 1970."""
    found: dict[str, float] = {}
    for record in pipeline.read(topic):
        if record.value is None:
            continue
        event = json.loads(record.value)
        if topic == IMAGES_UPLOADED.name:
            key = unquote_plus(event["Records"][0]["s3"]["object"]["key"])
        else:
            key = event["key"] if topic == FACES_ASSIGNED.name else event["photo"]["key"]
        found.setdefault(key, record.timestamp.timestamp())
    return found


def _percentiles(seconds: Sequence[float]) -> tuple[float, float, float]:
    """Return median, 99th percentile and maximum in milliseconds."""
    return (*(1000 * np.quantile(seconds, (0.5, 0.99))).tolist(), 1000 * max(seconds))
