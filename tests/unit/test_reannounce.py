"""Saying again what Kafka has lost."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from services.reclusterer.generations.reannounce import Reannounced, reannounce
from shared.adapters.memory.stream import MemoryBroker, MemoryWriter
from shared.domain.events import Cause, Change, ImageProcessed, Outcome, Publication, Verdict
from shared.domain.topics import FACES_ASSIGNED, GENERATIONS_PUBLISHED, IMAGES_PROCESSED
from tests.support.reclustering import World, add_faces, add_photos, image_record, mark_removed
from tests.support.synthetic_faces import embeddings, face_record

FACES = embeddings([6, 1, 5])
NAMES = [f"{number:04}" for number in range(len(FACES))]
NOW = datetime(2026, 12, 24, tzinfo=UTC)


def reclustered() -> World:
    made = World()
    add_photos(made.repository, FACES, NAMES)
    made.recluster()
    return made


def lose_kafka(made: World) -> None:
    made.broker = MemoryBroker()


def repeated(made: World, now: datetime = NOW) -> Reannounced:
    return reannounce(made.repository, MemoryWriter(made.broker, "reclusterer"), now)


def photos(made: World) -> list[ImageProcessed]:
    records = made.broker.records(IMAGES_PROCESSED.name)
    return [ImageProcessed.model_validate_json(record.value) for record in records if record.value is not None]


def forgotten(made: World) -> list[bytes | None]:
    """Return the keys of the tombstones of photographs."""
    return [record.key for record in made.broker.records(IMAGES_PROCESSED.name) if record.value is None]


def test_downstream_hears_of_every_face_every_person_and_every_photograph() -> None:
    made = reclustered()
    lose_kafka(made)
    assert repeated(made) == Reannounced(faces=12, clusters=2, photos=12)
    assert made.known_downstream() == made.members()
    assert [event.change for event in made.cluster_events()] == [Change.KEPT] * 2
    assert Counter(event.assigned for event in photos(made)) == {1: 11, 0: 1}
    assert [event.unknown for event in photos(made) if not event.assigned] == [1]


def test_a_face_says_why_it_has_its_person() -> None:
    made = reclustered()
    add_faces(made.repository, [face_record("late", FACES[0])], 1, made.members()[NAMES[0]])
    lose_kafka(made)
    repeated(made)
    causes = {event.face_id: event.cause for event in made.assigned_events()}
    assert causes.pop("late") is Cause.ARRIVED
    assert set(causes.values()) == {Cause.RECLUSTERED}


def test_before_the_first_generation_every_face_is_unknown() -> None:
    made = World()
    add_photos(made.repository, FACES, NAMES)
    assert repeated(made) == Reannounced(faces=12, clusters=0, photos=12)
    assert set(made.known_downstream().values()) == {None}


def test_of_what_is_removed_nothing_is_said() -> None:
    made = reclustered()
    image_id = next(iter(made.repository.faces())).image_id
    mark_removed(made.repository, image_id)
    lose_kafka(made)
    assert repeated(made) == Reannounced(faces=11, clusters=2, photos=11)
    assert image_id not in {event.photo.image_id for event in photos(made)}
    assert forgotten(made) == [f"object of {image_id}".encode()], "earlier versions wrote no tombstone of it"


def test_an_object_that_comes_back_meanwhile_is_not_forgotten() -> None:
    made = reclustered()
    lose_kafka(made)
    victims = sorted({face.image_id for face in made.repository.faces()})[:2]
    mark_removed(made.repository, *victims)

    class Writer(MemoryWriter):
        def write_if(self, records, holds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  as in the base
            if any(record.value is None for record in records):
                made.repository.save_images([image_record(victims[0])])
            return super().write_if(records, holds)

    reannounce(made.repository, Writer(made.broker, "reclusterer"), NOW)
    assert forgotten(made) == [f"object of {victims[1]}".encode()]


def test_of_an_object_that_was_replaced_the_new_content_is_told_and_no_tombstone_written() -> None:
    made = reclustered()
    lose_kafka(made)
    old = next(iter(made.repository.images()))
    made.repository.save_images([replace(old, image_id="new", etag="new"), replace(old, outcome=Outcome.REMOVED)])
    repeated(made)
    assert forgotten(made) == []
    assert "new" in {event.photo.image_id for event in photos(made)}


def test_at_the_end_it_says_that_all_was_told() -> None:
    made = reclustered()
    lose_kafka(made)
    told = repeated(made)
    (said,) = made.published()
    assert (said.generation, said.previous, said.cause) == (1, 1, Publication.REPEATED)
    assert (said.faces, said.clusters, said.photos) == (told.faces, told.clusters, told.photos)
    assert said.published_at == NOW


def test_before_the_first_generation_it_says_so_too() -> None:
    made = World()
    add_photos(made.repository, FACES, NAMES)
    repeated(made)
    assert [(said.generation, said.previous, said.faces) for said in made.published()] == [(0, 0, 12)]


def test_where_the_topic_is_not_there_yet_all_else_is_told() -> None:
    made = reclustered()
    lose_kafka(made)

    class Writer(MemoryWriter):
        def knows(self, topic: str) -> bool:
            return topic != GENERATIONS_PUBLISHED.name

    told = reannounce(made.repository, Writer(made.broker, "reclusterer"), NOW)
    assert told == Reannounced(faces=12, clusters=2, photos=12, is_complete=False)
    assert made.published() == []
    assert made.known_downstream() == made.members()


def test_what_is_removed_meanwhile_is_said_by_nobody() -> None:
    made = reclustered()
    lose_kafka(made)
    victim = next(iter(made.repository.faces()))

    class Writer(MemoryWriter):
        def write_if(self, records, holds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  as in the base
            mark_removed(made.repository, victim.image_id)
            return super().write_if(records, holds)

    told = reannounce(made.repository, Writer(made.broker, "reclusterer"), NOW)
    assert told.faces == told.photos == 11
    assert victim.face_id not in made.known_downstream()


def test_photographs_without_faces_and_unreadable_ones_are_told_of_too() -> None:
    made = World()
    blurry = replace(face_record("b", np.ones(4, np.float32)), vector=None, verdict=Verdict.BLURRY)
    made.repository.save_faces([blurry])
    broken = replace(image_record("broken"), outcome=Outcome.UNREADABLE, reason="truncated")
    refused = replace(broken, image_id="refused", object_id="object of refused", reason="may not be read", passing=True)
    made.repository.save_images([image_record(blurry.image_id), image_record("empty"), broken, refused])
    assert repeated(made) == Reannounced(faces=0, clusters=0, photos=4)
    said = {event.photo.image_id: event for event in photos(made)}
    assert (said["broken"].outcome, said["broken"].reason) == (Outcome.UNREADABLE, "truncated")
    assert [said[name].passing for name in ("broken", "refused")] == [False, True]
    assert [said[name].rejected for name in ("empty", blurry.image_id)] == [0, 1]


def test_what_is_said_twice_has_names_of_its_own() -> None:
    made = reclustered()
    repeated(made)
    repeated(made, NOW.replace(year=2027))
    records = [*made.broker.records(FACES_ASSIGNED.name), *made.broker.records(IMAGES_PROCESSED.name)]
    names = [record.headers["ce_id"] for record in records]
    assert len(set(names)) == len(names)
