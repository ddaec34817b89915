"""Work on streams that keep their order: two sorted ones joined, and results in the order of the items."""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Protocol, TypeVar

_Left = TypeVar("_Left")
_Right = TypeVar("_Right")
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Result_co = TypeVar("_Result_co", covariant=True)


class Pending(Protocol[_Result_co]):
    """A result that is still to come: a future of the standard library, or one of Dask."""

    def result(self) -> _Result_co:
        """Wait for the result, and return it or raise the error of the work."""
        ...


def ordered_map(
    submit: Callable[[_Item], Pending[_Result]], items: Iterable[_Item], most_pending: int
) -> Iterator[_Result]:
    """Yield the result of each item, in the order of the items.

    `submit` begins the work on an item. At most `most_pending` results are pending while the caller works on another
    one; an item is taken only when its work can begin. Where the caller stops early, pending work is left to who runs
    it. (`Executor.map` of the standard library can do this from Python 3.14 on, with `buffersize`.)
    """
    pending: deque[Pending[_Result]] = deque()
    for item in items:
        pending.append(submit(item))
        if len(pending) > most_pending:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def outer_join(
    left: Iterable[_Left],
    right: Iterable[_Right],
    left_key: Callable[[_Left], str],
    right_key: Callable[[_Right], str],
) -> Iterator[tuple[_Left | None, _Right | None]]:
    """Yield for each key, in ascending order, the item of either side; None where a side has no item of that key.

    Both sides come in ascending order of their keys, and no key comes twice on one side. Only a few items are kept at
    once. Texts compare by code point, which is the order of their UTF-8 bytes.
    """
    lefts: Iterator[tuple[str, _Left | None, _Right | None]] = ((left_key(item), item, None) for item in left)
    rights: Iterator[tuple[str, _Left | None, _Right | None]] = ((right_key(item), None, item) for item in right)
    by_key = itemgetter(0)
    for _, rows in groupby(heapq.merge(lefts, rights, key=by_key), by_key):
        of_key = list(rows)  # one row, or that of the left side and that of the right side
        yield of_key[0][1], of_key[-1][2]
