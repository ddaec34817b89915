"""What every `FaceRepository` keeps of faces that are gone: their clusters, for the day on which they come back."""

from dataclasses import replace

from shared.domain.events import Cause
from shared.ports.repository import FaceRepository
from tests.support.random_records import face, generation, image, membership


def _photograph(repository: FaceRepository, *generations: int) -> None:
    """Keep a photograph of two faces, and what they are in each of some generations."""
    for number in generations:
        repository.save_generation(generation(number))
    repository.save_images([image("1")])
    repository.save_faces([face("a", "1"), face("b", "1")])
    repository.save_memberships([membership(number, "a", f"person {number}") for number in (0, *generations)])
    repository.save_memberships([membership(number, "b", None) for number in generations])


def test_there_are_no_former_memberships_before_anything_was_removed(repository: FaceRepository) -> None:
    _photograph(repository, 1)
    assert dict(repository.former_memberships(["a", "b", "none"])) == {}
    assert dict(repository.former_memberships([])) == {}
    assert repository.former_clusters(1) == frozenset()


def test_the_memberships_of_a_removed_image_become_former_ones(repository: FaceRepository) -> None:
    _photograph(repository, 2, 12)
    repository.remove_images(["1"])
    former = repository.former_memberships(["b", "a", "none"])
    assert {face_id: list(found) for face_id, found in former.items()} == {
        "a": [membership(12, "a", "person 12"), membership(2, "a", "person 2")],
        "b": [membership(12, "b", None), membership(2, "b", None)],
    }
    assert repository.former_clusters(2) == {"person 2"}
    assert repository.former_clusters(12) == {"person 12"}


def test_of_what_was_said_before_the_first_generation_nothing_is_kept(repository: FaceRepository) -> None:
    _photograph(repository)
    repository.remove_images(["1"])
    assert dict(repository.former_memberships(["a"])) == {}


def test_readers_do_not_see_former_memberships(repository: FaceRepository) -> None:
    _photograph(repository, 1)
    repository.remove_images(["1"])
    assert [list(repository.memberships(number)) for number in (0, 1)] == [[], []]
    assert dict(repository.memberships_of(1, ["a", "b"])) == {}
    assert list(repository.members(1, "person 1", Cause.ARRIVED, 9)) == []


def test_a_removed_membership_becomes_a_former_one_in_its_generation_only(repository: FaceRepository) -> None:
    _photograph(repository, 1, 2)
    repository.remove_memberships(1, ["a", "none"])
    assert dict(repository.former_memberships(["a", "b"])) == {"a": [membership(1, "a", "person 1")]}
    assert dict(repository.memberships_of(2, ["a"])) == {"a": membership(2, "a", "person 2")}


def test_removing_again_keeps_what_was_kept(repository: FaceRepository) -> None:
    _photograph(repository, 1)
    repository.remove_memberships(1, ["a"])
    repository.remove_memberships(1, ["a"])
    repository.remove_images(["1"])
    repository.remove_images(["1"])
    assert list(repository.former_memberships(["a"])["a"]) == [membership(1, "a", "person 1")]


def test_a_face_that_goes_again_has_had_what_it_had_last(repository: FaceRepository) -> None:
    _photograph(repository, 1)
    repository.remove_images(["1"])
    repository.save_memberships([membership(1, "a", "somebody else")])
    assert list(repository.former_memberships(["a"])["a"]) == [membership(1, "a", "person 1")], "it may be asked again"
    repository.remove_memberships(1, ["a"])
    assert list(repository.former_memberships(["a"])["a"]) == [membership(1, "a", "somebody else")]
    assert repository.former_clusters(1) == {"somebody else"}


def test_a_former_membership_has_all_that_it_had(repository: FaceRepository) -> None:
    clustered = replace(membership(3, "a"), cause=Cause.RECLUSTERED, similarity=0.71)
    repository.save_memberships([clustered, replace(membership(3, "b", None), similarity=None)])
    repository.remove_memberships(3, ["a", "b"])
    former = repository.former_memberships(["a", "b"])
    assert list(former["a"]) == [clustered]
    assert list(former["b"]) == [replace(membership(3, "b", None), similarity=None)]


def test_former_memberships_go_with_their_generation(repository: FaceRepository) -> None:
    _photograph(repository, 1, 12)
    repository.remove_images(["1"])
    repository.remove_generation(1)
    assert dict(repository.former_memberships(["a"])) == {"a": [membership(12, "a", "person 12")]}
    assert repository.former_clusters(1) == frozenset()
    repository.remove_generation(12)
    assert dict(repository.former_memberships(["a", "b"])) == {}


def test_more_former_memberships_than_one_page_are_all_there(repository: FaceRepository, many: int) -> None:
    ids = [f"{number:05x}" for number in range(many)]
    repository.save_memberships([membership(1, its_id, its_id) for its_id in ids])
    repository.remove_memberships(1, ids)
    assert len(repository.former_memberships(ids)) == len(ids)
    assert repository.former_clusters(1) == set(ids)
