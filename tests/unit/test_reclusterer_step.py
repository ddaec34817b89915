from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from services.reclusterer.settings import JobSettings, ReclustererSettings
from shared.adapters.memory.repository import MemoryRepository
from shared.domain.events import Cause
from shared.domain.ids import cluster_id
from shared.domain.records import Generation, GenerationState
from tests.support.reclustering import World
from tests.support.synthetic_faces import MODEL, embeddings, face_record

SETTINGS = ReclustererSettings(min_cluster_size=3)


def recluster(repository: MemoryRepository, settings: ReclustererSettings = SETTINGS) -> Generation:
    """Regroup as for the result of a folder; return the generation that is then active."""
    anything = JobSettings(least_change_faces=0, least_change_share=0)
    done = World(repository, clustering=settings, job=anything).recluster(MODEL, writer=None).generation
    assert done
    return done


def _repository(vectors: NDArray[np.float32], order: Sequence[int] | None = None) -> MemoryRepository:
    repository = MemoryRepository()
    for number in range(len(vectors)) if order is None else order:
        repository.save_faces([face_record(f"{number:04}", vectors[number])])
    return repository


def _people(repository: MemoryRepository, generation: Generation) -> list[set[str]]:
    """The face ids of each cluster, and its id, by their first face."""
    members: dict[str, set[str]] = {}
    for membership in repository.memberships(generation.number):
        if membership.cluster_id:
            members.setdefault(membership.cluster_id, set()).add(membership.face_id)
    return sorted(members.values(), key=min)


def _faces(start: int, stop: int) -> set[str]:
    return {f"{number:04}" for number in range(start, stop)}


def test_the_first_generation_has_the_people_and_becomes_active() -> None:
    repository = _repository(embeddings([5, 1, 4]))
    generation = recluster(repository)
    assert repository.active_generation() == generation
    assert (generation.number, generation.state, generation.announced) == (1, GenerationState.ACTIVE, True)
    assert _people(repository, generation) == [_faces(0, 5), _faces(6, 10)]
    assert generation.counts == {
        "faces": 10, "photos": 10, "edges": 16, "edge_recall": 1.0, "clusters": 2, "assigned": 9,
        "largest": 5, "assigned_before": 0,
    }  # fmt: skip
    assert {"snapshot", "graph", "whispers", "refine", "medoids", "match", "write", "activate"} <= set(
        generation.timings
    )
    assert generation.parameters["min_cluster_size"] == 3


def test_every_accepted_face_has_a_membership_with_its_similarity_to_the_medoid() -> None:
    vectors = embeddings([5, 1, 4])
    repository = _repository(vectors)
    generation = recluster(repository)
    medoid_of = {cluster.cluster_id: cluster.medoid for cluster in repository.clusters(generation.number)}
    memberships = list(repository.memberships(generation.number))
    assert [membership.face_id for membership in memberships] == sorted(_faces(0, 10))
    for vector, membership in zip(vectors, memberships, strict=True):
        assert membership.cause is Cause.RECLUSTERED
        if membership.cluster_id is None:
            assert membership.similarity is None
        else:
            assert membership.similarity == pytest.approx(vector @ medoid_of[membership.cluster_id], abs=1e-6)


def test_a_cluster_is_named_after_its_generation_and_medoid() -> None:
    repository = _repository(embeddings([5, 4]))
    recluster(repository)
    for cluster in repository.clusters(1):
        assert cluster.cluster_id == cluster_id(1, cluster.medoid_face_id)
        assert cluster.medoid.tolist() == next(
            face.vector.tolist()
            for face in repository.faces()
            if face.face_id == cluster.medoid_face_id and face.vector is not None
        )
        assert (cluster.parents, cluster.exemplars.shape) == ((), (1, 32))
    assert sorted(cluster.size for cluster in repository.clusters(1)) == [4, 5]


def test_blurry_faces_and_those_of_another_model_take_no_part() -> None:
    repository = _repository(embeddings([5]))
    repository.save_faces([face_record("9998", None), replace(face_record("9999", embeddings([1])[0]), model_id="x")])
    generation = recluster(repository)
    assert {membership.face_id for membership in repository.memberships(generation.number)} == _faces(0, 5)


def test_the_order_in_which_faces_arrived_changes_nothing() -> None:
    vectors = embeddings([9, 4, 17, 2, 6], noise=0.75)
    generations = []
    for order in (range(38), range(37, -1, -1), np.random.default_rng(0).permutation(38).tolist()):
        repository = _repository(vectors, order)
        generation = recluster(repository)
        generations.append((generation.snapshot, list(repository.memberships(1))))
    assert generations[1:] == generations[:-1]


def test_nothing_new_means_nothing_to_do() -> None:
    repository = _repository(embeddings([5, 4]))
    first = recluster(repository)
    assert recluster(repository) == first
    assert repository.next_generation_number() == 2


@pytest.mark.parametrize("change", [{"seed": 1}, {"edge_threshold": 0.71}, {"min_cluster_size": 4}, {"iterations": 9}])
def test_other_settings_make_a_new_generation_of_the_same_people(change: dict[str, Any]) -> None:
    repository = _repository(embeddings([5, 4]))
    recluster(repository)
    second = recluster(repository, SETTINGS.model_copy(update=change))
    assert repository.active_generation() == second
    assert second.number == 2
    retired = repository.generation(1)
    assert retired
    assert retired.state is GenerationState.RETIRED
    assert [c.cluster_id for c in repository.clusters(2)] == [c.cluster_id for c in repository.clusters(1)]


def test_people_keep_their_identifier_while_they_grow_and_others_come() -> None:
    vectors = embeddings([8, 6, 7])
    repository = _repository(vectors, [*range(5), *range(8, 12)])
    recluster(repository)
    before = {cluster.medoid_face_id < "0008": cluster.cluster_id for cluster in repository.clusters(1)}
    repository.save_faces([face_record(f"{number:04}", vector) for number, vector in enumerate(vectors)])
    recluster(repository)
    after = {cluster.cluster_id: cluster for cluster in repository.clusters(2)}
    assert len(after) == 3
    for old in before.values():
        assert after[old].parents == (old,)
    (new,) = set(after) - set(before.values())
    assert after[new].parents == ()
    assert after[new].size == 7


def test_faces_assigned_since_the_last_generation_count_for_the_identifier() -> None:
    vectors = embeddings([9])
    repository = _repository(vectors[:3])
    generation = recluster(repository)
    (old,) = repository.clusters(1)
    repository.save_faces([face_record(f"{number:04}", vectors[number]) for number in range(3, 9)])
    arrived = [
        replace(next(repository.memberships(1)), face_id=f"{number:04}", cause=Cause.ARRIVED) for number in (3, 4)
    ]
    repository.save_memberships(arrived)
    for number in range(3):
        repository.remove_images([f"image of {number:04}"])
    assert generation == repository.active_generation()
    recluster(repository)
    assert [cluster.cluster_id for cluster in repository.clusters(2)] == [old.cluster_id]


def test_a_repository_without_faces_gets_a_generation_without_people() -> None:
    repository = MemoryRepository()
    generation = recluster(repository)
    assert repository.active_generation() == generation
    assert (list(repository.clusters(1)), list(repository.memberships(1))) == ([], [])
    assert generation.counts["clusters"] == 0
