"""A parallel map on the cores of this process."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

from threadpoolctl import threadpool_limits

from shared.ordered import ordered_map

_PENDING = 32  # items for each core; with 2, cores are idle where one item is much larger than the others

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class ParallelMap(Protocol):
    """A parallel map: on the threads of this process, or on other machines."""

    def __call__(self, work: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
        """Yield the result of `work` for each item, in the order of the items."""
        ...


def map_in_threads(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Yield the result of `work` for each item, in the order of the items; a bounded number of items is pending.

    For matrix products and compiled code, which release the interpreter lock. Each product runs on one thread: several
    small products side by side are faster than one after the other on all cores, whose threads mostly wait for each
    other (measured in docs/decisions/010). It also makes the results independent of the number of cores.
    """
    cores = len(os.sched_getaffinity(0))
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(cores) as threads:

        def submit(item: _Item) -> Future[_Result]:
            return threads.submit(work, item)

        yield from ordered_map(submit, items, most_pending=_PENDING * cores)
