"""The neighbour search on the machines of a Dask cluster: the one module that knows `distributed`.

Each shard is some inverted lists. Workers run the same code as the threads of one process do, every product on one
thread, and what they find is put together in the order of the lists: so the graph is the same, to the last byte, on
processors of one kind. Others may add in another order, and an inner product may differ by 1e-7.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

from more_itertools import chunked
from threadpoolctl import threadpool_limits

from services.reclusterer.clustering.parallel import Spread, in_threads
from shared.errors import Fatal, Transient
from shared.ordered import Pending, ordered_map

_SHARD = 16  # lists: a second of work in a million faces, so that a task's own cost of a millisecond is nothing
_AHEAD = 4  # shards for each thread of the cluster: results wait here, 10 MiB each in a million faces
_PATIENCE = 30  # seconds to reach the scheduler

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def spread_over(scheduler: str | None) -> AbstractContextManager[Spread]:
    """Give a way to spread work over the Dask cluster of a scheduler, or over the threads of this process for None."""
    return nullcontext[Spread](in_threads) if scheduler is None else dask_cluster(scheduler)


@contextmanager
def dask_cluster(scheduler: str) -> Iterator[Spread]:
    """Give a way to spread work over the cluster of a scheduler, such as `tcp://scheduler:8786`.

    Every worker needs this package, 1.1 KiB of memory for each face, and 64 MiB. Raises `Fatal` where `distributed`
    is not installed, `Transient` where the scheduler, or on the way every worker that can do a shard, is away.
    """
    try:
        distributed: Any = import_module("distributed")  # optional, and heavy to import
    except ModuleNotFoundError as error:
        msg = "expected the package distributed to search on Dask, found none: install facestream[dask], or unset it"
        raise Fatal(msg) from error
    try:
        client = distributed.Client(scheduler, timeout=_PATIENCE)
    except OSError as error:
        msg = f"expected a Dask scheduler at {scheduler} within {_PATIENCE} s, reached none: {error}"
        raise Transient(msg) from error
    lost = (distributed.CancelledError, distributed.KilledWorker, OSError)

    def spread(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
        try:
            yield from _in_order(client, work, items)
        except lost as error:
            msg = f"the Dask cluster at {scheduler} lost a shard of the neighbour search: {error!r}; it is begun anew"
            raise Transient(msg) from error

    with client:
        yield spread


def _in_order(client: Any, work: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    # What all shards need, the vectors above all, goes to each worker once.
    shared = client.scatter(work, broadcast=True, hash=False)
    most = _AHEAD * max(1, sum(client.nthreads().values()))

    def submit(shard: list[_Item]) -> Pending[list[_Result]]:
        future: Pending[list[_Result]] = client.submit(_done, shared, shard, pure=False)
        return future

    for results in ordered_map(submit, chunked(items, _SHARD), ahead=most - 1):
        yield from results


def _done(work: Callable[[_Item], _Result], shard: list[_Item]) -> list[_Result]:
    _one_thread_for_each_product()
    return [work(item) for item in shard]


@cache
def _one_thread_for_each_product() -> None:
    """Hold the matrix products of this worker to one thread, for good: the worker has threads of its own."""
    threadpool_limits(1, user_api="blas")
