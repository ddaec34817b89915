from pathlib import Path

import cv2
import numpy as np
import pytest

from services.detector.decoding.decode import Decoded, decode
from services.detector.hog_detector import AlignedFace, HogDetector, version_of
from services.detector.settings import DetectorSettings
from shared.errors import ModelError
from shared.model_files import LANDMARKS, located
from tools.samples import sample_photos

SETTINGS = DetectorSettings()


@pytest.fixture(scope="module")
def detector() -> HogDetector:
    return HogDetector(located(LANDMARKS), SETTINGS)


@pytest.fixture(scope="module")
def portrait() -> Decoded:
    return decode(sample_photos("mindy_kaling")[0].read_bytes(), SETTINGS)


def turned(decoded: Decoded, degrees: float) -> Decoded:
    centre = (decoded.width / 2, decoded.height / 2)
    turn = cv2.getRotationMatrix2D(centre, degrees, 1.0)
    image = cv2.warpAffine(decoded.image, turn, (decoded.width, decoded.height), borderMode=cv2.BORDER_REPLICATE)
    return Decoded(image.astype(np.uint8), decoded.width, decoded.height)


def only(faces: list[AlignedFace]) -> AlignedFace:
    assert len(faces) == 1
    return faces[0]


def test_a_portrait_shows_one_face_with_its_landmarks_in_order(detector: HogDetector, portrait: Decoded) -> None:
    face = only(detector.detect(portrait))
    outer_left, inner_left, inner_right, outer_right, nose = face.landmarks
    assert outer_left.x < inner_left.x < nose.x < inner_right.x < outer_right.x
    assert nose.y > max(point.y for point in face.landmarks[:4])
    for point in face.landmarks:
        assert face.box.left < point.x < face.box.left + face.box.width
        assert face.box.top < point.y < face.box.top + face.box.height
    assert face.score > 0
    assert face.crop.shape == (160, 160, 3)
    assert face.crop.dtype == np.uint8


def test_the_same_photograph_gives_the_same_faces(detector: HogDetector, portrait: Decoded) -> None:
    first, second = only(detector.detect(portrait)), only(detector.detect(portrait))
    assert (first.box, first.score, first.landmarks) == (second.box, second.score, second.landmarks)
    assert np.array_equal(first.crop, second.crop)


def test_boxes_are_in_pixels_of_the_original_whatever_its_reduction(detector: HogDetector, portrait: Decoded) -> None:
    claimed = Decoded(portrait.image, portrait.width * 10, portrait.height * 10)
    small, large = only(detector.detect(portrait)).box, only(detector.detect(claimed)).box
    for ten_times, once in ((large.left, small.left), (large.top, small.top), (large.width, small.width)):
        assert ten_times == pytest.approx(10 * once, abs=small.width)  # found on a finer grid, so not to the pixel


def test_a_tilted_head_gives_an_upright_crop(detector: HogDetector, portrait: Decoded) -> None:
    upright, tilted = only(detector.detect(portrait)).crop, only(detector.detect(turned(portrait, 12))).crop
    inner = slice(30, 130)
    alike = np.corrcoef(upright[inner, inner].ravel(), tilted[inner, inner].ravel())[0, 1]
    plain = only(detector.detect(portrait)).crop
    unaligned = cv2.warpAffine(plain, cv2.getRotationMatrix2D((80, 80), 12, 1.0), (160, 160))
    assert alike > 0.9
    assert alike > np.corrcoef(upright[inner, inner].ravel(), unaligned[inner, inner].ravel())[0, 1]


def test_a_black_picture_a_flat_one_and_a_single_pixel_show_no_face(detector: HogDetector) -> None:
    for shape in ((100, 100, 3), (1, 1, 3), (3000, 2, 3), (2, 3000, 3)):
        for value in (0, 200):
            image = np.full(shape, value, dtype=np.uint8)
            assert detector.detect(Decoded(image, shape[1], shape[0])) == []


def test_faces_come_from_left_to_right(detector: HogDetector) -> None:
    paths = [sample_photos(person)[1] for person in ("elton_john", "mindy_kaling", "madonna")]
    cells = [decode(path.read_bytes(), SETTINGS).image for path in paths]
    row = np.hstack([cv2.resize(cell, (240, 300), interpolation=cv2.INTER_AREA) for cell in cells]).astype(np.uint8)
    faces = detector.detect(Decoded(row, row.shape[1], row.shape[0]))
    assert len(faces) == 3
    assert [face.box.left // 240 for face in faces] == [0, 1, 2]


def test_a_small_face_on_a_large_photograph_is_cut_from_full_detail(detector: HogDetector, portrait: Decoded) -> None:
    # The portrait on a wall of 1,600 pixels; reduced to 800, its face has fewer pixels than the crop.
    size = (300, round(300 * portrait.height / portrait.width))
    noise = np.random.default_rng(0).normal(0, 12, (size[1], size[0], 3))  # detail that only the full size has
    fine = np.clip(cv2.resize(portrait.image, size, interpolation=cv2.INTER_CUBIC) + noise, 0, 255)
    wall = np.full((size[1] + 200, 1600, 3), 128, dtype=np.uint8)
    wall[100:-100, 650:950] = fine.astype(np.uint8)
    coarse = cv2.resize(wall, (800, wall.shape[0] // 2), interpolation=cv2.INTER_AREA).astype(np.uint8)
    full = only(detector.detect(Decoded(wall, wall.shape[1], wall.shape[0])))
    reduced = only(detector.detect(Decoded(coarse, wall.shape[1], wall.shape[0])))
    assert cv2.Laplacian(full.crop, cv2.CV_64F).var() > 2 * cv2.Laplacian(reduced.crop, cv2.CV_64F).var()


def test_the_version_changes_with_all_that_moves_boxes(detector: HogDetector) -> None:
    others = (DetectorSettings(photo_width=640), DetectorSettings(upsample=0), DetectorSettings(min_face=40))
    assert len({detector.version, *map(version_of, others)}) == 4
    assert version_of(DetectorSettings(max_bytes=7)) == detector.version


def test_a_file_that_holds_no_landmarks_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "landmarks.dat"
    path.write_bytes(b"no model")
    with pytest.raises(ModelError, match="expected a dlib shape predictor"):
        HogDetector(path, SETTINGS)


@pytest.mark.slow
def test_sixty_faces_on_one_photograph_are_found(detector: HogDetector) -> None:
    cells = []
    for person in ("elton_john", "mindy_kaling", "madonna", "jerry_seinfeld"):
        for path in sample_photos(person):
            decoded = decode(path.read_bytes(), SETTINGS)
            for face in detector.detect(decoded):
                margin = face.box.width // 3
                left, top = max(0, face.box.left - margin), max(0, face.box.top - margin)
                right, bottom = face.box.left + face.box.width + margin, face.box.top + face.box.height + margin
                cells.append(cv2.resize(decoded.image[top:bottom, left:right], (200, 200)))
    assert len(cells) >= 60
    wall = np.vstack([np.hstack(cells[row * 10 : row * 10 + 10]) for row in range(6)]).astype(np.uint8)
    faces = detector.detect(Decoded(wall, wall.shape[1], wall.shape[0]))
    assert 57 <= len(faces) <= 61
