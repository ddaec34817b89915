"""From photographs in a bucket to assignment events, on real servers, and the same as the standalone runner says."""

import json
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from shared.adapters.sqlite.repository import SqliteRepository
from shared.domain.ids import object_id
from shared.domain.topics import TOPICS
from shared.ports.repository import FaceRepository
from tests.support.fixtures import needed
from tools.pipeline import SERVICES, Pipeline, new_pipeline
from tools.samples import PEOPLE, link_photos, run_facestream, sample_photos
from tools.stack.install import foreign_reader

pytestmark = pytest.mark.slow

_SIZE = 4


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for person in PEOPLE[:3]:
        link_photos(folder, *sample_photos(person)[:9])
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def pipeline(servers: Path) -> Iterator[Pipeline]:
    with needed(), new_pipeline(servers / uuid4().hex[:8]) as pipeline:
        yield pipeline


def standalone(photos: Path, out: Path) -> Path:
    done = run_facestream("run", photos, "--out", out, "--min-cluster-size", str(_SIZE))
    assert done.returncode == 0, done.stderr
    return out / "facestream.db"


def put(pipeline: Pipeline, folder: Path, *files: Path) -> None:
    for file in files:
        pipeline.store.put("photos", file.relative_to(folder).as_posix(), file.read_bytes(), "image/jpeg")


def processed(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """The last outcome of each object, by its key in the bucket; that of one that is gone is `removed`."""
    values = [json.loads(record.value) for record in pipeline.read("images.processed") if record.value is not None]
    return {value["photo"]["key"]: value for value in values}


def assigned(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """The assignments that stand, by face."""
    return {face: json.loads(value) for face, value in pipeline.current("faces.assigned").items() if value is not None}


def people(repository: FaceRepository) -> dict[str, str | None]:
    active = repository.active_generation()
    assert active
    return {item.face_id: item.cluster_id for item in repository.memberships(active.number)}


def test_the_stream_says_what_the_standalone_runner_says_before_and_after_regrouping(
    pipeline: Pipeline, photos: Path, tmp_path: Path
) -> None:
    files = sorted(file for file in photos.rglob("*.jpg"))
    put(pipeline, photos, *files)
    pipeline.wait(lambda: len(processed(pipeline)) == len(files), "all photographs")
    before = assigned(pipeline)
    assert {event["generation"] for event in before.values()} == {0}
    assert {event["cluster_id"] for event in before.values()} == {None}
    outcomes = processed(pipeline)
    assert outcomes["broken.jpg"]["outcome"] == "unreadable"
    assert sum(outcome["unknown"] for outcome in outcomes.values()) == len(before)
    database = standalone(photos, tmp_path / "result")
    with pipeline.repository() as repository, SqliteRepository(database) as alone:
        faces, wanted = ({face.face_id: face for face in found.faces()} for found in (repository, alone))
        assert faces.keys() == wanted.keys()
        assert all(np.array_equal(faces[name].vector, wanted[name].vector) for name in faces)  # type: ignore[arg-type]  # rejected ones have none
        pipeline.recluster(_SIZE)
        assert people(repository) == people(alone)
        assert set(people(alone).values()) - {None}

    more = [sample_photos(person)[9] for person in PEOPLE[:3]]
    link_photos(photos, *more)
    new = [photos / file.parent.name / file.name for file in more]
    put(pipeline, photos, *new)
    pipeline.wait(lambda: len(processed(pipeline)) == len(files) + len(new), "the new photographs")
    database = standalone(photos, tmp_path / "result")
    with pipeline.repository() as repository, SqliteRepository(database) as alone:
        assert people(repository) == people(alone)
        after = {face: event for face, event in assigned(pipeline).items() if event["generation"] == 1}
        assert after
        assert {face: event["cluster_id"] for face, event in after.items()} == {
            face: people(alone)[face] for face in after
        }


def test_a_removed_and_a_replaced_photograph_take_back_what_was_said_of_their_faces(
    pipeline: Pipeline,
) -> None:
    kept, gone, replaced = sample_photos(PEOPLE[3])[:3]
    for name, file in {"kept": kept, "gone": gone, "replaced": replaced}.items():
        pipeline.store.put("photos", name, file.read_bytes(), "image/jpeg")
    pipeline.wait(lambda: {"kept", "gone", "replaced"} <= processed(pipeline).keys())
    faces = {
        name: {face for face, event in assigned(pipeline).items() if event["key"] == name}
        for name in ("kept", "gone", "replaced")
    }
    assert all(faces.values())

    old = processed(pipeline)["replaced"]["photo"]["image_id"]
    pipeline.store.remove("photos", ["gone"])
    pipeline.store.put("photos", "replaced", sample_photos(PEOPLE[4])[0].read_bytes(), "image/jpeg")
    pipeline.wait(lambda: processed(pipeline)["gone"]["outcome"] == "removed", "the removal")
    pipeline.wait(lambda: processed(pipeline)["replaced"]["photo"]["image_id"] != old, "the replacement")
    now = assigned(pipeline)
    assert faces["kept"] <= now.keys()
    assert not now.keys() & (faces["gone"] | faces["replaced"])
    assert {event["key"] for event in now.values()} >= {"kept", "replaced"}
    tombstones = [r for r in pipeline.read("faces.assigned") if r.value is None]
    assert sorted((r.key or b"").decode() for r in tombstones) == sorted(faces["gone"] | faces["replaced"])

    with pipeline.repository() as repository:
        erased = faces["gone"] | faces["replaced"]
        pipeline.wait(lambda: not erased & {face.face_id for face in repository.faces()}, "the faces to go")
        crops = {info.key for info in pipeline.store.list("faces")}
        assert not crops & {f"crops/{face}.png" for face in erased}
        (mark,) = repository.images_of([object_id("photos", "gone")])[object_id("photos", "gone")]
        assert mark.outcome == "removed"
        assert len(repository.images_of([object_id("photos", "replaced")])[object_id("photos", "replaced")]) == 1
        assert not erased & {item.face_id for item in repository.memberships_of(0, sorted(erased)).values()}


def test_a_client_of_another_language_knows_from_the_topics_what_the_database_knows(pipeline: Pipeline) -> None:
    with needed():
        reader = foreign_reader()
    with pipeline.repository() as repository:
        active = repository.active_generation()
        assert active
        # What stands for a person is removed: the job tells of people anew, though it publishes nothing.
        medoid = repository.clusters(active.number)[0].medoid_face_id
        gone = assigned(pipeline)[medoid]["key"]
        pipeline.store.remove("photos", [gone])
        pipeline.wait(lambda: not repository.faces_named([medoid]), "the removal")
        pipeline.recluster(_SIZE, FACESTREAM_RECLUSTERER_LEAST_CHANGE_FACES="99")
        done = subprocess.run(
            [reader, pipeline.stack.kafka.bootstrap_servers], capture_output=True, text=True, check=False, timeout=90
        )
        assert done.returncode == 0, done.stderr
        known = json.loads(done.stdout)
        assert {face: row["cluster_id"] for face, row in known["faces"].items()} == people(repository)
        assert known["tombstones"] > 0
        there = {cluster.cluster_id: cluster.medoid_face_id for cluster in repository.clusters(active.number)}
        told = {name: row for name, row in known["people"].items() if row["change"] not in ("retired", "merged")}
        assert {name: row["medoid_face_id"] for name, row in told.items()} == there
        assert medoid not in there.values()
        images = {image.object_id: image for image in repository.images() if image.outcome != "removed"}
        assert {name: (row["photo"]["image_id"], row["outcome"]) for name, row in known["photos"].items()} == {
            name: (image.image_id, image.outcome) for name, image in images.items()
        }
        assert known["publication"] == {"active": {"generation": active.number, "cause": "reclustered"}}


def test_every_event_has_the_headers_of_cloudevents_and_a_name_of_its_own(pipeline: Pipeline) -> None:
    topics = [topic.name for topic in TOPICS if topic.cleanup == "compact"]
    records = [record for topic in topics for record in pipeline.read(topic)]
    assert records
    for record in records:
        assert record.headers["ce_specversion"] == b"1.0"
        regrouped = b'"cause":"reclustered"' in (record.value or b"") or b'"change":' in (record.value or b"")
        source = "reclusterer" if regrouped else "assigner"
        assert record.headers["ce_source"].decode() == f"/facestream/{source}"
        assert record.headers["ce_type"].decode() == f"facestream.{record.topic}.v1"
        assert ("content-type" in record.headers) == (record.value is not None)
        assert datetime.fromisoformat(record.headers["ce_time"].decode()).tzinfo
    assert len({record.headers["ce_id"] for record in records}) == len(records)


def test_health_and_metrics_tell_of_the_work(pipeline: Pipeline) -> None:
    for service in SERVICES:
        assert pipeline.ask(f"{service}-0", "/livez") == (200, "ok\n")
        assert pipeline.ask(f"{service}-0", "/other")[0] == 404
        assert "facestream_records_consumed_total{topic=" in pipeline.ask(f"{service}-0", "/metrics")[1]
    assigner = pipeline.ask("assigner-0", "/metrics")[1]
    for line in ("facestream_end_to_end_seconds_count", "facestream_active_generation ", "facestream_consumer_lag"):
        assert line in assigner
    assert "model_id=" in pipeline.ask("embedder-0", "/metrics")[1]


def test_told_to_stop_a_service_ends_in_good_order(pipeline: Pipeline) -> None:
    for service in SERVICES:
        pipeline.processes.pop(f"{service}-0").stop()
        assert pipeline.log(f"{service}-0")[-1]["event"] == "stopped"
