from datetime import UTC, datetime

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from services.quality.settings import QualitySettings
from services.quality.sharpness import variance_of_laplacian
from services.quality.step import screen
from shared.adapters.memory.objects import MemoryObjectStore
from shared.domain.events import Box, DetectedFace, FacesDetected, Outcome, Photo, Point, Verdict, facts
from shared.errors import ObjectRefused, Transient
from shared.settings import BucketSettings
from tests.support.failing_store import FailingStore

SETTINGS, BUCKETS = QualitySettings(), BucketSettings()
CROPS = arrays.arrays(np.uint8, st.tuples(st.integers(8, 32), st.integers(8, 32)))


def noise(deviation: float, *, colours: int = 3) -> NDArray[np.uint8]:
    values = np.random.default_rng(0).normal(128, deviation, (160, 160, colours))
    return np.clip(values, 0, 255).astype(np.uint8)


@given(CROPS, st.sampled_from([3, 5, 7]))
def test_blurring_never_raises_the_sharpness(crop: NDArray[np.uint8], size: int) -> None:
    # On a ring, where the mean of a window takes away from every frequency; at an edge the border's rule could add.
    ring = np.tile(crop, (3, 3))
    blurred = cv2.blur(ring, (size, size)).astype(np.uint8)
    height, width = crop.shape

    def deviation(picture: NDArray[np.uint8]) -> float:
        laplacian = cv2.Laplacian(picture, cv2.CV_64F)
        return float(laplacian[height : 2 * height, width : 2 * width].std())

    # Each pixel is rounded by up to a half, and the absolute weights of the Laplacian add up to eight.
    assert deviation(blurred) <= deviation(ring) + 4


@given(CROPS)
def test_sharpness_is_never_negative_and_does_not_change_with_a_mirror(crop: NDArray[np.uint8]) -> None:
    sharpness = variance_of_laplacian(crop)
    assert sharpness >= 0
    assert variance_of_laplacian(np.ascontiguousarray(crop[:, ::-1])) == pytest.approx(sharpness)
    assert variance_of_laplacian(np.ascontiguousarray(crop[::-1])) == pytest.approx(sharpness)


@given(st.integers(0, 255), st.integers(1, 40), st.integers(1, 40))
def test_a_flat_crop_has_no_sharpness(value: int, height: int, width: int) -> None:
    assert variance_of_laplacian(np.full((height, width), value, dtype=np.uint8)) == 0


def test_a_grey_crop_in_colour_has_the_sharpness_of_the_grey_one() -> None:
    grey = noise(20, colours=1)[:, :, 0]
    assert variance_of_laplacian(np.dstack([grey] * 3)) == variance_of_laplacian(grey)


def test_each_step_of_blur_lowers_the_sharpness() -> None:
    crop = noise(30)
    blurred = [cv2.GaussianBlur(crop, (0, 0), sigma).astype(np.uint8) for sigma in (0.5, 1, 2, 4)]
    values = [variance_of_laplacian(picture) for picture in (crop, *blurred)]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == len(values)


def photo(*names: str, outcome: Outcome = Outcome.DETECTED, reason: str | None = None) -> FacesDetected:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    point = Point(x=1, y=2)
    return FacesDetected(
        photo=Photo(
            bucket="photos",
            key="a.jpg",
            object_id="o",
            image_id="i",
            etag="e",
            size=3,
            uploaded_at=at,
            width=9,
            height=8,
        ),
        outcome=outcome,
        reason=reason,
        faces=tuple(
            DetectedFace(
                face_id=name,
                box=Box(left=1, top=2, width=3, height=4),
                score=0.5,
                landmarks=(point, point, point, point, point),
                crop_key=f"crops/{name}.png",
            )
            for name in names
        ),
    )


def store(**crops: NDArray[np.uint8]) -> MemoryObjectStore:
    objects = MemoryObjectStore()
    for name, crop in crops.items():
        _, data = cv2.imencode(".png", crop)
        objects.put("faces", f"crops/{name}.png", data.tobytes(), "image/png")
    return objects


def test_each_face_gets_its_sharpness_and_its_verdict() -> None:
    sharp, soft = noise(30), noise(0.5)
    result = screen(photo("sharp", "soft"), store(sharp=sharp, soft=soft), SETTINGS, BUCKETS)
    assert [face.verdict for face in result.faces] == [Verdict.ACCEPTED, Verdict.BLURRY]
    assert [face.sharpness for face in result.faces] == [variance_of_laplacian(sharp), variance_of_laplacian(soft)]


def test_a_face_exactly_at_the_threshold_is_accepted() -> None:
    crop = noise(5)
    exact = QualitySettings(sharpness_threshold=variance_of_laplacian(crop))
    result = screen(photo("a"), store(a=crop), exact, BUCKETS)
    assert result.faces[0].verdict is Verdict.ACCEPTED


def test_what_the_detector_said_is_kept() -> None:
    before = photo("a")
    after = screen(before, store(a=noise(30)), SETTINGS, BUCKETS)
    assert after.photo == before.photo
    assert DetectedFace(**facts(after.faces[0])) == before.faces[0]


def test_a_face_whose_crop_is_gone_or_damaged_is_rejected_and_the_others_are_judged() -> None:
    objects = store(a=noise(30))
    objects.put("faces", "crops/torn.png", b"\x89PNG\r\n\x1a\n torn", "image/png")
    objects.put("faces", "crops/empty.png", b"", "image/png")
    result = screen(photo("gone", "torn", "empty", "a"), objects, SETTINGS, BUCKETS)
    assert [face.verdict for face in result.faces] == [Verdict.CROP_MISSING] * 3 + [Verdict.ACCEPTED]
    refused = screen(photo("a"), FailingStore(ObjectRefused("no")), SETTINGS, BUCKETS)
    assert refused.faces[0].verdict is Verdict.CROP_MISSING


def test_a_store_that_does_not_answer_stops_the_batch() -> None:
    with pytest.raises(Transient):
        screen(photo("a"), FailingStore(Transient("no answer")), SETTINGS, BUCKETS)


def test_unreadable_and_removed_photographs_flow_through_unchanged() -> None:
    before = [photo(outcome=Outcome.UNREADABLE, reason="truncated JPEG"), photo(outcome=Outcome.REMOVED), photo()]
    after = [screen(one, store(), SETTINGS, BUCKETS) for one in before]
    assert [(one.photo, one.outcome, one.reason, one.faces) for one in after] == [
        (one.photo, one.outcome, one.reason, ()) for one in before
    ]
