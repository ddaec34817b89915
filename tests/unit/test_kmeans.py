import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.reclusterer.clustering.kmeans import nearest_rows, spherical_kmeans
from tests.support.synthetic_faces import embeddings


@given(st.integers(1, 90), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_the_nearest_rows_are_those_of_the_largest_inner_products_best_first(m: int, count: int, seed: int) -> None:
    rows, vectors = embeddings([1] * m, seed), embeddings([1] * 7, seed + 1)
    count = min(count, m)
    products, numbers = nearest_rows(rows, vectors, count)
    whole = vectors @ rows.T
    assert np.allclose(products, -np.sort(-whole, axis=1)[:, :count], atol=1e-6)
    assert np.allclose(np.take_along_axis(whole, numbers.astype(np.int64), axis=1), products, atol=1e-6)


def test_of_equal_rows_the_first_is_nearest_and_where_there_are_too_few_the_rest_is_empty() -> None:
    row = embeddings([1])
    products, numbers = nearest_rows(np.repeat(row, 3, axis=0), row, 4)
    assert numbers.tolist() == [[0, 1, 2, -1]]
    assert products[0, 3] == -np.inf


def test_centres_are_in_the_middle_of_groups_that_are_apart() -> None:
    vectors = embeddings([40, 40, 40], noise=0.3)[np.argsort(np.arange(120) % 40, kind="stable")]
    centres = spherical_kmeans(vectors, 3, 5)
    assert np.allclose(np.linalg.norm(centres, axis=1), 1, atol=1e-6)
    nearest = nearest_rows(centres, vectors, 1)[1][:, 0].reshape(40, 3)
    assert (nearest == nearest[0]).all()
    assert len(set(nearest[0].tolist())) == 3


def test_a_centre_that_no_vector_is_nearest_to_stays_where_it_is() -> None:
    vectors = np.repeat(embeddings([1]), 5, axis=0)
    assert np.allclose(spherical_kmeans(vectors, 2, 3), vectors[:2], atol=1e-6)
