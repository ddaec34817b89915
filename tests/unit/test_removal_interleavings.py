"""Uploads and removals while the services are at work, in any order of their moves: what is left in the end."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.assigner.streaming import Assigner
from shared import ids
from shared.adapters.memory import MemoryObjectStore, MemoryRepository
from shared.adapters.memory_stream import MemoryBroker, MemoryStream
from shared.bucket_notification import bucket_events
from shared.errors import ObjectError
from shared.events import (
    Box,
    BucketEvent,
    EmbeddedFace,
    FaceAssigned,
    FacesEmbedded,
    ImageProcessed,
    Outcome,
    Photo,
    Point,
    Verdict,
)
from shared.matching import AssignerSettings
from shared.ports import ConsumedRecord, ProducedRecord
from shared.settings import BucketSettings
from shared.streaming import decoded, photo_record
from shared.topics import FACES_ASSIGNED, FACES_DETECTED, FACES_EMBEDDED, IMAGES_PROCESSED, IMAGES_UPLOADED
from shared.worker import Step, Worker, WorkerSettings
from tests.limits import LIMIT
from tests.turns import InTurns, Turns

_START = datetime(2026, 11, 24, tzinfo=UTC)
_MOVES = ("get", "put", "remove", "list", "consume", "commit", "images_of", "save_images", "faces_of", "remove_images")
_WORD = np.array([1, 0], np.float32)


class Silent:
    """An observer that says nothing."""

    def __getattr__(self, _name: str) -> Any:
        return lambda *_: None


class World:
    """A bucket, three services and their stores. The detector's events have the form that the embedder's have."""

    def __init__(self, batch: int) -> None:
        self.turns, self.stop = Turns(), Event()
        self.broker, self.repository, self.objects = MemoryBroker(), MemoryRepository(), MemoryObjectStore()
        self.batch = batch
        assigner = Assigner(
            self._turned(self.repository), self._turned(self.objects), AssignerSettings(), BucketSettings()
        )
        self._start("assigner", FACES_EMBEDDED.name, assigner.step, assigner.committed)
        self._start("detector", IMAGES_UPLOADED.name, self._detect)
        self._start("embedder", FACES_DETECTED.name, self._embed)

    def _turned(self, inner: object) -> Any:
        return InTurns(inner, self.turns, _MOVES)

    def _start(self, name: str, topic: str, step: Step, committed: Any = lambda _: None) -> None:
        stream = self._turned(MemoryStream(self.broker, name, "one", [topic]))
        settings = WorkerSettings(batch=self.batch, wait=1e-9, dead_letters_a_minute=0)
        worker = Worker(name, stream, step, settings, Silent(), self.stop, committed=committed)
        self.turns.start(name, worker.run)

    def change(self, operations: Iterable[tuple[str, str | None]]) -> None:
        """Upload and remove, in turns too; the bucket tells of it within the same move."""
        bucket = self._turned(self)

        def work() -> None:
            for moment, (key, content) in enumerate(operations):
                bucket.put(key, content, moment)

        self.turns.start("user", work)

    def put(self, key: str, content: str | None, moment: int) -> None:
        if content is None:
            self.objects.remove("photos", [key])
        else:
            self.objects.put("photos", key, content.encode(), "")
        facts = {"key": key, "sequencer": f"{moment * 16:04X}"} | ({"eTag": content} if content else {})
        name = "s3:ObjectCreated:Put" if content else "s3:ObjectRemoved:Delete"
        time = (_START + timedelta(seconds=moment)).isoformat()
        told = {"eventName": name, "eventTime": time, "s3": {"bucket": {"name": "photos"}, "object": facts}}
        value = json.dumps({"Records": [told]}).encode()
        self.broker.append(ProducedRecord(IMAGES_UPLOADED.name, f"photos/{key}".encode(), value, {}))

    def _detect(self, records: Sequence[ConsumedRecord]) -> list[ProducedRecord]:
        objects = self._turned(self.objects)
        return [
            photo_record("detector", FACES_DETECTED, _detected(event, objects), record)
            for record in records
            for event in bucket_events(record)
        ]

    def _embed(self, records: Sequence[ConsumedRecord]) -> list[ProducedRecord]:
        objects = self._turned(self.objects)
        found = []
        for record in records:
            event = decoded(record, FacesEmbedded)
            faces = tuple(_embedded(face, objects) for face in event.faces)
            found.append(photo_record("embedder", FACES_EMBEDDED, event.model_copy(update={"faces": faces}), record))
        return found

    def finish(self, order: Sequence[int]) -> None:
        """Let all work in this order, and then one after the other, until there is nothing left to do."""
        moves = 0
        for choice in order:
            self.turns.go_on(choice)
        while not self._is_done():
            self.turns.go_on(moves)
            moves += 1
            assert moves < 20_000, "it never ends"
        self.stop.set()
        while self.turns.go_on(0):
            pass

    def _is_done(self) -> bool:
        if self.turns.is_alive("user"):
            return False
        for service, topic in (
            ("detector", IMAGES_UPLOADED),
            ("embedder", FACES_DETECTED),
            ("assigner", FACES_EMBEDDED),
        ):
            done = self.broker.group(service).committed.get((topic.name, 0), 0)
            if done < len(self.broker.records(topic.name)):
                return False
        return True

    def last(self, topic: str) -> Mapping[bytes, bytes]:
        records = {record.key or b"": record.value for record in self.broker.records(topic)}
        return {key: value for key, value in records.items() if value is not None}


def _detected(event: BucketEvent, objects: MemoryObjectStore) -> FacesEmbedded:
    object_id = ids.object_id(event.bucket, event.key)
    etag = event.etag or ""
    image_id = ids.image_id(object_id, None, etag or f"{event.sequencer}")
    photo = Photo(
        bucket=event.bucket,
        key=event.key,
        object_id=object_id,
        image_id=image_id,
        etag=etag,
        sequencer=event.sequencer,
        size=event.size,
        uploaded_at=event.occurred_at,
    )
    if event.removed:
        return FacesEmbedded(photo=photo, outcome=Outcome.REMOVED)
    try:
        content = objects.get(event.bucket, event.key, LIMIT).data.decode()
    except ObjectError:
        return FacesEmbedded(photo=photo, outcome=Outcome.UNREADABLE, reason="gone")
    faces = []
    for number, _ in enumerate(content):
        box = Box(left=number, top=0, width=len(content), height=9)
        face_id = ids.face_id(image_id, "test", box)
        objects.put("faces", ids.crop_key(face_id), b"crop", "")
        faces.append(
            EmbeddedFace(
                face_id=face_id,
                box=box,
                score=1,
                landmarks=(Point(x=0, y=0),) * 5,
                crop_key=ids.crop_key(face_id),
                sharpness=50,
                verdict=Verdict.ACCEPTED,
                vector=_WORD,
                model_id="model",
            )
        )
    return FacesEmbedded(photo=photo, outcome=Outcome.DETECTED, faces=tuple(faces))


def _embedded(face: EmbeddedFace, objects: MemoryObjectStore) -> EmbeddedFace:
    with suppress(ObjectError):
        objects.get("faces", face.crop_key, LIMIT)
        return face
    return replace(face, verdict=Verdict.CROP_MISSING, vector=None, model_id=None)


_OPERATIONS = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "yz", None])), min_size=1, max_size=6)
_ORDERS = st.lists(st.integers(0, 3), max_size=250)


@given(operations=_OPERATIONS, order=_ORDERS, batch=st.integers(1, 3))
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
