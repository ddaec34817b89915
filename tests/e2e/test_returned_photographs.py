"""On real servers: photographs are removed and uploaded again, and their faces are who they were."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from shared.domain.records import Cluster, Membership
from tests.support.fixtures import needed
from tools.pipeline import Pipeline, new_pipeline
from tools.samples import PEOPLE, sample_photos

pytestmark = pytest.mark.slow

_SIZE = 4
_FILES = [file for person in PEOPLE[:3] for file in sample_photos(person)[:9]]


@pytest.fixture
def pipeline(servers: Path) -> Iterator[Pipeline]:
    with needed(), new_pipeline(servers / uuid4().hex[:8]) as pipeline:
        yield pipeline


def _put(pipeline: Pipeline, *files: Path) -> None:
    for file in files:
        pipeline.store.put("photos", file.name, file.read_bytes(), "image/jpeg")


def _assigned(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """The assignments that stand, by face."""
    return {face: json.loads(value) for face, value in pipeline.current("faces.assigned").items() if value is not None}


def _kept(pipeline: Pipeline) -> tuple[Mapping[str, Membership], Mapping[str, Cluster]]:
    """The memberships of the active generation by face, and its people by cluster id."""
    with pipeline.repository() as repository:
        active = repository.active_generation()
        assert active
        members = {item.face_id: item for item in repository.memberships(active.number)}
        return members, {item.cluster_id: item for item in repository.clusters(active.number)}


def test_photographs_that_are_uploaded_again_have_the_people_that_they_had(pipeline: Pipeline) -> None:
    _put(pipeline, *_FILES)
    pipeline.wait(lambda: len(pipeline.current("images.processed")) == len(_FILES), "all photographs")
    pipeline.recluster(_SIZE)
    before, (members, people) = _assigned(pipeline), _kept(pipeline)
    known = [item for item in members.values() if item.similarity is not None]
    loose = min(known, key=lambda item: item.similarity or 0)
    assert (loose.similarity or 0) < 0.75, "the assigner would not give this face to its person"
    middle = next(cluster for name, cluster in people.items() if name != loose.cluster_id)
    keys = {before[face_id]["key"] for face_id in (loose.face_id, middle.medoid_face_id)}
    gone = {face_id for face_id, event in before.items() if event["key"] in keys}

    pipeline.store.remove("photos", sorted(keys))
    pipeline.wait(lambda: not gone & _assigned(pipeline).keys(), "the tombstones")
    pipeline.wait(lambda: not gone & _kept(pipeline)[0].keys(), "the faces to be erased")
    pipeline.wait(lambda: _kept(pipeline)[1][middle.cluster_id].medoid_face_id not in gone, "another medoid")
    vectors = [cluster.medoid.tobytes() for cluster in _kept(pipeline)[1].values()]
    assert middle.medoid.tobytes() not in vectors

    _put(pipeline, *(file for file in _FILES if file.name in keys))
    pipeline.wait(lambda: gone <= _assigned(pipeline).keys(), "the photographs to come back")
    after = _assigned(pipeline)
    assert after.keys() == before.keys()
    assert {name: event["cluster_id"] for name, event in after.items()} == {
        name: event["cluster_id"] for name, event in before.items()
    }
    assert {after[name]["cause"] for name in gone} == {"arrived"}
    assert _kept(pipeline)[0] == members
    assert {name: cluster.medoid_face_id for name, cluster in _kept(pipeline)[1].items()} == {
        name: cluster.medoid_face_id for name, cluster in people.items()
    }

    told = len(pipeline.read("faces.assigned"))
    pipeline.recluster(
        _SIZE, FACESTREAM_RECLUSTERER_LEAST_CHANGE_FACES="0", FACESTREAM_RECLUSTERER_LEAST_CHANGE_SHARE="0"
    )
    assert len(pipeline.read("faces.assigned")) == told, "nobody has heard of a change"
    assert _kept(pipeline)[0] == members
