"""The real FaceNet: it is what Keras makes of its file, and a face's vector is the same bits in every company."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest
import structlog
from numpy.typing import NDArray

from bench.embedding import cosine_difference, keras_function
from services.detector.decoding.decode import decode
from services.detector.hog_detector import HogDetector
from services.detector.settings import DetectorSettings
from services.embedder import loading
from services.embedder.embedding import Embedder, prewhitened
from services.embedder.loading import load_embedder
from services.embedder.settings import EmbedderSettings, Precision
from shared.model_files import FACENET, LANDMARKS, located
from tools.samples import PEOPLE, ROOT, sample_photos

pytestmark = pytest.mark.slow
BATCH = 4


@pytest.fixture(scope="module")
def whole() -> Embedder:
    return loaded("float32")


@pytest.fixture(scope="module")
def half() -> Embedder:
    return loaded("bfloat16")


@pytest.fixture(scope="module")
def faces() -> dict[str, list[NDArray[np.uint8]]]:
    """The faces of three photographs of every sample person on which there is nobody else."""
    settings = DetectorSettings()
    detector = HogDetector(located(LANDMARKS), settings)

    def alone(person: str) -> Iterator[NDArray[np.uint8]]:
        for photo in sample_photos(person):
            found = detector.detect(decode(photo.read_bytes(), settings))
            if len(found) == 1:
                yield found[0].crop

    return {person: list(islice(alone(person), 3)) for person in PEOPLE}


def loaded(precision: Precision) -> Embedder:
    return load_embedder(located(FACENET), EmbedderSettings(batch_size=BATCH, precision=precision))


def noise(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (count, 160, 160, 3), dtype=np.uint8)


def test_the_file_says_width_and_size(whole: Embedder) -> None:
    assert (whole.dimensions, whole.input_size) == (128, 160)
    assert FACENET.sha256.startswith(whole.model_id)
    assert whole.device


def test_vectors_are_those_of_the_same_layers_in_keras(whole: Embedder) -> None:
    crops = noise(BATCH)
    expected = keras_function(located(FACENET))(prewhitened(np.ascontiguousarray(crops[..., ::-1])))
    assert cosine_difference(whole.embed(crops), expected) < 1e-5


@pytest.mark.parametrize("precision", ["whole", "half"])
def test_a_vector_is_the_same_bits_at_every_place_and_in_any_company(
    precision: str, request: pytest.FixtureRequest
) -> None:
    embedder: Embedder = request.getfixturevalue(precision)
    crops = noise(2 * BATCH)
    alone = embedder.embed(crops[:1])[0]
    for place in range(BATCH):
        for company in (crops[1 : BATCH + 1], crops[BATCH:], np.zeros_like(crops[:BATCH])):
            batch = company.copy()
            batch[place] = crops[0]
            assert embedder.embed(batch)[place].tobytes() == alone.tobytes()


def test_another_load_gives_the_same_bits(whole: Embedder) -> None:
    assert loaded("float32").embed(noise(BATCH)).tobytes() == whole.embed(noise(BATCH)).tobytes()


def test_bfloat16_changes_angles_by_less_than_a_thousandth(
    whole: Embedder, half: Embedder, faces: dict[str, list[NDArray[np.uint8]]]
) -> None:
    if half.precision != "bfloat16":
        pytest.skip("this device computes no bfloat16")
    crops = np.stack([crop for of_person in faces.values() for crop in of_person])
    vectors = half.embed(crops)
    assert vectors.dtype == np.float32
    assert cosine_difference(vectors, whole.embed(crops)) < 1e-3


def test_a_device_without_bfloat16_computes_in_float32_and_says_so(
    whole: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_cpu_flags", lambda: {"sse2", "avx2", "fma"})
    with structlog.testing.capture_logs() as log:
        embedder = loaded("bfloat16")
    assert embedder.precision == "float32"
    assert [(entry["log_level"], "float32" in entry["event"]) for entry in log] == [("warning", True)]
    np.testing.assert_array_equal(embedder.embed(noise(1)), whole.embed(noise(1)))


def test_two_photos_of_one_person_are_nearer_than_photos_of_two(
    whole: Embedder, faces: dict[str, list[NDArray[np.uint8]]]
) -> None:
    vectors = {person: whole.embed(np.stack(crops)) for person, crops in faces.items()}
    same = [(of_person @ of_person.T)[np.triu_indices(3, 1)].mean() for of_person in vectors.values()]
    centres = np.stack([of_person.mean(axis=0) for of_person in vectors.values()])
    different = (centres @ centres.T)[np.triu_indices(len(centres), 1)]
    assert min(same) > max(different) + 0.2


def test_nothing_is_printed_when_the_model_is_loaded() -> None:
    program = (
        "from services.embedder.loading import load_embedder\n"
        "from services.embedder.settings import EmbedderSettings\n"
        "from shared.model_files import FACENET, located\n"
        "load_embedder(located(FACENET), EmbedderSettings(batch_size=1))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("", "")
