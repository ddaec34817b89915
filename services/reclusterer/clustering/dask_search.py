"""A parallel map on the machines of a Dask cluster. No other module imports `distributed`.

A shard is a number of items, in the neighbour search inverted lists. The workers run the same code as the threads of
one process, each matrix product on one thread, and the results are put together in the order of the items. So the
graph is the same to the last byte on processors of one kind. Processors of another kind may add in another order, and
an inner product may differ by 1e-7.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

from more_itertools import chunked
from threadpoolctl import threadpool_limits

from services.reclusterer.clustering.parallel import ParallelMap, map_in_threads
from shared.errors import Fatal, Transient
from shared.ordered import Pending, ordered_map

_SHARD = 16  # lists: about a second of work for a million faces, so that a task's own cost of a millisecond is nothing
_PENDING = 4  # shards for each thread of the cluster: results wait here, 10 MiB each for a million faces
_CONNECT_TIMEOUT = 30  # seconds to reach the scheduler

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def parallel_map_on(scheduler: str | None) -> AbstractContextManager[ParallelMap]:
    """Open the parallel map of a Dask scheduler, or that of the threads of this process where there is none."""
    return nullcontext[ParallelMap](map_in_threads) if scheduler is None else dask_map(scheduler)


@contextmanager
def dask_map(scheduler: str) -> Iterator[ParallelMap]:
    """Open a parallel map on the workers of a Dask scheduler, such as `tcp://scheduler:8786`.

    Every worker needs this package, 1.1 KiB of memory for each face, and 64 MiB. Raises `Fatal` where `distributed`
    is not installed, and `Transient` where the scheduler cannot be reached. The map raises `Transient` where the
    connection or the last worker that could do a shard is lost.
    """
    try:
        distributed: Any = import_module("distributed")  # optional, and heavy to import
    except ModuleNotFoundError as error:
        msg = "expected the package distributed to search on Dask, found none: install facestream[dask], or unset"
        msg += " FACESTREAM_RECLUSTERER_DASK_SCHEDULER"
        raise Fatal(msg) from error
    try:
        client = distributed.Client(scheduler, timeout=_CONNECT_TIMEOUT)
    except OSError as error:
        msg = f"expected a Dask scheduler at {scheduler} within {_CONNECT_TIMEOUT} s, reached none: {error}"
        raise Transient(msg) from error
    lost = (distributed.CancelledError, distributed.KilledWorker, OSError)

    def parallel_map(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
        try:
            yield from _in_order(client, work, items)
        except lost as error:
            msg = f"the Dask cluster at {scheduler} lost a shard of the neighbour search: {error!r}; the search starts"
            msg += " again"
            raise Transient(msg) from error

    with client:
        yield parallel_map


def _in_order(client: Any, work: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    # What all shards need, above all the vectors, is sent to each worker once.
    shared = client.scatter(work, broadcast=True, hash=False)
    most = _PENDING * max(1, sum(client.nthreads().values()))

    def submit(shard: list[_Item]) -> Pending[list[_Result]]:
        future: Pending[list[_Result]] = client.submit(_done, shared, shard, pure=False)
        return future

    for results in ordered_map(submit, chunked(items, _SHARD), most_pending=most - 1):
        yield from results


def _done(work: Callable[[_Item], _Result], shard: list[_Item]) -> list[_Result]:
    _limit_products_to_one_thread()
    return [work(item) for item in shard]


@cache
def _limit_products_to_one_thread() -> None:
    """Run each matrix product of this worker process on one thread: the worker has threads of its own."""
    threadpool_limits(1, user_api="blas")
