"""What every `FaceRepository` does with more than one page: nothing is left out, nothing comes twice."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.events import Outcome, Verdict
from shared.domain.records import ImageRecord
from shared.ports.repository import FaceRepository
from tests.contract.conftest import Repositories
from tests.support.random_records import IMAGES, cluster, face, generation, image, membership

_PAGES = (
    "shared.adapters.mongo.collection._PAGE",
    "shared.adapters.sqlite.photos._PAGE",
    "shared.adapters.sqlite.memberships._PAGE",
)
_IDS = [f"{number:02x}" for number in range(11)]


@pytest.fixture(scope="module", autouse=True)
def page() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        _set(patch, 3)
        yield patch


def _set(page: pytest.MonkeyPatch, size: int) -> None:
    for name in _PAGES:
        page.setattr(name, size)


def _ties() -> Sequence[ImageRecord]:
    """Return images of every outcome three times under each key of each bucket, so that a page ends at every tie.

    The ids are in disorder: what comes later may have the lower id, and the same key is in both buckets.
    """
    places = list(product(("a", "b"), ("x", "x/y", "y"), Outcome, range(3)))
    numbers = Random(1).sample(range(len(places)), len(places))  # noqa: S311  no secret
    return [
        replace(image(f"{number:02x}", key, bucket), outcome=outcome)
        for number, (bucket, key, outcome, _) in zip(numbers, places, strict=True)
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("outcome", [None, *Outcome])
def test_images_of_an_outcome_are_complete_whatever_two_of_them_share(
    repository: FaceRepository, page: pytest.MonkeyPatch, outcome: Outcome | None, size: int
) -> None:
    _set(page, size)
    repository.save_images(_ties())
    _check(list(repository.images(outcome)), [item for item in _ties() if outcome in {None, item.outcome}])


@given(saved=st.lists(IMAGES, max_size=12), outcome=st.none() | st.sampled_from(Outcome), size=st.integers(1, 4))
def test_images_of_any_keys_are_complete(
    repositories: Repositories,
    page: pytest.MonkeyPatch,
    saved: Sequence[ImageRecord],
    outcome: Outcome | None,
    size: int,
) -> None:
    _set(page, size)
    with repositories.new() as repository:
        repository.save_images(saved)
        last = {item.image_id: item for item in saved}.values()
        _check(list(repository.images(outcome)), [item for item in last if outcome in {None, item.outcome}])


def _check(found: Sequence[ImageRecord], expected: Sequence[ImageRecord]) -> None:
    assert sorted(found, key=lambda item: item.image_id) == sorted(expected, key=lambda item: item.image_id)
    places = [(item.bucket.encode(), item.key.encode()) for item in found]
    assert places == sorted(places)


@pytest.mark.parametrize("size", [1, 2, 3, 11, 12])
def test_faces_are_complete(repository: FaceRepository, page: pytest.MonkeyPatch, size: int) -> None:
    _set(page, size)
    verdicts = [Verdict.ACCEPTED, Verdict.BLURRY, Verdict.ACCEPTED]
    saved = [face(name, "1", verdicts[number % 3]) for number, name in enumerate(_IDS)]
    repository.save_faces(saved[::-1])
    accepted = [item.face_id for item in saved if item.verdict is Verdict.ACCEPTED]
    assert [item.face_id for item in repository.faces()] == _IDS
    assert [face_id for face_id, _ in repository.accepted_ids()] == accepted
    assert [face_id for block in repository.accepted_faces("one", size) for face_id in block.face_ids] == accepted


@pytest.mark.parametrize("size", [1, 2, 3, 11, 12])
def test_what_belongs_to_a_generation_is_complete_and_of_no_other_one(
    repository: FaceRepository, page: pytest.MonkeyPatch, size: int
) -> None:
    """1 and 11 and 12 begin alike, where numbers are parts of identifiers."""
    _set(page, size)
    for number in (12, 2, 1, 11):
        repository.save_generation(generation(number))
        repository.save_clusters([cluster(number, name) for name in reversed(_IDS)])
        repository.save_memberships([membership(number, name) for name in reversed(_IDS)])
    assert [item.number for item in repository.generations()] == [1, 2, 11, 12]
    for number in (1, 2, 11, 12):
        found = [(item.generation, item.cluster_id) for item in repository.clusters(number)]
        assert found == [(number, name) for name in _IDS]
        memberships = [(item.generation, item.face_id) for item in repository.memberships(number)]
        assert memberships == [(number, name) for name in _IDS]
    assert list(repository.clusters(3)) == []
    assert list(repository.memberships(3)) == []
