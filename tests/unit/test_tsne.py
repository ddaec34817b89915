"""The map in the plane."""

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from services.standalone.tsne import embed_2d


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    length: NDArray[np.float64] = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / length).astype(np.float32)


def people(count: int, faces: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(count, 32))
    return unit(np.repeat(centres, faces, axis=0) + 0.3 * rng.normal(size=(count * faces, 32)))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9, 30])
def test_any_number_of_vectors_gets_places_without_a_warning(count: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        places = embed_2d(people(count, 1), seed=0)
    assert places.shape == (count, 2)
    assert places.dtype == np.float32
    assert np.isfinite(places).all()


@pytest.mark.parametrize("width", [1, 2, 3])
def test_narrow_vectors_get_places(width: int) -> None:
    vectors = np.random.default_rng(0).normal(size=(12, width)).astype(np.float32)
    assert np.isfinite(embed_2d(vectors, seed=0)).all()


def test_equal_vectors_get_places() -> None:
    assert np.isfinite(embed_2d(np.repeat(people(1, 1), 40, axis=0), seed=0)).all()


def test_the_same_vectors_and_seed_give_the_same_bits() -> None:
    vectors = people(4, 15)
    assert embed_2d(vectors, seed=3).tobytes() == embed_2d(vectors, seed=3).tobytes()
    assert embed_2d(vectors, seed=3).tobytes() != embed_2d(vectors, seed=4).tobytes()


def test_vectors_are_left_as_they_are() -> None:
    vectors = people(2, 10)
    before = vectors.tobytes()
    embed_2d(vectors, seed=0)
    assert vectors.tobytes() == before


def test_faces_of_one_person_lie_together() -> None:
    places = embed_2d(people(5, 20), seed=0)
    person = np.arange(100) // 20
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (person[distances.argmin(axis=1)] == person).mean() > 0.98


@pytest.mark.parametrize("wrong", [np.zeros(4, np.float32), np.full((3, 4), np.nan, np.float32)])
def test_what_is_no_table_of_numbers_is_refused(wrong: NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match="expected finite vectors"):
        embed_2d(wrong, seed=0)
