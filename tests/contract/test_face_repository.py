"""What every `FaceRepository` does, whatever keeps the records."""

import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.events import Outcome, Verdict
from shared.domain.records import Cluster, FaceRecord, Generation, GenerationState, ImageRecord, Membership
from shared.ports.repository import FaceRepository
from tests.contract.conftest import Repositories
from tests.support.random_records import (
    CLUSTERS,
    FACES,
    GENERATIONS,
    IMAGES,
    MEMBERSHIPS,
    cluster,
    face,
    generation,
    image,
    membership,
    plain,
)


@given(saved=st.lists(IMAGES, max_size=8))
def test_images_come_back_as_they_were_saved_in_order_of_bucket_and_key(
    repositories: Repositories, saved: Sequence[ImageRecord]
) -> None:
    with repositories.new() as repository, repositories.beside(repository) as again:
        repository.save_images(saved)
        last = {item.image_id: item for item in saved}.values()
        found = list(again.images())
        assert sorted(found, key=lambda item: item.image_id) == sorted(last, key=lambda item: item.image_id)
        order = [(item.bucket.encode(), item.key.encode()) for item in found]
        assert order == sorted(order)


@given(saved=st.lists(FACES, max_size=8))
def test_faces_come_back_as_they_were_saved_in_order_of_face_id(
    repositories: Repositories, saved: Sequence[FaceRecord]
) -> None:
    with repositories.new() as repository, repositories.beside(repository) as again:
        repository.save_faces(saved)
        last = {item.face_id: item for item in saved}
        found = [plain(item) for item in again.faces()]
        assert found == [plain(last[face_id]) for face_id in sorted(last)]


@given(saved=st.lists(MEMBERSHIPS, max_size=12))
def test_of_the_memberships_of_a_face_in_a_generation_the_last_one_stands(
    repositories: Repositories, saved: Sequence[Membership]
) -> None:
    with repositories.new() as repository, repositories.beside(repository) as again:
        half = len(saved) // 2
        repository.save_memberships(saved[:half])
        repository.save_memberships(saved[half:])
        last = {(item.generation, item.face_id): item for item in saved}
        for number in range(4):
            expected = [item for key, item in sorted(last.items()) if key[0] == number]
            assert list(again.memberships(number)) == expected


@given(saved=st.lists(CLUSTERS, max_size=8))
def test_clusters_come_back_as_they_were_saved_in_order_of_cluster_id(
    repositories: Repositories, saved: Sequence[Cluster]
) -> None:
    with repositories.new() as repository, repositories.beside(repository) as again:
        repository.save_clusters(saved)
        last = {(item.generation, item.cluster_id): item for item in saved}
        for number in range(1, 4):
            expected = [plain(item) for key, item in sorted(last.items()) if key[0] == number]
            assert [plain(item) for item in again.clusters(number)] == expected


@given(saved=st.lists(GENERATIONS, max_size=5))
def test_generations_come_back_as_they_were_saved(repositories: Repositories, saved: Sequence[Generation]) -> None:
    with repositories.new() as repository, repositories.beside(repository) as again:
        for item in saved:
            repository.save_generation(item)
        last = {item.number: item for item in saved}
        assert [again.generation(number) for number in range(11)] == [last.get(number) for number in range(11)]


@given(
    images=st.lists(IMAGES, max_size=4),
    faces=st.lists(FACES, max_size=4),
    memberships=st.lists(MEMBERSHIPS, max_size=4),
    clusters=st.lists(CLUSTERS, max_size=4),
)
def test_saving_the_same_again_changes_nothing(
    repositories: Repositories,
    images: Sequence[ImageRecord],
    faces: Sequence[FaceRecord],
    memberships: Sequence[Membership],
    clusters: Sequence[Cluster],
) -> None:
    with repositories.new() as repository:
        contents = []
        for _ in range(2):
            repository.save_images(images)
            repository.save_faces(faces)
            repository.save_memberships(memberships)
            repository.save_clusters(clusters)
            contents.append(_content(repository))
        assert contents[0] == contents[1]


def _content(repository: FaceRepository) -> list[object]:
    found: list[object] = [*repository.images(), *map(plain, repository.faces())]
    for number in range(4):
        found += [*repository.memberships(number), *map(plain, repository.clusters(number))]
    return found


def test_an_image_is_replaced_by_one_of_the_same_id(repository: FaceRepository) -> None:
    repository.save_images([image("1")])
    repository.save_images([replace(image("1"), outcome=Outcome.UNREADABLE, reason="truncated")])
    (found,) = repository.images()
    assert (found.outcome, found.reason) == (Outcome.UNREADABLE, "truncated")


def test_saving_nothing_is_no_error(repository: FaceRepository) -> None:
    repository.save_images([])
    repository.save_faces([])
    repository.save_memberships([])
    repository.save_clusters([])
    assert _content(repository) == []


def test_more_than_one_page_of_images_faces_and_memberships_streams_by_complete(
    repository: FaceRepository, many: int
) -> None:
    ids = [f"{number:05x}" for number in range(many)]
    repository.save_images([image(its_id, key=f"{its_id}.jpg") for its_id in reversed(ids)])
    repository.save_faces([face(its_id, its_id) for its_id in reversed(ids)])
    repository.save_memberships([membership(1, its_id) for its_id in reversed(ids)])
    assert [item.image_id for item in repository.images()] == ids
    assert [item.face_id for item in repository.faces()] == ids
    assert [item.face_id for item in repository.memberships(1)] == ids
    assert len(repository.images_of([f"photos:{its_id}.jpg" for its_id in ids])) == many
    assert len(repository.faces_of(ids)) == many
    assert len(repository.memberships_of(1, ids)) == many
    assert len(repository.remove_images(ids)) == many
    assert list(repository.faces()) == []


def test_images_of_one_key_are_all_there(repository: FaceRepository) -> None:
    saved = [image("1"), image("2"), image("3", bucket="other")]
    repository.save_images(saved)
    assert {item.image_id for item in repository.images()} == {"1", "2", "3"}


def test_records_can_be_written_while_they_are_read(repository: FaceRepository, many: int) -> None:
    repository.save_images([image(f"{number:05x}", key=f"{number:05}.jpg") for number in range(many)])
    seen = []
    for item in repository.images():
        seen.append(item.image_id)
        if len(seen) % 1000 == 1:
            repository.save_images([replace(item, reason="seen")])
    assert len(seen) == many
    assert sum(item.reason == "seen" for item in repository.images()) == len(range(0, many, 1000))


def test_the_images_of_objects_are_found_by_object_id(repository: FaceRepository) -> None:
    first, second, other = image("1", "a.jpg"), image("2", "a.jpg"), image("3", "b.jpg")
    repository.save_images([second, first, other])
    found = repository.images_of([first.object_id, other.object_id, "photos:none"])
    assert {key: list(value) for key, value in found.items()} == {
        first.object_id: [first, second],
        other.object_id: [other],
    }
    assert dict(repository.images_of([])) == {}


def test_the_faces_of_images_are_found_in_order_of_face_id(repository: FaceRepository) -> None:
    repository.save_faces([face("c", "1"), face("a", "1", Verdict.BLURRY), face("b", "2"), face("d", "3")])
    found = repository.faces_of(["2", "1", "none"])
    assert {key: [item.face_id for item in value] for key, value in found.items()} == {"1": ["a", "c"], "2": ["b"]}
    assert [item.vector is None for item in found["1"]] == [True, False]
    assert dict(repository.faces_of([])) == {}


def test_the_memberships_of_faces_are_found_in_their_generation_only(repository: FaceRepository) -> None:
    repository.save_memberships([membership(1, "a"), membership(1, "b", None), membership(2, "c")])
    found = repository.memberships_of(1, ["b", "a", "c", "none"])
    assert dict(found) == {"a": membership(1, "a"), "b": membership(1, "b", None)}
    assert dict(repository.memberships_of(1, [])) == {}


def test_images_of_one_outcome_come_in_the_same_order(repository: FaceRepository) -> None:
    images = [image("1", "b"), image("2", "a"), image("3", "c")]
    gone = [replace(item, outcome=Outcome.REMOVED) for item in images[:2]]
    repository.save_images([*gone, images[2]])
    assert list(repository.images(Outcome.REMOVED)) == [gone[1], gone[0]]
    assert list(repository.images(Outcome.DETECTED)) == [images[2]]
    assert list(repository.images(Outcome.UNREADABLE)) == []


def test_removing_images_removes_their_faces_and_memberships_and_nothing_else(repository: FaceRepository) -> None:
    repository.save_images([image("1"), image("2")])
    repository.save_faces([face("b", "1"), face("a", "1"), face("c", "2")])
    repository.save_memberships([membership(number, face_id) for number in (0, 1) for face_id in "abc"])
    removed = repository.remove_images(["1", "never there"])
    assert [plain(item) for item in removed] == [plain(face("a", "1")), plain(face("b", "1"))]
    assert list(repository.images()) == [image("2")]
    assert [item.face_id for item in repository.faces()] == ["c"]
    assert [list(repository.memberships(number)) for number in (0, 1)] == [[membership(0, "c")], [membership(1, "c")]]


def test_removing_images_again_removes_nothing(repository: FaceRepository) -> None:
    repository.save_images([image("1")])
    repository.save_faces([face("a", "1")])
    repository.remove_images(["1"])
    assert list(repository.remove_images(["1"])) == []


def test_a_face_that_is_saved_under_another_image_is_that_one_s(repository: FaceRepository) -> None:
    repository.save_images([image("1"), image("2")])
    repository.save_faces([face("a", "1"), face("b", "1")])
    repository.save_faces([face("a", "2")])
    found = repository.faces_of(["1", "2"])
    assert {name: [item.face_id for item in faces] for name, faces in found.items()} == {"1": ["b"], "2": ["a"]}
    repository.remove_images(["2"])
    assert [item.face_id for item in repository.faces()] == ["b"]


def test_faces_whose_image_was_never_saved_are_removed_with_its_id(repository: FaceRepository) -> None:
    """A process that dies between its two writes leaves such faces behind."""
    repository.save_faces([face("a", "1")])
    assert [item.face_id for item in repository.remove_images(["1"])] == ["a"]
    assert list(repository.faces()) == []


@given(saved=st.lists(FACES, max_size=10), block=st.integers(1, 4))
def test_accepted_faces_of_a_model_come_in_blocks_of_the_asked_size(
    repositories: Repositories, saved: Sequence[FaceRecord], block: int
) -> None:
    with repositories.new() as repository:
        repository.save_faces(saved)
        expected = [
            item
            for _, item in sorted({item.face_id: item for item in saved}.items())
            if item.verdict is Verdict.ACCEPTED and item.model_id == "one" and item.vector is not None
        ]
        blocks = list(repository.accepted_faces("one", block))
        assert [len(item.face_ids) for item in blocks[:-1]] == [block] * (len(blocks) - 1)
        assert all(1 <= len(item.face_ids) <= block for item in blocks)
        assert [face_id for item in blocks for face_id in item.face_ids] == [item.face_id for item in expected]
        assert [image_id for item in blocks for image_id in item.image_ids] == [item.image_id for item in expected]
        vectors = [vector.tolist() for item in blocks for vector in item.vectors]
        assert vectors == [item.vector.tolist() for item in expected if item.vector is not None]
        assert all(item.vectors.dtype == np.float32 and item.vectors.ndim == 2 for item in blocks)


def test_there_is_no_generation_before_the_first(repository: FaceRepository) -> None:
    assert repository.active_generation() is None
    assert repository.generation(1) is None
    assert list(repository.clusters(1)) == []
    assert repository.next_generation_number() == 1


def test_a_saved_generation_is_not_active_by_that(repository: FaceRepository) -> None:
    repository.save_generation(generation(1))
    assert repository.active_generation() is None
    assert repository.next_generation_number() == 2


def test_a_generation_is_activated_when_the_expected_one_is_active(repository: FaceRepository) -> None:
    repository.save_generation(generation(1))
    repository.save_generation(generation(2))
    assert repository.activate(1, None)
    assert repository.active_generation() == generation(1)
    assert repository.activate(2, 1)
    assert repository.active_generation() == generation(2)
    assert repository.activate(1, 2), "rolling back is the same write"
    assert repository.active_generation() == generation(1)


@pytest.mark.parametrize("expected", [None, 0, 2, 3])
def test_a_generation_is_not_activated_when_another_one_is_active(
    repository: FaceRepository, expected: int | None
) -> None:
    for number in (1, 2, 3):
        repository.save_generation(generation(number))
    repository.activate(1, None)
    assert not repository.activate(2, expected)
    assert repository.active_generation() == generation(1)


def test_the_first_generation_is_not_activated_when_another_one_is_expected(repository: FaceRepository) -> None:
    repository.save_generation(generation(1))
    assert not repository.activate(1, 7)
    assert repository.active_generation() is None


def test_a_generation_that_was_never_saved_is_not_activated(repository: FaceRepository) -> None:
    with pytest.raises(ValueError, match="generation 5"):
        repository.activate(5, None)
    assert repository.active_generation() is None


def test_of_many_who_activate_at_once_one_succeeds(repositories: Repositories) -> None:
    with repositories.new() as repository:
        for number in range(1, 9):
            repository.save_generation(generation(number))
        start = threading.Barrier(8)
        won = []

        def activate(number: int) -> None:
            with repositories.beside(repository) as mine:
                start.wait()
                if mine.activate(number, None):
                    won.append(number)

        threads = [threading.Thread(target=activate, args=(number,)) for number in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        active = repository.active_generation()
        assert active is not None
        assert won == [active.number]


def test_an_active_generation_can_be_described_anew(repository: FaceRepository) -> None:
    repository.save_generation(generation(1))
    repository.activate(1, None)
    described = replace(generation(1), state=GenerationState.ACTIVE, counts={"faces": 3}, announced=True)
    repository.save_generation(described)
    assert repository.active_generation() == described


def test_a_removed_generation_leaves_nothing_but_its_number(repository: FaceRepository) -> None:
    for number in (1, 2):
        repository.save_generation(generation(number))
        repository.save_clusters([cluster(number, "c")])
        repository.save_memberships([membership(number, "a")])
    repository.activate(1, None)
    repository.remove_generation(2)
    assert repository.generation(2) is None
    assert list(repository.clusters(2)) == []
    assert list(repository.memberships(2)) == []
    assert repository.next_generation_number() == 3, "a number is never given twice"
    assert [item.cluster_id for item in repository.clusters(1)] == ["c"]
    assert list(repository.memberships(1)) == [membership(1, "a")]


def test_removing_a_generation_that_is_not_there_is_no_error(repository: FaceRepository) -> None:
    repository.remove_generation(9)
    assert repository.next_generation_number() == 1


def test_the_active_generation_is_not_removed(repository: FaceRepository) -> None:
    repository.save_generation(generation(1))
    repository.save_memberships([membership(1, "a")])
    repository.activate(1, None)
    with pytest.raises(ValueError, match="generation 1 is the active one"):
        repository.remove_generation(1)
    assert repository.active_generation() == generation(1)
    assert list(repository.memberships(1)) == [membership(1, "a")]
