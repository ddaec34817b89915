"""The people whom an assigner compares with are those of now, also where others have erased photographs."""

import pytest

from services.assigner import active
from services.assigner.active import ActiveGroup
from shared.adapters.memory import MemoryRepository
from shared.erasing import erase
from shared.matching import AssignerSettings
from tests.regrouping import World, add_photos, image_record
from tests.synthetic_faces import embeddings

_VECTORS = embeddings([5, 4])


@pytest.fixture
def repository() -> MemoryRepository:
    made = World()
    add_photos(made.repository, _VECTORS, [f"{number:03}" for number in range(9)])
    made.regroup()
    found: MemoryRepository = made.repository
    return found


def test_a_medoid_that_another_process_erases_is_compared_with_for_a_second_at_most(
    repository: MemoryRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = ActiveGroup(repository, AssignerSettings())
    before = group.current()
    medoid = repository.clusters(1)[0].medoid_face_id
    vector = _VECTORS[int(medoid)]
    assert before.people.similarities(vector).max() == 1
    erase(repository, [image_record(f"image of {medoid}")])
    assert group.current() is before
    monkeypatch.setattr(active, "_LOOK_EVERY", 0.0)
    after = group.current()
    assert (after.generation, after.revision) == (1, before.revision + 1)
    assert after.people.cluster_ids == before.people.cluster_ids
    assert after.people.similarities(vector).max() < 1


def test_people_are_not_those_of_before_once_a_medoid_was_erased(repository: MemoryRepository) -> None:
    group = ActiveGroup(repository, AssignerSettings())
    before = group.current()
    assert group.is_still(before)
    erase(repository, [image_record(f"image of {repository.clusters(1)[0].medoid_face_id}")])
    assert not group.is_still(before)
    assert group.is_still(group.known())
