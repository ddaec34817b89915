"""Work on all cores, one piece on each."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_threads(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """Return the result of each item, in their order.

    For matrix products and compiled code, which release the interpreter lock. A product runs on one thread: several
    small ones side by side beat one after the other on all cores, whose threads spend their time waiting for each
    other (medoids of 1,012 clusters on two busy cores: 0.16 s of processor time instead of 1.5 s).
    """
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        return list(threads.map(work, items))
