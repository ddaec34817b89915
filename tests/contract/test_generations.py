"""What every `FaceRepository` does about who may make generations, which one is active and which ones stay."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.events import Cause, Verdict
from shared.domain.records import FaceRecord, Lease
from shared.ports.repository import FaceRepository
from tests.contract.conftest import Repositories
from tests.support.random_records import FACES, cluster, face, generation, membership, plain

_WHEN = datetime(2026, 11, 24, 9, 30, 0, 123456, tzinfo=UTC)
FIRST = Lease(1, "one", 0, 60.0, _WHEN)


def test_generations_come_in_the_order_of_their_numbers(repository: FaceRepository) -> None:
    for number in (10, 2, 1):
        repository.save_generation(generation(number))
    assert [item.number for item in repository.generations()] == [1, 2, 10]


def test_a_number_is_given_once(repository: FaceRepository) -> None:
    assert repository.next_generation_number() == 1
    repository.save_generation(generation(5))
    assert [repository.next_generation_number() for _ in range(2)] == [6, 7]
    assert repository.active_generation() is None
    assert repository.generations() == [generation(5)]


def test_of_many_who_ask_at_once_everyone_gets_another_number(repositories: Repositories) -> None:
    with repositories.new() as repository:
        found: list[int] = []

        def ask() -> None:
            with repositories.beside(repository) as mine:
                found.extend(mine.next_generation_number() for _ in range(5))

        _at_once(ask, 6)
        assert sorted(found) == list(range(1, 31))


def _at_once(work: object, count: int) -> None:
    assert callable(work)
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_nobody_has_the_lease_before_the_first(repository: FaceRepository) -> None:
    assert repository.lease() is None


def test_a_lease_comes_back_as_it_was_written(repository: FaceRepository) -> None:
    assert repository.replace_lease(None, FIRST)
    assert repository.lease() == FIRST
    free = replace(FIRST, holder=None, renewals=1, seconds=0.5)
    assert repository.replace_lease(FIRST, free)
    assert repository.lease() == free


@pytest.mark.parametrize(
    "expected", [None, replace(FIRST, number=2), replace(FIRST, renewals=0)], ids=["none", "number", "renewals"]
)
def test_a_lease_that_is_not_the_expected_one_stays(repository: FaceRepository, expected: Lease | None) -> None:
    now = replace(FIRST, renewals=7)
    assert repository.replace_lease(None, now)
    assert not repository.replace_lease(expected, replace(FIRST, number=9, holder="other"))
    assert repository.lease() == now
    repository.save_generation(generation(1))
    assert repository.activate(1, None, 1), "what was refused fences nobody off"


def test_a_lease_is_not_the_expected_one_before_the_first(repository: FaceRepository) -> None:
    assert not repository.replace_lease(FIRST, replace(FIRST, number=2))
    assert repository.lease() is None


def test_of_many_who_take_the_lease_at_once_one_gets_it(repositories: Repositories) -> None:
    with repositories.new() as repository:
        won = []

        def take() -> None:
            with repositories.beside(repository) as mine:
                name = threading.current_thread().name
                if mine.replace_lease(None, replace(FIRST, holder=name)):
                    won.append(name)

        _at_once(take, 8)
        lease = repository.lease()
        assert lease
        assert won == [lease.holder]


def test_who_had_the_lease_before_cannot_swap(repository: FaceRepository) -> None:
    repository.save_generation(generation(1))
    repository.replace_lease(None, FIRST)
    repository.replace_lease(FIRST, replace(FIRST, number=2, holder="other"))
    assert not repository.activate(1, None, 1)
    assert not repository.activate(1, None)
    assert repository.active_generation() is None
    assert repository.activate(1, None, 2)
    assert repository.active_generation() == generation(1)


def test_a_pinned_generation_is_not_removed_until_it_is_unpinned(repository: FaceRepository) -> None:
    repository.save_generation(generation(1))
    repository.pin(1)
    with pytest.raises(ValueError, match="generation 1"):
        repository.remove_generation(1)
    assert repository.generation(1) == generation(1)
    repository.unpin(1)
    repository.remove_generation(1)
    assert repository.generation(1) is None


def test_nothing_takes_the_place_of_a_pinned_generation(repository: FaceRepository) -> None:
    for number in (1, 2):
        repository.save_generation(generation(number))
    repository.activate(1, None)
    repository.pin(1)
    repository.pin(2)
    assert repository.pinned() == {1, 2}
    assert not repository.activate(2, 1)
    repository.unpin(1)
    assert repository.activate(2, 1)
    assert repository.pinned() == {2}


def test_pinning_twice_and_unpinning_what_is_not_pinned_are_no_errors(repository: FaceRepository) -> None:
    assert repository.pinned() == frozenset()
    repository.unpin(1)
    repository.pin(1)
    repository.pin(1)
    assert repository.pinned() == {1}


@given(saved=st.lists(FACES, max_size=10))
def test_the_ids_and_models_of_accepted_faces_are_known(
    repositories: Repositories, saved: Sequence[FaceRecord]
) -> None:
    with repositories.new() as repository:
        repository.save_faces(saved)
        last = sorted({item.face_id: item for item in saved}.items())
        accepted = [item for _, item in last if item.verdict is Verdict.ACCEPTED]
        assert list(repository.accepted_ids()) == [(item.face_id, item.image_id) for item in accepted]
        models = {item.model_id for item in accepted if item.vector is not None and item.model_id is not None}
        assert repository.models() == sorted(models)


def test_more_ids_than_one_page_stream_by_complete(repository: FaceRepository, many: int) -> None:
    ids = [f"{number:05x}" for number in range(many)]
    repository.save_faces([face(its_id, "1") for its_id in reversed(ids)])
    assert [face_id for face_id, _ in repository.accepted_ids()] == ids


def test_faces_are_found_by_their_ids(repository: FaceRepository) -> None:
    repository.save_faces([face("a", "1"), face("b", "2", Verdict.BLURRY), face("c", "3")])
    found = repository.faces_named(["b", "none", "a"])
    assert {face_id: plain(item) for face_id, item in found.items()} == {
        "a": plain(face("a", "1")),
        "b": plain(face("b", "2", Verdict.BLURRY)),
    }
    assert dict(repository.faces_named([])) == {}


def test_memberships_are_removed_in_their_generation_only(repository: FaceRepository) -> None:
    repository.save_memberships([membership(number, face_id) for number in (1, 12) for face_id in "abc"])
    repository.remove_memberships(1, ["a", "c", "none"])
    repository.remove_memberships(1, [])
    assert [item.face_id for item in repository.memberships(1)] == ["b"]
    assert [item.face_id for item in repository.memberships(12)] == ["a", "b", "c"]


def test_a_generation_counts_its_revisions_whatever_is_saved(repository: FaceRepository) -> None:
    repository.revise(1)
    assert repository.generation(1) is None, "there is none to be revised"
    repository.save_generation(generation(1))
    repository.save_generation(generation(2))
    repository.activate(1, None)
    repository.revise(1)
    repository.revise(1)
    repository.save_generation(replace(generation(1), announced=True, revision=9))
    expected = replace(generation(1), announced=True, revision=2)
    assert repository.generation(1) == repository.active_generation() == expected
    assert repository.generations() == [expected, generation(2)]


def test_of_many_who_revise_at_once_everyone_counts(repositories: Repositories) -> None:
    with repositories.new() as repository:
        repository.save_generation(generation(1))

        def revise() -> None:
            with repositories.beside(repository) as mine:
                for _ in range(5):
                    mine.revise(1)

        _at_once(revise, 4)
        found = repository.generation(1)
        assert found
        assert found.revision == 20


def test_a_generation_that_was_removed_begins_anew(repository: FaceRepository) -> None:
    repository.save_generation(generation(1))
    repository.revise(1)
    repository.remove_generation(1)
    repository.save_generation(generation(1))
    assert repository.generation(1) == generation(1)


def test_clusters_are_found_and_removed_by_their_ids(repository: FaceRepository) -> None:
    repository.save_clusters([cluster(number, name) for number in (1, 12) for name in "cab"])
    assert [item.cluster_id for item in repository.clusters(1, ["c", "none", "a", "c"])] == ["a", "c"]
    assert list(repository.clusters(1, [])) == []
    repository.remove_clusters(1, ["a", "none"])
    repository.remove_clusters(1, [])
    assert [item.cluster_id for item in repository.clusters(1)] == ["b", "c"]
    assert [item.cluster_id for item in repository.clusters(12)] == ["a", "b", "c"]


def test_the_faces_of_a_cluster_are_found_by_their_cause(repository: FaceRepository) -> None:
    clustered = [replace(membership(1, face_id), cause=Cause.RECLUSTERED) for face_id in "dbc"]
    others = [membership(1, "a"), membership(1, "e", None), membership(1, "f", "other"), membership(12, "g")]
    repository.save_memberships([*clustered, *others])
    assert list(repository.members(1, "c", Cause.RECLUSTERED, 9)) == ["b", "c", "d"]
    assert list(repository.members(1, "c", Cause.RECLUSTERED, 2)) == ["b", "c"]
    assert list(repository.members(1, "c", Cause.ARRIVED, 9)) == ["a"]
    assert list(repository.members(2, "c", Cause.ARRIVED, 9)) == []
    assert [repository.count_members(1, "c", cause) for cause in (Cause.RECLUSTERED, Cause.ARRIVED)] == [3, 1]
    assert repository.count_members(2, "c", Cause.ARRIVED) == 0


def test_the_parents_of_removed_clusters_are_known_until_their_generation_goes(repository: FaceRepository) -> None:
    repository.save_generation(generation(1))
    for number in (1, 12):
        repository.save_clusters([replace(cluster(number, "a"), parents=("y", "x")), cluster(number, "b")])
    assert dict(repository.former_parents(1, ["a"])) == {}
    repository.remove_clusters(1, ["a", "b", "none"])
    assert dict(repository.former_parents(1, ["a", "b", "none"])) == {"a": ("y", "x"), "b": ()}
    assert dict(repository.former_parents(12, ["a"])) == {}
    repository.save_clusters([replace(cluster(1, "a"), parents=("z",))])
    repository.remove_clusters(1, ["a"])
    assert dict(repository.former_parents(1, ["a"])) == {"a": ("z",)}
    repository.remove_clusters(12, ["a"])
    repository.remove_generation(1)
    assert dict(repository.former_parents(1, ["a", "b"])) == {}
    assert dict(repository.former_parents(12, ["a"])) == {"a": ("y", "x")}
