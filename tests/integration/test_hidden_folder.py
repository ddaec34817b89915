"""A folder that the bucket's listing hides, from the comparison to the assigner: the people of its photographs stay."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from shared.adapters.kafka.backlog import longest_wait
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.writer import KafkaWriter
from shared.domain.events import ImageProcessed
from shared.domain.topics import FACES_ASSIGNED, IMAGES_PROCESSED
from shared.stream import notification_records as notices
from tests.support.command_line import Command, facestream_in_process
from tests.support.fixtures import needed
from tools.pipeline import Pipeline, new_pipeline
from tools.samples import PEOPLE, sample_photos

pytestmark = pytest.mark.slow

_SIZE = 4
_FOLDER = "2024"
_HIDDEN = 14  # photographs


@pytest.fixture(scope="module")
def pipeline(servers: Path) -> Iterator[Pipeline]:
    with needed(), new_pipeline(servers / uuid4().hex[:8]) as pipeline, pytest.MonkeyPatch.context() as environment:
        for name, value in pipeline.stack.environment().items():
            environment.setenv(name, value)
        yield pipeline


def told(pipeline: Pipeline) -> Mapping[str, ImageProcessed]:
    """The last outcome of each object, by its key in the bucket; that of one that is gone is `removed`."""
    values = [record.value for record in pipeline.read(IMAGES_PROCESSED.name) if record.value is not None]
    outcomes = [ImageProcessed.model_validate_json(value) for value in values]
    return {outcome.photo.key: outcome for outcome in outcomes}


def people(pipeline: Pipeline) -> Mapping[str, str | None]:
    """The person of each face in the database."""
    with pipeline.repository() as repository:
        active = repository.active_generation()
        assert active
        faces = {face.face_id for face in repository.faces()}
        return {
            item.face_id: item.cluster_id for item in repository.memberships(active.number) if item.face_id in faces
        }


def reconciled(pipeline: Pipeline) -> Command:
    """Compare, and wait until all services have read what was announced."""
    done = facestream_in_process("reconcile", "--grace", "0")
    assert (done.status, done.error) == (0, "")
    pipeline.wait(lambda: longest_wait(KafkaSettings()) is None, "the services")
    return done


def test_an_object_named_like_a_folder_costs_nobody_in_that_folder_anything(pipeline: Pipeline) -> None:
    photos = [photo for person in PEOPLE[:3] for photo in sample_photos(person)[:6]]
    keys = [f"{_FOLDER if at < _HIDDEN else 'other'}/{at:02}.jpg" for at in range(len(photos))]
    for key, photo in zip(keys, photos, strict=True):
        pipeline.store.put("photos", key, photo.read_bytes(), "image/jpeg")
    pipeline.wait(lambda: told(pipeline).keys() >= set(keys), "all photographs")
    pipeline.recluster(_SIZE)
    before = people(pipeline)
    assert set(before.values()) - {None}

    pipeline.store.put("photos", _FOLDER, sample_photos(PEOPLE[3])[0].read_bytes(), "image/jpeg")
    pipeline.wait(lambda: _FOLDER in told(pipeline), "the object in the way")
    assert sorted(info.key for info in pipeline.store.list("photos")) == [_FOLDER, *sorted(keys[_HIDDEN:])]
    said = reconciled(pipeline).lines
    after = people(pipeline)
    assert before.items() <= after.items()
    first = f"{_FOLDER}/00.jpg"
    assert f"{_HIDDEN} objects exist although the listing does not show them (the first is {first})" in said

    # Announced by somebody who had only the listing, or at a time at which it was true, and read now.
    with pipeline.repository() as repository:
        images = [image for image in repository.images() if image.key in keys[:_HIDDEN]]
    now = datetime.now(UTC)
    KafkaWriter(KafkaSettings(), "reconcile").write([notices.removed(image, now) for image in images])
    pipeline.wait(lambda: longest_wait(KafkaSettings()) is None, "the services")
    assert people(pipeline) == after

    pipeline.store.remove("photos", [_FOLDER])
    pipeline.wait(lambda: told(pipeline)[_FOLDER].outcome == "removed", "the removal of what was in the way")
    assert "0 known and gone from the bucket: announced as removed" in reconciled(pipeline).lines
    pipeline.wait(lambda: people(pipeline) == before, "the face on what was in the way to go")
    standing = {face for face, value in pipeline.current(FACES_ASSIGNED.name).items() if value is not None}
    assert standing == before.keys()
    assert {told(pipeline)[key].outcome for key in keys} == {"detected"}


def test_what_is_really_gone_is_erased_all_the_same(pipeline: Pipeline) -> None:
    with pipeline.repository() as repository:
        images = {image.image_id: image.key for image in repository.images() if image.key.startswith("other/")}
        gone = {face.face_id for face in repository.faces() if face.image_id in images}
    assert gone
    pipeline.stack.minio.client().delete_bucket_notification("photos")
    pipeline.store.remove("photos", list(images.values()))
    assert f"{len(images)} known and gone from the bucket: announced as removed" in reconciled(pipeline).lines
    pipeline.wait(lambda: not gone & people(pipeline).keys(), "the faces to go")
