"""What is promised is written: every word of the document by some way of a photograph or a generation, and no other."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft7Validator

from docs.make_asyncapi import document
from services.quality.settings import QualitySettings
from services.quality.step import screen
from services.reclusterer.generations.reannounce import reannounce
from shared.adapters.memory.stream import MemoryWriter
from shared.domain.events import FacesScreened, Outcome
from shared.domain.records import GenerationState
from shared.domain.topics import FACES_SCREENED, TOPICS
from shared.erasure.erase import erase
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.settings import BucketSettings
from shared.stream.cloudevents import EventEncoder
from tests.support.reclustering import World, add_photos
from tests.support.synthetic_faces import embeddings
from tests.unit import test_assigner_processor as assigning
from tests.unit import test_quality as judging

_MADE = document()
_SCHEMAS = _MADE["components"]["schemas"]
_MOMENT = datetime(2026, 12, 24, tzinfo=UTC)


def _of_photographs() -> Iterator[ConsumedRecord | ProducedRecord]:
    """Photographs that come, cannot be read, go; faces that are sharp, blurry, and without a crop."""
    world = assigning.World()
    unreadable = assigning.photo_event("b.jpg", "", 2).model_copy(
        update={"outcome": Outcome.UNREADABLE, "reason": "the file ends in the middle", "faces": ()}
    )
    gone = assigning.photo_event("a.jpg", None, 3)
    world.arrive(assigning.photo_event("a.jpg", "xy", 1), unreadable, gone)
    world.run()
    crops = judging.store(sharp=judging.noise(30), soft=judging.noise(0.5))
    screened: FacesScreened = screen(judging.photo("sharp", "soft", "gone"), crops, QualitySettings(), BucketSettings())
    source = ConsumedRecord("faces.detected", 0, 0, b"o", b"{}", {}, _MOMENT)
    yield EventEncoder("quality", screened.photo.uploaded_at, source.headers).photo_record(FACES_SCREENED, screened)
    yield from (record for topic in TOPICS for record in world.broker.records(topic.name))


def _of_generations() -> Iterator[ConsumedRecord]:
    """People who are found, merged, split again by a rollback, and erased; then all is said again."""
    made = World()
    faces = embeddings([6, 5, 4])
    names = [f"{number:04}" for number in range(len(faces))]
    add_photos(made.repository, faces, names)
    made.recluster()
    first, second, _ = (made.members()[name] for name in (names[0], names[6], names[11]))
    # Two people become one, as by a generation that somebody made with another threshold.
    repository = made.repository
    merged = replace(repository.generation(1), number=2, state=GenerationState.HELD, announced=False)
    repository.save_generation(merged)
    repository.save_clusters([replace(it, generation=2) for it in repository.clusters(1) if it.cluster_id != second])
    repository.save_memberships(
        [
            replace(it, generation=2, cluster_id=first if it.cluster_id == second else it.cluster_id)
            for it in repository.memberships(1)
        ]
    )
    made.publish(2)
    made.publish(1)
    erase(repository, [image for image in repository.images() if image.image_id == f"image of {names[0]}"])
    erase(repository, [image for image in repository.images() if image.image_id[-4:] in names[11:]])
    reannounce(repository, MemoryWriter(made.broker, "reclusterer"), _MOMENT)
    yield from (record for topic in TOPICS for record in made.broker.records(topic.name))


_RECORDS = [*_of_photographs(), *_of_generations()]
_MESSAGES = {channel["address"]: channel["messages"] for channel in _MADE["channels"].values()}


def _said(schema: dict[str, Any], value: Any) -> Iterator[tuple[str, str]]:
    """Yield the words of enumerations in a value, each with the name of its enumeration."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if "enum" in _SCHEMAS[name]:
            yield name, value
        yield from _said(_SCHEMAS[name], value)
    for other in schema.get("anyOf", ()):
        if _is_valid(other, value):
            yield from _said(other, value)
    if isinstance(value, dict):
        for field, inner in schema.get("properties", {}).items():
            if field in value:
                yield from _said(inner, value[field])
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        yield from (found for item in value for found in _said(schema["items"], item))


def _is_valid(schema: dict[str, Any], value: Any) -> bool:
    return bool(Draft7Validator({**schema, "components": _MADE["components"]}).is_valid(value))


def _body(record: ConsumedRecord | ProducedRecord) -> Any:
    return None if record.value is None else json.loads(record.value)


def test_every_word_of_the_document_is_written_and_no_other() -> None:
    promised = {(name, word) for name, schema in _SCHEMAS.items() for word in schema.get("enum", ())}
    said = set()
    for record in _RECORDS:
        for message in _MESSAGES[record.topic].values():
            payload = _MADE["components"]["messages"][message["$ref"].rpartition("/")[2]]["payload"]
            said |= set(_said(payload, _body(record)))
    assert said == promised


@pytest.mark.parametrize("topic", [topic for topic in TOPICS if topic.cleanup == "compact"], ids=lambda it: it.name)
def test_every_kind_of_record_that_the_document_knows_is_written_and_every_record_is_of_one(topic: Any) -> None:
    found = set()
    # Those that the world of the regroupings says in the assigner's place have no headers.
    for record in (record for record in _RECORDS if record.topic == topic.name and record.headers):
        headers = {name: value.decode() for name, value in record.headers.items()}
        fitting = set()
        for message in _MESSAGES[topic.name]:
            described = _MADE["components"]["messages"][message]
            if _is_valid(described["payload"], _body(record)) and _is_valid(described["headers"], headers):
                fitting.add(message)
        assert len(fitting) == 1, (record, fitting)
        assert ("content-type" in headers) == (record.value is not None)
        found |= fitting
    assert found == set(_MESSAGES[topic.name])
