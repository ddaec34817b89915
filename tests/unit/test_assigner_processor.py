"""What the assigner keeps and says, whatever comes twice, too late or in the wrong order, and wherever it is killed."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.assigner.processor import AssignerProcessor
from shared.adapters.memory.objects import MemoryObjectStore
from shared.adapters.memory.repository import MemoryRepository
from shared.adapters.memory.stream import MemoryBroker, MemoryStream
from shared.domain import ids
from shared.domain.events import (
    Box,
    EmbeddedFace,
    FaceAssigned,
    FacesEmbedded,
    ImageProcessed,
    Outcome,
    Photo,
    Point,
    Verdict,
)
from shared.domain.matching import AssignerSettings
from shared.domain.records import Cluster, FaceRecord, Generation, GenerationState, ImageRecord
from shared.domain.topics import DEAD_LETTERS, FACES_ASSIGNED, FACES_EMBEDDED, IMAGES_PROCESSED, IMAGES_UPLOADED
from shared.errors import Fatal, ObjectRefused, Poison, Transient
from shared.ports.streams import ConsumedRecord
from shared.settings import BucketSettings
from shared.stream.cloudevents import EventEncoder
from shared.stream.worker import Worker, WorkerSettings
from tools.notifications import events_of

_START = datetime(2026, 11, 24, tzinfo=UTC)
_ACCEPTED, _REJECTED = Verdict.ACCEPTED, Verdict.BLURRY


def vector(number: int) -> NDArray[np.float32]:
    return np.array([place == number % 8 for place in range(8)], np.float32)


def photo_event(
    key: str,
    content: str | None,
    moment: int,
    sequencer: bool = True,  # noqa: FBT001, FBT002  it reads well in the calls
    version: str | None = None,
) -> FacesEmbedded:
    """A photograph that holds as many accepted faces as its content has letters, and a blurry one; None: removed."""
    object_id = ids.object_id("photos", key)
    etag = content or ""
    image_id = ids.image_id(object_id, version, etag or f"{moment}")
    photo = Photo(
        bucket="photos",
        key=key,
        object_id=object_id,
        image_id=image_id,
        etag=etag,
        version_id=version,
        sequencer=f"{moment:04X}" if sequencer else None,
        size=1,
        uploaded_at=_START + timedelta(seconds=moment),
    )
    if content is None:
        return FacesEmbedded(photo=photo, outcome=Outcome.REMOVED)
    faces = []
    for number, letter in enumerate([*content, ""]):
        box = Box(left=number, top=0, width=9, height=9)
        face_id = ids.face_id(image_id, "test", box)
        faces.append(
            EmbeddedFace(
                face_id=face_id,
                box=box,
                score=1,
                landmarks=(Point(x=0, y=0),) * 5,
                crop_key=ids.crop_key(face_id),
                sharpness=50,
                verdict=_ACCEPTED if letter else _REJECTED,
                vector=vector(ord(letter)) if letter else None,
                model_id="model" if letter else None,
            )
        )
    return FacesEmbedded(photo=photo, outcome=Outcome.DETECTED, faces=tuple(faces))


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Mortal:
    """Passes calls on; at some of them, numbered over all that share `calls`, the process dies, before or after."""

    inner: Any
    calls: Counter[str]
    deaths: frozenset[int]

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.inner, name)
        if not callable(call):
            return call

        def counted(*arguments: Any) -> Any:
            self.calls["all"] += 1
            before = self.calls["all"]
            if 2 * before in self.deaths:
                raise Killed
            result = call(*arguments)
            if 2 * before + 1 in self.deaths:
                raise Killed
            return result

        return counted


class Silent:
    """An observer that says nothing."""

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_: None


class World:
    """An assigner on ports in memory, that can be killed and started again."""

    def __init__(self, batch: int = 4, deaths: frozenset[int] = frozenset()) -> None:
        self.broker = MemoryBroker()
        self.repository = MemoryRepository()
        self.objects = MemoryObjectStore()
        self.batch = batch
        self.calls: Counter[str] = Counter()
        self.deaths = deaths

    def arrive(self, *events: FacesEmbedded) -> None:
        for event in events:
            photo = event.photo
            encoder = EventEncoder("embedder", photo.uploaded_at)
            self.broker.append(encoder.record(FACES_EMBEDDED, photo.object_id, event, subject=photo.image_id, cause=""))
            for face in event.faces:
                self.objects.put("faces", face.crop_key, b"crop", "image/png")

    def run(self) -> None:
        """Work until all is done, started anew after every death."""
        for _ in range(100):
            try:
                self._live()
            except Killed:
                continue
            return

    def _live(self) -> None:
        stop = Event()
        stream = MemoryStream(self.broker, "assigner", "one", [FACES_EMBEDDED.name])

        def mortal(inner: object) -> Any:
            return Mortal(inner, self.calls, self.deaths)

        assigner = AssignerProcessor(
            repository=mortal(self.repository),
            objects=mortal(self.objects),
            settings=AssignerSettings(),
            crops=BucketSettings().faces,
            is_committed=stream.is_committed,
        )

        consume = stream.consume

        def consume_or_stop(limit: int, wait: float) -> Sequence[ConsumedRecord]:
            found = consume(limit, wait)
            if not found and wait:  # else it looks for what it could begin ahead
                stop.set()
            return found

        stream.consume = consume_or_stop  # type: ignore[method-assign]  # the topic ends here
        settings = WorkerSettings(batch=self.batch, first_retry=1e-6, longest_retry=1e-6, tries=100)
        Worker(
            service="assigner",
            stream=mortal(stream),
            processor=assigner,
            settings=settings,
            observer=Silent(),
            stop=stop,
        ).run()

    def standing(self) -> dict[str, FaceAssigned]:
        """What a reader of the compacted topic knows of faces."""
        last = {record.key: record.value for record in self.broker.records(FACES_ASSIGNED.name)}
        found = [FaceAssigned.model_validate_json(value) for value in last.values() if value is not None]
        return {event.face_id: event for event in found}

    def outcomes(self) -> dict[str, ImageProcessed]:
        """What a reader knows who reads all: a tombstone takes back nothing that it has heard."""
        records = [record for record in self.broker.records(IMAGES_PROCESSED.name) if record.value is not None]
        return {(r.key or b"").decode(): ImageProcessed.model_validate_json(r.value or b"") for r in records}

    def forgotten(self) -> set[str]:
        """The objects of which the compacted topic says nothing any more."""
        last = {(r.key or b"").decode(): r.value for r in self.broker.records(IMAGES_PROCESSED.name)}
        return {name for name, value in last.items() if value is None}

    def crops(self) -> set[str]:
        return {info.key for info in self.objects.list("faces")}


def accepted(*events: FacesEmbedded) -> set[str]:
    return {face.face_id for event in events for face in event.faces if face.verdict is _ACCEPTED}


def test_an_arrived_photograph_is_kept_and_said_once() -> None:
    world = World()
    event = photo_event("a.jpg", "xy", 1)
    world.arrive(event)
    world.run()
    assert world.standing().keys() == accepted(event)
    (outcome,) = world.outcomes().values()
    assert (outcome.assigned, outcome.unknown, outcome.rejected) == (0, 2, 1)
    (image,) = world.repository.images()
    assert image.source == f"{FACES_EMBEDDED.name}/0@0"
    assert len(list(world.repository.faces())) == 3


def test_the_same_photograph_announced_again_is_dropped() -> None:
    world = World()
    world.arrive(
        photo_event("a.jpg", "x", 1), photo_event("a.jpg", "x", 1), photo_event("a.jpg", "x", 1, sequencer=False)
    )
    world.run()
    assert len(world.broker.records(FACES_ASSIGNED.name)) == 1
    assert len(world.broker.records(IMAGES_PROCESSED.name)) == 1


def test_a_removed_photograph_is_taken_back_and_only_a_mark_is_left() -> None:
    world = World()
    event = photo_event("a.jpg", "xy", 1)
    world.arrive(event, photo_event("a.jpg", None, 2))
    world.run()
    tombstones = [record for record in world.broker.records(FACES_ASSIGNED.name) if record.value is None]
    assert {(record.key or b"").decode() for record in tombstones} == accepted(event)
    (outcome,) = world.outcomes().values()
    assert (outcome.outcome, outcome.photo.image_id) == (Outcome.REMOVED, event.photo.image_id)
    assert world.forgotten() == {event.photo.object_id}
    assert [image.outcome for image in world.repository.images()] == [Outcome.REMOVED]
    assert list(world.repository.faces()) == []
    assert list(world.repository.memberships(0)) == []
    assert world.crops() == set()


def test_who_reads_on_hears_what_is_gone_and_the_topic_then_forgets_its_name() -> None:
    world = World()
    world.arrive(photo_event("ann.jpg", "x", 1), photo_event("ann.jpg", None, 2), photo_event("ben.jpg", "x", 3))
    world.run()
    records = [
        record
        for record in world.broker.records(IMAGES_PROCESSED.name)
        if record.key == ids.object_id("photos", "ann.jpg").encode()
    ]
    outcomes = [record.value and ImageProcessed.model_validate_json(record.value).outcome for record in records]
    assert outcomes == [Outcome.DETECTED, Outcome.REMOVED, None]
    assert len({record.headers["ce_id"] for record in records}) == len(records)
    assert "content-type" not in records[-1].headers
    last = {record.key: record.value or b"" for record in world.broker.records(IMAGES_PROCESSED.name)}
    assert [b"ann" in value for value in last.values()] == [False, False], "what compaction leaves has no such name"


def test_an_object_that_comes_back_is_known_again() -> None:
    world = World()
    event = photo_event("a.jpg", "x", 3)
    world.arrive(photo_event("a.jpg", "x", 1), photo_event("a.jpg", None, 2), event)
    world.run()
    assert world.forgotten() == set()
    assert [outcome.photo.sequencer for outcome in world.outcomes().values()] == [event.photo.sequencer]


def test_a_removal_that_overtakes_the_upload_wins() -> None:
    world = World()
    world.arrive(photo_event("a.jpg", None, 2), photo_event("a.jpg", "x", 1))
    world.run()
    assert world.standing() == {}
    assert [outcome.outcome for outcome in world.outcomes().values()] == [Outcome.REMOVED]


def test_a_replaced_photograph_leaves_nothing_of_the_old_one() -> None:
    world = World()
    old, new = photo_event("a.jpg", "xy", 1), photo_event("a.jpg", "z", 2)
    world.arrive(old, new)
    world.run()
    assert world.standing().keys() == accepted(new)
    assert [image.image_id for image in world.repository.images()] == [new.photo.image_id]
    assert world.crops() == {face.crop_key for face in new.faces}


def test_the_trace_of_an_upload_goes_on_in_all_that_follows() -> None:
    world = World()
    event = photo_event("a.jpg", "x", 1)
    encoder = EventEncoder("embedder", _START, {"traceparent": b"00-1-2-01"})
    record = encoder.record(FACES_EMBEDDED, "k", event, subject="s", cause="")
    world.broker.append(record)
    world.run()
    for topic in (FACES_ASSIGNED, IMAGES_PROCESSED):
        assert [found.headers["traceparent"] for found in world.broker.records(topic.name)] == [b"00-1-2-01"]


def new_generation(world: World, number: int, letter: str, model: str = "model") -> None:
    cluster = Cluster(number, f"person {letter}", "m", vector(ord(letter)), np.zeros((0, 8), np.float32), 20)
    world.repository.save_generation(Generation(number, GenerationState.ACTIVE, model, "", {}))
    world.repository.save_clusters([cluster])
    active = world.repository.active_generation()
    assert world.repository.activate(number, active.number if active else None)


def test_faces_go_to_the_people_of_the_active_generation() -> None:
    world = World()
    new_generation(world, 1, "x")
    world.arrive(photo_event("a.jpg", "xy", 1))
    world.run()
    said = [(event.generation, event.cluster_id) for event in world.standing().values()]
    assert sorted(said, key=str) == [(1, "person x"), (1, None)]


def test_a_batch_whose_generation_changes_while_it_is_written_is_done_again() -> None:
    world = World()
    new_generation(world, 1, "x")
    save, changes = world.repository.save_images, iter("y")

    def save_and_swap(images: Sequence[ImageRecord]) -> None:
        save(images)
        letter = next(changes, None) if images else None
        if letter:
            new_generation(world, 2, letter)

    world.repository.save_images = save_and_swap  # type: ignore[method-assign]
    world.arrive(photo_event("a.jpg", "y", 1))
    world.run()
    (event,) = world.standing().values()
    assert (event.generation, event.cluster_id) == (2, "person y")
    assert len(world.broker.records(FACES_ASSIGNED.name)) == 1


def test_faces_of_another_model_are_nobody_of_the_generation() -> None:
    world = World()
    new_generation(world, 1, "x", model="another")
    world.arrive(photo_event("a.jpg", "x", 1))
    world.run()
    (event,) = world.standing().values()
    assert (event.cluster_id, event.similarity) == (None, None)


def test_a_face_that_another_model_embeds_anew_keeps_its_person() -> None:
    world = World()
    new_generation(world, 1, "x", model="model")
    world.arrive(photo_event("a.jpg", "xy", 1))
    world.run()
    before = world.standing()
    world.repository._images.clear()  # as an operator does who wants everything embedded anew
    world.repository._images_of.clear()
    event = photo_event("a.jpg", "xy", 1)
    anew = tuple(replace(face, model_id=face.model_id and "another") for face in event.faces)
    world.arrive(event.model_copy(update={"faces": anew}))
    world.run()
    assert world.standing() == before
    assert len(world.broker.records(FACES_ASSIGNED.name)) == 4
    kept = [face for face in world.repository.faces() if face.vector is not None]
    assert [face.model_id for face in kept] == ["another"] * 2
    (outcome,) = world.outcomes().values()
    assert (outcome.assigned, outcome.unknown, outcome.rejected) == (1, 1, 1)


def test_nothing_is_erased_before_the_commit() -> None:
    world = World()
    event = photo_event("a.jpg", "x", 1)
    world.arrive(event)
    world.run()
    stream = MemoryStream(world.broker, "assigner", "two", [FACES_EMBEDDED.name])
    assigner = AssignerProcessor(
        repository=world.repository,
        objects=world.objects,
        settings=AssignerSettings(),
        crops=BucketSettings().faces,
        is_committed=stream.is_committed,
    )
    world.arrive(photo_event("a.jpg", None, 2))
    records = stream.consume(10, 0.1)
    said = assigner.process(records)
    assert [record.value for record in said if record.topic == FACES_ASSIGNED.name] == [None]
    assigner.start()
    assert world.crops() == {face.crop_key for face in event.faces}
    assert [record.value for record in assigner.process(records) if record.topic == FACES_ASSIGNED.name] == [None]
    stream.commit(records, said)
    assigner.start()
    assert world.crops() == set()


def test_an_erasure_that_fails_is_tried_again_until_it_is_done() -> None:
    world = World()
    world.arrive(photo_event("a.jpg", "x", 1), photo_event("a.jpg", None, 2))
    remove, failures = world.objects.remove, iter([True] * 3)

    def failing(bucket: str, keys: Sequence[str]) -> None:
        if next(failures, False):
            msg = "the object store is away"
            raise Transient(msg)
        remove(bucket, keys)

    world.objects.remove = failing  # type: ignore[method-assign,assignment]
    world.run()
    assert world.crops() == set()
    assert list(world.repository.faces()) == []


_OPERATIONS = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "yz", None])), min_size=1, max_size=6)


@given(
    operations=_OPERATIONS,
    batch=st.integers(1, 5),
    deaths=st.frozensets(st.integers(2, 150), max_size=8),
    data=st.data(),
)
@pytest.mark.slow
def test_whatever_comes_late_or_twice_and_wherever_it_is_killed_the_end_is_the_state_of_the_bucket(
    operations: list[tuple[str, str | None]], batch: int, deaths: frozenset[int], data: st.DataObject
) -> None:
    events = [photo_event(key, content, moment) for moment, (key, content) in enumerate(operations)]
    again = data.draw(st.lists(st.sampled_from(events), max_size=3), label="again")
    arriving = data.draw(st.permutations([*events, *again]), label="order")
    world = World(batch, deaths)
    world.arrive(*arriving)
    world.run()
    last = {event.photo.object_id: event for event in events}
    assert {name: outcome.outcome for name, outcome in world.outcomes().items()} == {
        name: event.outcome for name, event in last.items()
    }
    assert world.forgotten() == {name for name, event in last.items() if event.outcome is Outcome.REMOVED}
    assert world.standing().keys() == accepted(*last.values())
    assert {face.face_id for face in world.repository.faces()} == {
        face.face_id for event in last.values() for face in event.faces
    }
    assert {item.face_id for item in world.repository.memberships(0)} == accepted(*last.values())
    assert world.crops() <= {face.crop_key for event in last.values() for face in event.faces}
    there = {image.object_id: image.outcome for image in world.repository.images() if image.outcome != "removed"}
    assert there == {name: event.outcome for name, event in last.items() if event.outcome != "removed"}
    for topic in (FACES_ASSIGNED, IMAGES_PROCESSED):
        names = [record.headers["ce_id"] for record in world.broker.records(topic.name)]
        assert len(names) == len(set(names))


def test_a_version_that_was_deleted_takes_its_faces_with_it_and_an_older_one_nothing() -> None:
    world = World()
    old, new = photo_event("a.jpg", "xy", 1, version="v1"), photo_event("a.jpg", "z", 3, version="v2")
    world.arrive(old, new, photo_event("a.jpg", None, 5, version="v1"), photo_event("a.jpg", None, 6, version="v0"))
    world.run()
    assert world.standing().keys() == accepted(new)
    world.arrive(photo_event("a.jpg", None, 7, version="v2"))
    world.run()
    assert world.standing() == {}
    assert world.crops() == set()
    assert [outcome.outcome for outcome in world.outcomes().values()] == [Outcome.REMOVED]


def test_an_upload_before_the_last_version_was_deleted_stands_even_if_it_comes_after() -> None:
    world = World()
    second = photo_event("a.jpg", "z", 3, version="v2")
    world.arrive(photo_event("a.jpg", "x", 1, version="v1"), photo_event("a.jpg", None, 5, version="v1"), second)
    world.run()
    assert world.standing().keys() == accepted(second)


def test_an_assigner_that_may_not_look_for_crops_stops_and_says_which_right_it_lacks() -> None:
    world = World()
    world.arrive(photo_event("a.jpg", "x", 1), photo_event("a.jpg", None, 2))
    world.run()
    objects: Any = world.objects
    allowed = objects.exists

    def refuse(bucket: str, key: str) -> bool:
        msg = f"{bucket}/{key}: AccessDenied: Access Denied."
        raise ObjectRefused(msg)

    objects.exists = refuse
    event = photo_event("a.jpg", "x", 3)
    world.arrive(event)
    with pytest.raises(Fatal, match=r"faces/.*AccessDenied.*`s3:GetObject` on the objects of `faces`"):
        world.run()
    assert not world.broker.records(DEAD_LETTERS.name)
    objects.exists = allowed
    world.run()
    assert world.standing().keys() == accepted(event)


_VERSIONED = st.lists(st.one_of(st.sampled_from(["x", "yz", None]), st.integers(0, 5)), min_size=1, max_size=7)


@given(operations=_VERSIONED, batch=st.integers(1, 4), deaths=st.frozensets(st.integers(2, 150), max_size=6))
@example([None, "x"], 2, frozenset([33, 69]))
@pytest.mark.slow
def test_of_a_bucket_with_versions_the_last_one_is_kept_until_it_or_the_object_is_deleted(
    operations: list[str | int | None], batch: int, deaths: frozenset[int]
) -> None:
    """A text is uploaded as a new version, None is a delete marker, a number deletes that version for good.

    Or one that never is, where the number is that of a later moment: no version is deleted before it is made.
    """
    world, last = World(batch, deaths), None
    for moment, operation in enumerate(operations):
        if isinstance(operation, int):
            version = f"v{operation}" if operation < moment else "nowhere"
            event = photo_event("a", None, 16 * moment, version=version)
            last = None if last and last.photo.version_id == version else last
        else:
            event = photo_event("a", operation, 16 * moment, version=f"v{moment}" if operation else None)
            last = event if operation else None
        world.arrive(event)
    world.run()
    wanted = [last] if last else []
    assert world.standing().keys() == accepted(*wanted)
    crops = {face.crop_key for event in wanted for face in event.faces}
    assert world.crops() <= crops
    # An earlier event that comes again alone takes the crops of what died half done; the detector is asked for them.
    assert world.crops() == crops or world.broker.records(IMAGES_UPLOADED.name)
    living = [image.image_id for image in world.repository.images() if image.outcome != Outcome.REMOVED]
    assert living == [event.photo.image_id for event in wanted]


def test_an_image_that_cannot_be_erased_costs_the_others_nothing_and_is_left_for_the_next_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.arrive(photo_event("a.jpg", "x", 1), photo_event("b.jpg", "y", 1))
    world.run()
    odd = photo_event("a.jpg", "x", 1).photo.image_id
    real = world.repository.remove_images

    def remove(image_ids: Sequence[str]) -> Sequence[FaceRecord]:
        if odd in image_ids:
            msg = "the repository cannot hold it"
            raise Poison(msg)
        return real(image_ids)

    monkeypatch.setattr(world.repository, "remove_images", remove)
    world.arrive(photo_event("a.jpg", None, 2), photo_event("b.jpg", None, 2), photo_event("c.jpg", "z", 1))
    world.run()
    c = photo_event("c.jpg", "z", 1)
    assert {face.image_id for face in world.repository.faces()} == {odd, c.photo.image_id}
    assert world.standing().keys() == accepted(c)
    monkeypatch.undo()
    world.run()
    assert {face.image_id for face in world.repository.faces()} == {c.photo.image_id}


def test_crops_that_an_erasure_took_from_a_new_upload_are_made_again() -> None:
    world = World()
    event = photo_event("a.jpg", "xy", 3)
    world.arrive(photo_event("a.jpg", "xy", 1), photo_event("a.jpg", None, 2))
    world.run()
    lost = replace(event.faces[0], verdict=Verdict.CROP_MISSING, vector=None, model_id=None)
    world.arrive(event.model_copy(update={"faces": (lost, *event.faces[1:])}))
    world.run()
    (asked,) = world.broker.records(IMAGES_UPLOADED.name)
    (wanted,) = events_of(asked)
    assert (wanted.key, wanted.etag, wanted.sequencer, wanted.removed) == ("a.jpg", "xy", "0004", False)
    assert world.standing().keys() == accepted(event) - {lost.face_id}
    world.arrive(photo_event("a.jpg", "xy", 4))
    world.run()
    assert world.standing().keys() == accepted(event)
    assert len(world.broker.records(IMAGES_UPLOADED.name)) == 1


@pytest.mark.parametrize("late", [photo_event("a.jpg", "x", 1), photo_event("a.jpg", "yz", 1)])
def test_a_photograph_that_comes_too_late_leaves_no_crop(late: FacesEmbedded) -> None:
    world = World()
    kept = photo_event("a.jpg", "x", 3)
    world.arrive(kept, late)
    world.run()
    assert world.crops() == {face.crop_key for face in kept.faces}
