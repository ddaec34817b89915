"""Uploads and removals while the services are at work, in any order of their moves: what is left in the end.

The services are the deployed ones: their steps, with what they do ahead and on their threads. Only what is found on a
photograph, and its vectors, are made up.
"""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from services.assigner.processor import AssignerProcessor
from services.detector.settings import DetectorSettings
from services.detector.step import detect
from services.detector.types import Detection, PhotoDetections
from services.embedder.step import Cropped, crop, embed
from services.quality.settings import QualitySettings
from services.quality.step import screen
from shared.adapters.memory.objects import MemoryObjectStore
from shared.adapters.memory.repository import MemoryRepository
from shared.adapters.memory.stream import MemoryBroker, MemoryStream
from shared.domain.events import (
    Box,
    FaceAssigned,
    FacesDetected,
    FacesEmbedded,
    FacesScreened,
    ImageProcessed,
    Outcome,
    Point,
    Verdict,
)
from shared.domain.matching import AssignerSettings
from shared.domain.topics import (
    FACES_ASSIGNED,
    FACES_DETECTED,
    FACES_EMBEDDED,
    FACES_SCREENED,
    IMAGES_PROCESSED,
    IMAGES_UPLOADED,
)
from shared.photos.photo_rule import PhotoRule
from shared.ports.streams import ProducedRecord
from shared.settings import BucketSettings
from shared.stream.bucket_notifications import BucketNotification, bucket_events
from shared.stream.cloudevents import one_event
from shared.stream.photo_processor import PhotoProcessor
from shared.stream.processor import Processor
from shared.stream.worker import Worker, WorkerSettings
from tests.support.thread_scheduler import ScheduledCalls, ScheduledExecutor, ThreadScheduler

_START = datetime(2026, 11, 24, tzinfo=UTC)
_MOVES = (
    *("get", "exists", "put", "remove", "list", "consume", "commit"),
    *("images_of", "save_images", "faces_of", "remove_images"),
)
_BUCKETS = BucketSettings()
_SERVICES = {
    "detector": IMAGES_UPLOADED,
    "quality": FACES_DETECTED,
    "embedder": FACES_SCREENED,
    "assigner": FACES_EMBEDDED,
}


def _sharp() -> bytes:
    file = io.BytesIO()
    Image.effect_noise((16, 16), 90).convert("RGB").save(file, "PNG")
    return file.getvalue()


_CROP = _sharp()


def _found(data: bytes) -> PhotoDetections:
    """As many faces as the content of a photograph has letters."""
    corners = (Point(x=0, y=0),) * 5
    boxes = (Box(left=number, top=0, width=len(data), height=9) for number in range(len(data)))
    return PhotoDetections("test", 1, 1, tuple(Detection(box, 1.0, corners, _CROP) for box in boxes))


@dataclass(frozen=True)
class Plain:
    """An embedder that says the same of every crop."""

    input_size: int = 8
    model_id: str = "model"

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.tile(np.array([1, 0], np.float32), (len(crops), 1))


class Silent:
    """An observer that says nothing."""

    def __getattr__(self, _name: str) -> Any:
        return lambda *_: None


class Started(AssignerProcessor):
    """An assigner for which all of its start happened before the first move."""

    def start(self) -> None:
        pass


class World:
    """A bucket, four services and their stores."""

    def __init__(self, batch: int) -> None:
        self.scheduler, self.stop = ThreadScheduler(), Event()
        self.broker, self.repository, self.objects = MemoryBroker(), MemoryRepository(), MemoryObjectStore()
        self.batch = batch
        objects = self._scheduled(self.objects)
        assigner = Started(
            repository=self._scheduled(self.repository),
            objects=objects,
            settings=AssignerSettings(),
            crops=_BUCKETS.faces,
            is_committed=lambda _: True,
        )
        self._start("assigner", assigner)

        def detected(notice: BucketNotification) -> FacesDetected | None:
            return detect(notice, objects, _found, DetectorSettings(), _BUCKETS)

        def screened(photo: FacesDetected) -> FacesScreened:
            return screen(photo, objects, QualitySettings(), _BUCKETS)

        def cropped(photo: FacesScreened) -> Cropped:
            return crop(photo, objects, 8, _BUCKETS)

        def embedded(photos: Sequence[Cropped]) -> Sequence[FacesEmbedded]:
            return embed(photos, Plain())  # type: ignore[arg-type]  # it has all that is asked of an embedder

        read = partial(bucket_events, bucket=_BUCKETS.photos, rule=PhotoRule())
        threads = [ScheduledExecutor(name, self.scheduler) for name in _SERVICES]
        detecting = PhotoProcessor(
            service="detector", parse=read, load=detected, finish=list, output=FACES_DETECTED, threads=threads[0]
        )
        screening = PhotoProcessor(
            service="quality",
            parse=one_event(FacesDetected),
            load=screened,
            finish=list,
            output=FACES_SCREENED,
            threads=threads[1],
        )
        embedding = PhotoProcessor(
            service="embedder",
            parse=one_event(FacesScreened),
            load=cropped,
            finish=embedded,
            output=FACES_EMBEDDED,
            threads=threads[2],
        )
        self._start("detector", detecting)
        self._start("quality", screening)
        self._start("embedder", embedding)

    def _scheduled(self, inner: object) -> Any:
        return ScheduledCalls(inner, self.scheduler, _MOVES)

    def _start(self, name: str, processor: Processor) -> None:
        stream = self._scheduled(MemoryStream(self.broker, name, "one", [_SERVICES[name].name]))
        settings = WorkerSettings(batch=self.batch, wait=1e-9, dead_letters_a_minute=0, tries=100)
        worker = Worker(
            service=name,
            stream=stream,
            processor=processor,
            settings=settings,
            observer=Silent(),
            stop=self.stop,
        )
        self.scheduler.start(name, worker.run)

    def change(self, operations: Iterable[tuple[str, str | None]]) -> None:
        """Upload and remove, in turns too; the bucket tells of it within the same move."""
        bucket = self._scheduled(self)

        def work() -> None:
            for moment, (key, content) in enumerate(operations):
                bucket.put(key, content, moment)

        self.scheduler.start("user", work)

    def put(self, key: str, content: str | None, moment: int) -> None:
        if content is None:
            self.objects.remove("photos", [key])
        else:
            self.objects.put("photos", key, content.encode(), "")
        facts = {"key": key, "sequencer": f"{moment * 16:04X}"} | ({"eTag": content} if content else {})
        # Of one of the keys it is told by words that leave open whether the object is there again.
        gone = "s3:ObjectRemoved:DeleteMarkerCreated" if key == "b" else "s3:ObjectRemoved:Delete"
        name = "s3:ObjectCreated:Put" if content else gone
        time = (_START + timedelta(seconds=moment)).isoformat()
        told = {"eventName": name, "eventTime": time, "s3": {"bucket": {"name": "photos"}, "object": facts}}
        value = json.dumps({"Records": [told]}).encode()
        self.broker.append(ProducedRecord(IMAGES_UPLOADED.name, f"photos/{key}".encode(), value, {}))

    def finish(self, order: Sequence[int]) -> None:
        """Let all work in this order, and then one after the other, until there is nothing left to do."""
        moves = 0
        for choice in order:
            self.scheduler.step(choice)
        while not self._is_done():
            self.scheduler.step(moves)
            moves += 1
            assert moves < 20_000, "it never ends"
        self.stop.set()
        while self.scheduler.step(0):
            pass

    def _is_done(self) -> bool:
        if self.scheduler.is_alive("user"):
            return False
        for service, topic in _SERVICES.items():
            done = self.broker.group(service).committed.get((topic.name, 0), 0)
            if done < len(self.broker.records(topic.name)):
                return False
        return True

    def last(self, topic: str) -> Mapping[bytes, bytes]:
        records = {record.key or b"": record.value for record in self.broker.records(topic)}
        return {key: value for key, value in records.items() if value is not None}


_OPERATIONS = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "yz", None])), min_size=1, max_size=6)
_ORDERS = st.lists(st.integers(0, 9), max_size=400)


@given(operations=_OPERATIONS, order=_ORDERS, batch=st.integers(1, 3))
# The same bytes come once more while the detector is asked for crops that an erasure took from them.
@example([("a", "yz"), ("a", "yz"), ("a", "x"), ("a", "yz"), ("a", "yz")], [], 1)
@pytest.mark.slow
def test_in_whatever_order_the_services_move_what_is_kept_in_the_end_is_what_the_bucket_holds(
    operations: list[tuple[str, str | None]], order: list[int], batch: int
) -> None:
    world = World(batch)
    world.change(operations)
    world.finish(order)
    there = {key: content for key, content in dict(operations).items() if content}
    faces = {face.face_id: face for face in world.repository.faces()}
    crops = {info.key for info in world.objects.list("faces")}
    assert crops == {face.crop_key for face in faces.values()}, "a crop for every face that is kept, and no other"
    assert {face.verdict for face in faces.values()} <= {Verdict.ACCEPTED}
    assert len(faces) == sum(map(len, there.values()))
    said = [FaceAssigned.model_validate_json(value) for value in world.last(FACES_ASSIGNED.name).values()]
    assert {event.face_id for event in said} == faces.keys()
    assert {item.face_id for item in world.repository.memberships(0)} == faces.keys()
    outcomes = [ImageProcessed.model_validate_json(value) for value in world.last(IMAGES_PROCESSED.name).values()]
    assert {event.photo.key for event in outcomes if event.outcome is Outcome.DETECTED} == there.keys()
    names = [record.headers["ce_id"] for record in world.broker.records(FACES_ASSIGNED.name)]
    assert len(names) == len(set(names))
