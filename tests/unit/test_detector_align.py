import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.detector.alignment import LEFT_EYE, aligned, eye_distance, similarity

WIDTHS = st.integers(32, 1024)
COORDINATES = st.floats(-5000, 5000)


@st.composite
def eyes(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two eye centres at any place, in any direction, one pixel apart or more."""
    left = np.array([draw(COORDINATES), draw(COORDINATES)])
    distance, angle = draw(st.floats(1, 3000)), draw(st.floats(-np.pi, np.pi))
    return left, left + distance * np.array([np.cos(angle), np.sin(angle)])


@given(eyes(), WIDTHS)
def test_eye_centres_land_at_their_places_wherever_they_were(
    both: tuple[NDArray[np.float64], NDArray[np.float64]], width: int
) -> None:
    transform = similarity(*both, width)
    left, right = (transform @ [*eye, 1] for eye in both)
    assert left == pytest.approx((0.35 * width, 0.35 * width), abs=1e-6 * width)
    assert right == pytest.approx((0.65 * width, 0.35 * width), abs=1e-6 * width)


@given(eyes(), WIDTHS)
def test_a_face_keeps_its_shape_and_is_never_mirrored(
    both: tuple[NDArray[np.float64], NDArray[np.float64]], width: int
) -> None:
    linear = similarity(*both, width)[:, :2]
    scale = np.linalg.det(linear)
    assert scale > 0
    assert linear @ linear.T == pytest.approx(scale * np.eye(2), rel=1e-9, abs=1e-9 * scale)


def test_eyes_in_one_place_cannot_be_aligned() -> None:
    eye = np.array([3.0, 4.0])
    with pytest.raises(ValueError, match="two eyes apart"):
        similarity(eye, eye, 160)


@given(st.floats(-60, 60), st.floats(0.5, 2), st.integers(150, 250), st.integers(150, 250))
def test_a_turned_and_scaled_picture_gives_the_crop_with_both_eyes_in_place(
    degrees: float, scale: float, x: int, y: int
) -> None:
    direction = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    left = np.array([x, y], dtype=np.float64)
    right = left + scale * eye_distance(160) * direction
    picture = np.zeros((400, 400, 3), dtype=np.uint8)
    rows, columns = np.mgrid[:400, :400]
    for channel, eye in ((0, left), (2, right)):
        picture[np.hypot(columns - eye[0], rows - eye[1]) < 6 * scale, channel] = 255
    crop = aligned(picture, left, right, 160)
    assert crop.shape == (160, 160, 3)
    assert crop.dtype == np.uint8
    for channel, place in ((0, LEFT_EYE), (2, (1 - LEFT_EYE[0], LEFT_EYE[1]))):
        weights = crop[:, :, channel].astype(float)
        rows, columns = np.mgrid[:160, :160]
        centre = (columns * weights).sum() / weights.sum(), (rows * weights).sum() / weights.sum()
        assert centre == pytest.approx(np.array(place) * 160, abs=1)
