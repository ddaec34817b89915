import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.reclusterer.clustering.random_orders import keys_of, shuffled, visiting_orders

SEEDS = st.integers(0, 2**32)
KEYS = st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=60).map(lambda keys: np.array(keys, np.uint64))


@given(KEYS, SEEDS)
def test_one_more_face_leaves_the_others_in_their_order(keys: np.ndarray, seed: int) -> None:
    if len(keys):
        whole = keys[shuffled(keys, seed)].tolist()
        whole.remove(int(keys[-1]))
        assert whole == keys[:-1][shuffled(keys[:-1], seed)].tolist()


@given(KEYS, SEEDS)
def test_the_order_of_faces_does_not_follow_from_where_they_stand(keys: np.ndarray, seed: int) -> None:
    moved = keys[::-1]
    assert keys[shuffled(keys, seed)].tolist() == moved[shuffled(moved, seed)].tolist()


def test_every_round_visits_all_in_an_order_of_its_own_that_follows_from_the_seed() -> None:
    keys = np.arange(50, dtype=np.uint64)
    orders = [order.tolist() for order in visiting_orders(keys, 3, 7)]
    assert orders == [order.tolist() for order in visiting_orders(keys, 3, 7)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert orders[0] != next(visiting_orders(keys, 1, 8)).tolist()


def test_orders_are_random_every_face_is_in_every_place_about_as_often() -> None:
    keys = np.arange(10, dtype=np.uint64)
    counts = np.zeros((10, 10))
    for seed in range(2000):
        counts[shuffled(keys, seed), np.arange(10)] += 1
    assert np.abs(counts - 200).max() < 75  # 200 +- 13: more than five standard deviations


def test_keys_follow_from_names_and_no_two_names_have_the_same() -> None:
    names = [f"face {number}" for number in range(1000)]
    keys = keys_of(names)
    assert keys.dtype == np.uint64
    assert len(set(keys.tolist())) == 1000
    assert keys_of(names[500:]).tolist() == keys[500:].tolist()
    assert keys_of([]).shape == (0,)
