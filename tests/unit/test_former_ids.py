from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.reclusterer.generations.former_ids import former_cluster_ids
from shared.adapters.memory.repository import MemoryRepository
from shared.domain.events import Cause
from shared.domain.records import GenerationState, Membership
from tests.support.examples import generation


def _names(former: dict[str, str | None], members: dict[int, str], taken: str = "") -> dict[int, str]:
    """Return the names of clusters whose faces are letters, as are those of the people that the faces were."""
    repository = MemoryRepository()
    repository.save_memberships(
        [Membership(1, name, person, 0.8, Cause.RECLUSTERED) for name, person in former.items()]
    )
    repository.remove_memberships(1, list(former))
    return dict(former_cluster_ids(repository, {place: list(faces) for place, faces in members.items()}, set(taken)))


@pytest.mark.parametrize(
    ("former", "expected"),
    [
        ({"a": "X", "b": "X"}, {0: "X"}),
        ({"a": "X", "b": "Y"}, {}),
        ({"a": "X"}, {}),
        ({"a": None, "b": None, "c": "X"}, {}),
        ({}, {}),
    ],
)
def test_a_person_has_the_name_that_most_of_the_faces_had(former: dict[str, str | None], expected: object) -> None:
    assert _names(former, {0: "abc"}) == expected


def test_names_of_a_generation_that_was_held_back_are_not_known_to_anybody() -> None:
    repository = MemoryRepository()
    published = datetime(2026, 11, 24, tzinfo=UTC)
    for number, name in ((1, "heard of"), (2, "held back")):
        repository.save_memberships([Membership(number, face, name, 0.8, Cause.RECLUSTERED) for face in "ab"])
        repository.remove_memberships(number, ["a", "b"])
    made = replace(generation(2), state=GenerationState.HELD)
    repository.save_generation(made)
    repository.save_generation(replace(generation(1), published_at=published))
    assert dict(former_cluster_ids(repository, {0: ["a", "b"]}, set())) == {0: "heard of"}
    repository.save_generation(replace(made, published_at=published + timedelta(hours=1)))
    assert dict(former_cluster_ids(repository, {0: ["a", "b"]}, set())) == {0: "held back"}
    repository.save_generation(replace(generation(1), published_at=published + timedelta(hours=2)))
    assert dict(former_cluster_ids(repository, {0: ["a", "b"]}, set())) == {0: "heard of"}, "somebody went back to it"


def test_a_name_that_somebody_has_is_not_given_again() -> None:
    former: dict[str, str | None] = dict.fromkeys("abcdefgh", "X")
    assert _names(former, {0: "abc"}, taken="X") == {}
    assert _names(former, {0: "ab", 1: "cde", 2: "fgh"}) == {1: "X"}


def test_where_there_are_no_people_nobody_has_a_name() -> None:
    assert _names({"a": "X"}, {}) == {}
