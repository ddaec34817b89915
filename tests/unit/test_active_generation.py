"""The people whom an assigner compares with are those of now, also where others have erased photographs."""

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.assigner import active_generation as active
from services.assigner.active_generation import ActiveGeneration
from shared.adapters.memory.repository import MemoryRepository
from shared.domain.matching import AssignerSettings
from shared.erasure.erase import erase
from tests.support.reclustering import World, add_photos, image_record
from tests.support.synthetic_faces import embeddings

_VECTORS = embeddings([5, 4])


@pytest.fixture
def repository() -> MemoryRepository:
    made = World()
    add_photos(made.repository, _VECTORS, [f"{number:03}" for number in range(9)])
    made.recluster()
    found: MemoryRepository = made.repository
    return found


def test_a_medoid_that_another_process_erases_is_compared_with_for_a_second_at_most(
    repository: MemoryRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_service = ActiveGeneration(repository, AssignerSettings())
    before = of_service.current()
    medoid = repository.clusters(1)[0].medoid_face_id
    vector = _VECTORS[int(medoid)]
    assert before.people.similarities(vector).max() == 1
    erase(repository, [image_record(f"image of {medoid}")])
    assert of_service.current() is before
    monkeypatch.setattr(active, "_REFRESH_PERIOD", 0.0)
    after = of_service.current()
    assert (after.generation, after.revision) == (1, before.revision + 1)
    assert after.people.cluster_ids == before.people.cluster_ids
    assert after.people.similarities(vector).max() < 1


def _gauge(name: str) -> float:
    value = REGISTRY.get_sample_value(name)
    assert value is not None
    return value


def test_people_are_still_there_where_others_have_only_erased_a_medoid(repository: MemoryRepository) -> None:
    of_service = ActiveGeneration(repository, AssignerSettings())
    before = of_service.current()
    erase(repository, [image_record(f"image of {repository.clusters(1)[0].medoid_face_id}")])
    assert of_service.is_still(before, before.people.cluster_ids)
    assert of_service.last_read().revision > before.revision


def test_a_person_who_went_with_all_faces_is_not_there_any_more_and_the_others_are(
    repository: MemoryRepository,
) -> None:
    of_service = ActiveGeneration(repository, AssignerSettings())
    before = of_service.current()
    gone = next(item.cluster_id for item in repository.memberships(1) if item.face_id == "000")
    erase(repository, [image_record(f"image of {number:03}") for number in range(5)])
    assert gone is not None
    assert not of_service.is_still(before, [gone])
    assert of_service.is_still(before, set(before.people.cluster_ids) - {gone})


def test_people_of_another_generation_are_not_those_of_before(repository: MemoryRepository) -> None:
    of_service = ActiveGeneration(repository, AssignerSettings())
    before = of_service.current()
    add_photos(repository, embeddings([1], seed=9), ["900"], 1)
    World(repository).recluster()
    assert not of_service.is_still(before, ())


def test_a_generation_that_is_only_revised_is_not_told_of_as_a_new_one(repository: MemoryRepository) -> None:
    with capture_logs() as logs:
        of_service = ActiveGeneration(repository, AssignerSettings())
        before = of_service.current()
        since = _gauge("facestream_active_generation_timestamp_seconds")
        erase(repository, [image_record(f"image of {number:03}") for number in range(5)])
        assert not of_service.is_still(before, before.people.cluster_ids)
    assert [line["generation"] for line in logs if line["event"] == "people of a generation"] == [1]
    assert _gauge("facestream_active_generation_timestamp_seconds") == since
    assert _gauge("facestream_people") == 1
