from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.assigner.step import Assigned, assign
from shared.domain.events import Box, Cause, EmbeddedFace, FacesEmbedded, Outcome, Photo, Point, Verdict
from shared.domain.matching import AssignerSettings
from shared.domain.person_index import People
from shared.domain.records import Cluster
from tests.support.synthetic_faces import MODEL, embeddings, unit

GENERATION = 3
SETTINGS = AssignerSettings(threshold=0.75)
SEEDS = st.integers(0, 2**32 - 1)


def _photo(
    name: str, vectors: Sequence[NDArray[np.float32] | None], outcome: Outcome = Outcome.DETECTED
) -> FacesEmbedded:
    uploaded = datetime(2026, 11, 24, tzinfo=UTC)
    photo = Photo(
        bucket="photos", key=f"{name}.jpg", object_id=f"object {name}", image_id=f"image {name}", etag="e",
        sequencer="1A", size=7, uploaded_at=uploaded, width=60, height=40,
    )  # fmt: skip
    faces = tuple(
        EmbeddedFace(
            face_id=f"{name}-{place}",
            box=Box(left=place, top=0, width=10, height=10),
            score=1.5,
            landmarks=(Point(x=1, y=1),) * 5,
            crop_key=f"crops/{name}-{place}.png",
            sharpness=30.0,
            verdict=Verdict.BLURRY if vector is None else Verdict.ACCEPTED,
            vector=vector,
            model_id=None if vector is None else MODEL,
        )
        for place, vector in enumerate(vectors)
    )
    reason = "damaged" if outcome is Outcome.UNREADABLE else None
    return FacesEmbedded(photo=photo, outcome=outcome, reason=reason, faces=faces)


def _people(medoids: NDArray[np.float32]) -> People:
    none = np.empty((0, medoids.shape[1]), np.float32)
    return People([Cluster(GENERATION, f"person {n:03}", "face", row, none, 20) for n, row in enumerate(medoids)])


def _assign(photos: Sequence[FacesEmbedded], people: People, threshold: float = 0.75) -> list[Assigned]:
    return assign(photos, GENERATION, people, AssignerSettings(threshold=threshold))


def _at(degrees: float) -> NDArray[np.float32]:
    return unit(np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]))


def _names(assigned: Assigned) -> list[str | None]:
    return [event.cluster_id for event in assigned.events]


CIRCLE = _people(np.stack([_at(0), _at(90)]))


def test_a_face_gets_the_nearest_person_if_it_is_similar_enough() -> None:
    (assigned,) = _assign([_photo("a", [_at(80), _at(-30), _at(200)])], CIRCLE)
    assert _names(assigned) == ["person 001", "person 000", None]
    assert [event.similarity for event in assigned.events] == [0.984808, 0.866025, -0.34202]


def test_a_similarity_of_exactly_the_threshold_is_enough() -> None:
    photo = _photo("a", [_at(-30)])
    assert _names(_assign([photo], CIRCLE, 0.866025)[0]) == ["person 000"]
    assert _names(_assign([photo], CIRCLE, 0.866026)[0]) == [None]


def test_of_two_faces_on_a_photo_the_more_similar_one_wins_and_the_other_is_unknown() -> None:
    (assigned,) = _assign([_photo("a", [_at(10), _at(-5)])], CIRCLE)
    assert _names(assigned) == [None, "person 000"]
    assert [event.similarity for event in assigned.events] == [0.984808, 0.996195]


def test_the_loser_gets_its_next_best_person_where_that_is_similar_enough() -> None:
    (assigned,) = _assign([_photo("a", [_at(40), _at(-5)])], CIRCLE, threshold=0.6)
    assert _names(assigned) == ["person 001", "person 000"]


def test_who_is_displaced_may_displace_another() -> None:
    people = _people(np.stack([_at(0), _at(40), _at(80)]))
    # 15 is nearest to 0, 38 to 40 and -1 to 0: -1 gets 0, 38 gets 40, and 15 nobody that is near enough.
    (assigned,) = _assign([_photo("a", [_at(15), _at(38), _at(-1)])], people)
    assert _names(assigned) == [None, "person 001", "person 000"]
    # Without 38, the displaced one gets 40.
    (assigned,) = _assign([_photo("a", [_at(15), _at(-1)])], people)
    assert _names(assigned) == ["person 001", "person 000"]


def test_equal_faces_on_a_photo_are_decided_by_their_order() -> None:
    (assigned,) = _assign([_photo("a", [_at(3), _at(3), _at(3)])], CIRCLE)
    assert _names(assigned) == ["person 000", None, None]
    assert [event.similarity for event in assigned.events] == [0.99863] * 3


def test_nobody_is_left_for_the_second_face_where_there_is_one_person() -> None:
    (assigned,) = _assign([_photo("a", [_at(3), _at(3)])], _people(_at(0)[None]))
    assert _names(assigned) == ["person 000", None]


def test_a_face_that_is_about_as_similar_to_a_second_person_is_unknown_if_a_margin_is_wanted() -> None:
    photos = [_photo("a", [_at(44)]), _photo("b", [_at(30)])]
    unclear, clear = assign(photos, GENERATION, CIRCLE, AssignerSettings(threshold=0.5, margin=0.366025))
    assert (_names(unclear), _names(clear)) == ([None], ["person 000"])
    assert unclear.events[0].similarity == 0.71934
    (missed,) = assign(photos[1:], GENERATION, CIRCLE, AssignerSettings(threshold=0.5, margin=0.366026))
    assert _names(missed) == [None]


def test_a_face_between_two_people_gets_the_one_whom_no_other_face_of_the_photo_takes() -> None:
    photo = _photo("a", [_at(44), _at(5)])
    (assigned,) = assign([photo], GENERATION, CIRCLE, AssignerSettings(threshold=0.5, margin=0.2))
    assert _names(assigned) == ["person 001", "person 000"]
    assert [event.similarity for event in assigned.events] == [0.694658, 0.996195]


def test_no_margin_is_asked_of_a_face_where_there_is_one_person() -> None:
    (assigned,) = assign([_photo("a", [_at(30)])], GENERATION, _people(_at(0)[None]), AssignerSettings(margin=0.5))
    assert _names(assigned) == ["person 000"]


def test_faces_of_different_photos_do_not_compete() -> None:
    one, other = _assign([_photo("a", [_at(10)]), _photo("b", [_at(-5)])], CIRCLE)
    assert _names(one) == _names(other) == ["person 000"]


def test_without_people_everybody_is_unknown_and_nothing_is_similar() -> None:
    (assigned,) = _assign([_photo("a", [_at(0), None])], People([]))
    assert [(event.cluster_id, event.similarity) for event in assigned.events] == [(None, None)]
    assert (assigned.processed.assigned, assigned.processed.unknown, assigned.processed.rejected) == (0, 1, 1)


@settings(max_examples=20)
@given(SEEDS, st.lists(st.integers(0, 4), min_size=1, max_size=30), st.sampled_from([0.0, 0.1]))
def test_what_is_said_of_a_photo_does_not_depend_on_its_batch(seed: int, lengths: list[int], margin: float) -> None:
    people = _people(embeddings([1] * 9, seed, dimension=128))
    vectors = iter(
        embeddings([5] * 9 + [200], seed, noise=0.9, dimension=128)[np.random.default_rng(seed).permutation(245)]
    )
    photos = [_photo(str(number), [next(vectors) for _ in range(length)]) for number, length in enumerate(lengths)]
    rule = AssignerSettings(threshold=0.5, margin=margin)
    together = assign(photos, GENERATION, people, rule)
    for photo, assigned in zip(photos, together, strict=True):
        (alone,) = assign([photo], GENERATION, people, rule)
        assert (alone.events, alone.memberships, alone.processed) == (
            assigned.events, assigned.memberships, assigned.processed
        )  # fmt: skip


@given(SEEDS, st.integers(1, 12), st.floats(0, 0.99))
def test_nobody_is_on_a_photo_twice_and_only_similar_enough_pairs_are_made(seed: int, faces: int, least: float) -> None:
    medoids = embeddings([1] * 4, seed)
    vectors = embeddings([3] * 4, seed, noise=0.9)[np.random.default_rng(seed).permutation(12)[:faces]]
    (assigned,) = _assign([_photo("a", list(vectors))], _people(medoids), least)
    known = [name for name in _names(assigned) if name]
    assert len(set(known)) == len(known)
    assert all(
        event.similarity is not None and event.similarity >= least for event in assigned.events if event.cluster_id
    )


@given(SEEDS, st.integers(1, 12))
def test_no_face_would_rather_have_a_person_who_would_rather_have_it(seed: int, faces: int) -> None:
    medoids = embeddings([1] * 4, seed)
    vectors = embeddings([3] * 4, seed, noise=0.9)[np.random.default_rng(seed).permutation(12)[:faces]]
    people = _people(medoids)
    (assigned,) = _assign([_photo("a", list(vectors))], people, 0.3)
    similarities = np.stack([people.similarities(vector) for vector in vectors])
    of_face = [event.similarity if event.cluster_id else -np.inf for event in assigned.events]
    of_person = [
        max((event.similarity or 0 for event in assigned.events if event.cluster_id == name), default=-np.inf)
        for name in people.cluster_ids
    ]
    better = (similarities > np.array(of_face)[:, None]) & (similarities > np.array(of_person)) & (similarities >= 0.3)
    assert not better.any()


def test_records_and_events_say_the_same_of_a_photo() -> None:
    (assigned,) = assign([_photo("a", [_at(1), None, _at(200)])], GENERATION, CIRCLE, SETTINGS, ["faces/0@7"])
    assert assigned.image.image_id == "image a"
    assert (assigned.image.source, assigned.image.sequencer, assigned.image.width) == ("faces/0@7", "1A", 60)
    assert [face.face_id for face in assigned.faces] == ["a-0", "a-1", "a-2"]
    assert [face.verdict for face in assigned.faces] == [Verdict.ACCEPTED, Verdict.BLURRY, Verdict.ACCEPTED]
    assert [face.vector is None for face in assigned.faces] == [False, True, False]
    assert [event.face_id for event in assigned.events] == ["a-0", "a-2"]
    for event, membership in zip(assigned.events, assigned.memberships, strict=True):
        assert (event.generation, event.cause) == (GENERATION, Cause.ARRIVED)
        assert (event.face_id, event.cluster_id, event.similarity, event.generation, event.cause) == (
            membership.face_id, membership.cluster_id, membership.similarity, membership.generation, membership.cause
        )  # fmt: skip
    assert (assigned.processed.assigned, assigned.processed.unknown, assigned.processed.rejected) == (1, 1, 1)


@pytest.mark.parametrize("outcome", [Outcome.UNREADABLE, Outcome.DETECTED, Outcome.REMOVED])
def test_a_photo_without_a_face_flows_to_its_end(outcome: Outcome) -> None:
    (assigned,) = _assign([_photo("a", [], outcome)], CIRCLE)
    assert (assigned.faces, assigned.memberships, assigned.events) == ((), (), ())
    assert (assigned.processed.outcome, assigned.image.outcome) == (outcome, outcome)
    assert assigned.processed.reason == assigned.image.reason == ("damaged" if outcome is Outcome.UNREADABLE else None)
    assert (assigned.processed.assigned, assigned.processed.unknown, assigned.processed.rejected) == (0, 0, 0)


def test_no_photos_give_nothing() -> None:
    assert _assign([], CIRCLE) == []
