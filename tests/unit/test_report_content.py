"""What the report says."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.standalone.report import faces as report_faces
from services.standalone.report.content import Coarse, Report, ReportRecords, ReportSettings, Run, build
from services.standalone.report.faces import MAP_SIDE
from shared.domain.events import Box, Cause, Outcome, Verdict
from shared.domain.matching import AssignerSettings, matches
from shared.domain.person_index import People, Rule
from shared.domain.records import Cluster, FaceRecord, Generation, GenerationState, ImageRecord, Membership
from tools.drawn_people import WHEN

GENERATION = Generation(1, GenerationState.ACTIVE, "model", "snapshot", {})
VECTOR = np.array([1, 0, 0], np.float32)


def image(number: int, outcome: Outcome = Outcome.DETECTED, reason: str | None = None) -> ImageRecord:
    return ImageRecord(
        f"image-{number}", f"object-{number}", "photos", f"{number}.jpg", "etag", 9, WHEN, outcome, reason
    )


def face(name: str, on: int = 0, *, model: str = "model", blurry: bool = False, sharpness: float = 100) -> FaceRecord:
    verdict, vector = (Verdict.BLURRY, None) if blurry else (Verdict.ACCEPTED, VECTOR)
    box = Box(left=0, top=0, width=9, height=9)
    key = f"crops/{name}.png"
    return FaceRecord(name, f"image-{on}", f"object-{on}", box, 1.0, key, sharpness, verdict, vector, model)


def member(name: str, of: str | None, similarity: float | None) -> Membership:
    return Membership(1, name, of, similarity, Cause.RECLUSTERED)


def cluster(name: str, medoid: str) -> Cluster:
    return Cluster(1, name, medoid, VECTOR, np.empty((0, 3), np.float32), 2)


def smallest(width: int, _: int) -> int:
    return width // 20


def corner(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.arange(2 * len(vectors), dtype=np.float32).reshape(-1, 2)


def arrange(
    images: Sequence[ImageRecord],
    faces: Sequence[FaceRecord] = (),
    clusters: Sequence[Cluster] = (),
    memberships: Sequence[Membership] = (),
    generation: Generation | None = GENERATION,
    *,
    rule: Rule = "medoid",
) -> Report:
    records = ReportRecords(
        images=images,
        faces=faces,
        generation=generation,
        clusters=clusters,
        memberships={membership.face_id: membership for membership in memberships},
    )
    settings = ReportSettings(faces_bucket="faces", similarity_threshold=0.75, sharpness_threshold=25, rule=rule)
    return build(records, settings, project=corner, smallest_face=smallest)


def names(report: Report, run: Run) -> list[str]:
    return [one.face_id for one in report.faces[run.first : run.first + run.count]]


def test_a_person_shows_the_medoid_first_then_the_likest_faces() -> None:
    report = arrange(
        [image(0), image(1)],
        [face("a"), face("b", 1), face("c"), face("d")],
        [cluster("x", "b")],
        [member("a", "x", 0.8), member("b", "x", 1.0), member("c", "x", 0.9), member("d", "x", None)],
    )
    (person,) = report.people
    assert names(report, person.faces) == ["b", "c", "a", "d"]
    assert person.photos == 2


def test_larger_people_come_first_and_equal_ones_by_their_id() -> None:
    memberships = [member(name, name[0], 0.9) for name in ("z1", "z2", "b1", "a1")]
    report = arrange([image(0)], [face(one.face_id) for one in memberships], (), memberships)
    assert [(person.number, person.cluster_id) for person in report.people] == [(1, "z"), (2, "a"), (3, "b")]


def test_a_face_without_a_membership_is_unknown() -> None:
    report = arrange([image(0)], [face("a"), face("b")], (), [member("b", None, None)])
    assert names(report, report.unknown) == ["a", "b"]
    assert not report.people


@pytest.mark.parametrize(
    ("rule", "likest", "similarities"),
    [("medoid", [("a", "x"), ("b", "x"), ("c", "x")], [1.0, 0.6, 0.0]),
     ("mean", [("a", "x"), ("b", "y"), ("c", "x")], [1.0, 0.8, 0.0])],
)  # fmt: skip
def test_unknown_faces_come_by_their_similarity_to_the_person_that_they_are_likest_to(
    rule: Rule, likest: list[tuple[str, str]], similarities: list[float]
) -> None:
    one, other, mean = (np.array(row, np.float32) for row in ([0.6, 0.8, 0], [0, 0, 1], [0.8, 0, 0.6]))
    clusters = [
        replace(cluster("x", "m"), medoid=one),
        replace(cluster("y", "n"), medoid=other, exemplars=mean[None]),
    ]
    faces = [replace(face(name), vector=vector) for name, vector in (("a", one), ("b", VECTOR), ("c", -other))]
    report = arrange([image(0)], faces, clusters, rule=rule)
    unknown = report.faces[report.unknown.first :]
    assert [(one.face_id, one.nearest) for one in unknown] == likest
    assert [one.similarity for one in unknown] == pytest.approx(similarities)
    assert report.similarity.failed == 3


def test_a_face_that_was_not_similar_enough_is_not_drawn_as_if_it_were() -> None:
    """By the medoid, that is; by the mean of all members it would be."""
    mean = np.array([0.876, 0.482, 0], np.float32)
    medoid = np.array([0.568, 0.823, 0], np.float32)
    people = [replace(cluster("p", "m"), medoid=medoid, exemplars=mean[None])]
    (matched,) = matches([[VECTOR]], People(people, "medoid"), AssignerSettings(threshold=0.75))
    assert [match.person for match in matched] == [None]
    report = arrange([image(0)], [face("a")], people, [member("a", None, matched[0].similarity)])
    (shown,) = report.faces
    assert shown.similarity == matched[0].similarity
    assert shown.similarity == pytest.approx(0.568, abs=1e-3)
    (bar,) = (bar for bar in report.similarity.bars if bar.failed)
    assert float(bar.high) <= 0.75


def test_without_a_generation_every_accepted_face_is_unknown() -> None:
    report = arrange([image(0)], [face("a"), face("b", blurry=True)], generation=None)
    assert names(report, report.unknown) == ["a"]


def test_rejected_faces_stand_under_their_reason_the_sharpest_first() -> None:
    report = arrange([image(0)], [face("a", blurry=True, sharpness=3), face("b", blurry=True, sharpness=20)])
    (rejection,) = report.rejections
    assert rejection.reason == "blurry"
    assert names(report, rejection.faces) == ["b", "a"]
    assert report.rejected == 2


def test_every_photograph_is_accounted_for() -> None:
    report = arrange(
        [image(0), image(1), image(2, Outcome.UNREADABLE, "the file is empty"), image(3, Outcome.REMOVED)], [face("a")]
    )
    assert report.photos == ("0.jpg", "1.jpg")
    assert report.without_face == ("1.jpg",)
    assert [(photo.key, photo.reason) for photo in report.unreadable] == [("2.jpg", "the file is empty")]


def test_a_face_whose_photograph_is_gone_is_left_out() -> None:
    assert not arrange([image(1)], [face("a", 0)]).faces


def test_the_map_holds_a_sample_of_a_large_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_faces, "MAP_FACES", 3)
    report = arrange([image(0)], [face(name) for name in "abcde"])
    assert sorted(one.face_id for one in report.faces if one.position) == ["a", "b", "c"]
    assert report.mapped == 3


def test_vectors_of_another_model_are_not_on_the_map() -> None:
    report = arrange([image(0)], [face("a", model="other"), face("b"), face("c")])
    assert sorted(one.face_id for one in report.faces if one.position) == ["b", "c"]


def test_the_map_fills_its_square_with_one_scale_for_both_axes() -> None:
    report = build(
        ReportRecords(images=[image(0)], faces=[face("a"), face("b")], generation=None),
        ReportSettings(faces_bucket="faces", similarity_threshold=0.75, sharpness_threshold=25),
        project=lambda _: np.array([[-2, 5], [2, 7]], np.float32),
        smallest_face=smallest,
    )
    assert [one.position for one in report.faces] == [(0, MAP_SIDE // 4), (MAP_SIDE, MAP_SIDE * 3 // 4)]


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.booleans(), st.sampled_from(["x", "y", None]), st.none() | st.floats(-1, 1)),
        max_size=30,
    )
)
def test_every_face_of_a_photograph_is_in_exactly_one_place(
    drawn: list[tuple[int, bool, str | None, float | None]],
) -> None:
    faces = [face(f"{at:02}", on, blurry=blurry) for at, (on, blurry, _, _) in enumerate(drawn)]
    memberships = [member(f"{at:02}", of, like) for at, (_, blurry, of, like) in enumerate(drawn) if not blurry]
    report = arrange([image(number) for number in range(5)], faces, [cluster("x", "00")], memberships)
    runs = [*(p.faces for p in report.people), report.unknown, *(r.faces for r in report.rejections)]
    at = 0
    for run in runs:
        assert run.first == at
        at += run.count
    assert at == len(report.faces)
    assert sorted(one.face_id for one in report.faces) == [one.face_id for one in faces]
    assert len(report.without_face) + len({one.photo for one in report.faces}) == len(report.photos)


def test_photographs_on_which_a_plain_face_could_not_be_found_are_counted() -> None:
    sizes = [(2000, 1000), (2001, 1000), (40_000, 4000), (20 * 101, 10), (None, None)]
    images = [replace(image(number), width=width, height=height) for number, (width, height) in enumerate(sizes)] + [
        replace(image(9, Outcome.UNREADABLE, "damaged JPEG"), width=90_000, height=9)
    ]
    assert arrange(images).coarse == Coarse(photos=2, faces_below=2000)
    assert arrange(images[:2]).coarse is None
