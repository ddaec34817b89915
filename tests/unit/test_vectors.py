"""Vectors of unit length."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from shared.vectors import unit_length

_SHAPES = array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9)


@given(arrays(np.float32, _SHAPES, elements=st.floats(-1e6, 1e6, width=32)))
def test_the_scaling_changes_no_bit(vectors: NDArray[np.float32]) -> None:
    exact = vectors.astype(np.float64)
    lengths = np.sqrt(np.square(exact).sum(axis=1, keepdims=True))
    plain = np.divide(exact, lengths, out=np.zeros_like(exact), where=lengths > 0)
    safe = (lengths == 0) | (lengths > 1e-100)  # the squares of shorter ones vanish
    np.testing.assert_array_equal(unit_length(vectors), np.where(safe, plain, unit_length(vectors)))


@given(arrays(np.float64, _SHAPES, elements=st.floats(allow_nan=False, allow_infinity=False)))
def test_any_vector_but_zeros_has_length_one(vectors: NDArray[np.float64]) -> None:
    expected = vectors.any(axis=1).astype(float)
    np.testing.assert_allclose(np.linalg.norm(unit_length(vectors), axis=1), expected, rtol=1e-12)


@pytest.mark.parametrize("size", [5e-324, 1e-200, 1, 1e200, 1.7e308])
def test_the_direction_stays(size: float) -> None:
    np.testing.assert_allclose(unit_length(np.array([[0.0, size, -size]])), [[0, 0.5**0.5, -(0.5**0.5)]], rtol=1e-15)


def test_vectors_are_left_as_they_are() -> None:
    vectors = np.array([[3.0, 4.0]])
    np.testing.assert_array_equal(unit_length(vectors), [[0.6, 0.8]])
    np.testing.assert_array_equal(vectors, [[3, 4]])
