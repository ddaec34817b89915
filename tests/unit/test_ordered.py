"""Streams that keep their order."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from operator import itemgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ordered import ordered_map, outer_join

_KEYS = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), st.integers())


@given(_KEYS, _KEYS)
def test_a_join_yields_what_two_dictionaries_hold_in_the_order_of_bytes(
    left: dict[str, int], right: dict[str, int]
) -> None:
    keys = sorted(left.keys() | right.keys(), key=str.encode)
    joined = outer_join(sorted(left.items()), sorted(right.items()), itemgetter(0), itemgetter(0))
    assert list(joined) == [
        ((key, left[key]) if key in left else None, (key, right[key]) if key in right else None) for key in keys
    ]


def test_a_join_takes_what_it_needs_and_no_more() -> None:
    taken: list[int] = []

    def numbers() -> Iterator[str]:
        for number in range(9):
            taken.append(number)
            yield str(number)

    joined = outer_join(numbers(), ["1", "3"], str, str)
    assert [next(joined), next(joined)] == [("0", None), ("1", "1")]
    assert taken == [0, 1, 2]


@given(st.lists(st.integers()), st.integers(0, 9))
def test_results_come_in_the_order_of_the_items(items: list[int], ahead: int) -> None:
    with ThreadPoolExecutor(2) as threads:
        assert list(ordered_map(lambda item: threads.submit(str, item), items, ahead)) == list(map(str, items))


@pytest.mark.parametrize("ahead", [0, 1, 5])
def test_no_more_than_so_many_items_are_begun_ahead_of_the_caller(ahead: int) -> None:
    begun = 0

    def submit(item: int) -> "Future[int]":
        nonlocal begun
        begun += 1
        done: Future[int] = Future()
        done.set_result(item)
        return done

    for taken, _ in enumerate(ordered_map(submit, range(20), ahead), 1):
        assert begun == min(20, taken + ahead)


def test_an_error_of_the_work_comes_in_its_place() -> None:
    with ThreadPoolExecutor(2) as threads:
        results = ordered_map(lambda item: threads.submit(int, item), ["1", "x", "3"], 2)
        assert next(results) == 1
        with pytest.raises(ValueError, match="invalid literal"):
            next(results)
