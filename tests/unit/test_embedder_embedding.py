"""From crops to vectors, with a network of a few random weights instead of a trained one."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from services.embedder.embedding import Embedder, Network, prewhitened

SIZE = 6
CROPS = st.integers(0, 7).flatmap(lambda n: arrays(np.uint8, (n, SIZE, SIZE, 3)))


def projection(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Answer for each picture by itself: sums row by row, so that no row knows of the others."""
    weights = np.random.default_rng(1).normal(size=(SIZE * SIZE * 3, 5))
    return np.stack([picture.reshape(-1) @ weights + 1 for picture in batch]).astype(np.float32)


def embedder(network: Network = projection, batch_size: int = 3) -> Embedder:
    return Embedder(
        network, "a model", dimensions=5, input_size=SIZE, batch_size=batch_size, device="CPU", precision="float32"
    )


def a_crop(seed: int = 0, size: int = SIZE) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


@given(CROPS)
def test_prewhitening_is_what_facenet_was_trained_with(crops: NDArray[np.uint8]) -> None:
    for crop, white in zip(crops.astype(np.float64), prewhitened(crops), strict=True):
        expected = (crop - crop.mean()) / max(crop.std(), 1 / np.sqrt(crop.size))
        np.testing.assert_allclose(white, expected, rtol=1e-6, atol=1e-9)
        assert white.dtype == np.float32


@given(CROPS, st.integers(1, 3), st.integers(0, 60))
def test_prewhitening_takes_brightness_and_contrast_away(crops: NDArray[np.uint8], gain: int, offset: int) -> None:
    dark = (crops // 8 + np.arange(SIZE, dtype=np.uint8)[:, None, None]).astype(np.uint8)  # no crop of one colour
    bright = (dark * gain + offset).astype(np.uint8)
    np.testing.assert_allclose(prewhitened(dark), prewhitened(bright), atol=2e-5)


@pytest.mark.parametrize("value", [0, 1, 255])
def test_a_crop_of_one_colour_becomes_zeros(value: int) -> None:
    assert not prewhitened(np.full((1, 160, 160, 3), value, np.uint8)).any()


@given(CROPS)
def test_vectors_have_unit_length(crops: NDArray[np.uint8]) -> None:
    vectors = embedder().embed(crops)
    assert vectors.shape == (len(crops), 5)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


@given(CROPS, st.integers(1, 5), st.integers(1, 5))
def test_a_vector_depends_on_nothing_but_its_crop(crops: NDArray[np.uint8], batch: int, other_batch: int) -> None:
    together = embedder(batch_size=batch).embed(crops)
    for crop, vector in zip(crops, together, strict=True):
        np.testing.assert_array_equal(embedder(batch_size=other_batch).embed(crop[None])[0], vector)


@given(CROPS, st.integers(1, 5))
def test_on_a_gpu_the_network_sees_only_full_batches_and_on_a_cpu_nothing_but_crops(
    crops: NDArray[np.uint8], batch_size: int
) -> None:
    shapes = []

    def network(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        shapes.append(batch.shape)
        return projection(batch)

    on_cpu = embedder(network, batch_size)
    replace(on_cpu, device="a GPU").embed(crops)
    assert shapes == [(batch_size, SIZE, SIZE, 3)] * -(-len(crops) // batch_size)
    shapes.clear()
    on_cpu.embed(crops)
    assert sum(shape[0] for shape in shapes) == len(crops)
    assert len(shapes) == -(-len(crops) // batch_size)


def test_no_crops_give_no_vectors_of_the_right_width() -> None:
    assert embedder().embed(np.empty((0, SIZE, SIZE, 3), np.uint8)).shape == (0, 5)


def test_the_network_sees_red_first() -> None:
    seen = []

    def network(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(batch[0].mean(axis=(0, 1)))
        return projection(batch)

    blue_green_red = np.broadcast_to(np.array([10, 20, 200], np.uint8), (1, SIZE, SIZE, 3))
    embedder(network).embed(blue_green_red)
    assert seen[0].argmax() == 0
    assert seen[0].argmin() == 2


@pytest.mark.parametrize("height_and_width", [(3, 3), (24, 24), (12, 30)])
def test_crops_of_another_size_are_brought_to_that_of_the_network(height_and_width: tuple[int, int]) -> None:
    height, width = height_and_width
    smooth = cv2.resize(a_crop(size=2), (60, 60), interpolation=cv2.INTER_LINEAR)
    there, resized = cv2.resize(smooth, (SIZE, SIZE)), cv2.resize(smooth, (width, height))
    same_size, other_size = (
        embedder().embed(there[None].astype(np.uint8)),
        embedder().embed(resized[None].astype(np.uint8)),
    )
    assert float((same_size * other_size).sum()) > 0.95


@pytest.mark.parametrize(
    "crops",
    [
        np.zeros((SIZE, SIZE, 3), np.uint8),
        np.zeros((1, SIZE, SIZE), np.uint8),
        np.zeros((1, SIZE, SIZE, 4), np.uint8),
        np.zeros((1, SIZE, SIZE, 3), np.float32),
    ],
)
def test_crops_of_another_shape_or_type_are_refused(crops: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match=r"expected crops of shape \(n, h, w, 3\) and dtype uint8, found"):
        embedder().embed(crops)


def test_two_embedders_of_one_network_agree() -> None:
    crops = np.stack([a_crop(seed) for seed in range(4)])
    np.testing.assert_array_equal(embedder().embed(crops), replace(embedder(), batch_size=2).embed(crops))
