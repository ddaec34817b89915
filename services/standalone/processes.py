"""One function over many photographs, spread over the cores; results in the order of the photographs.

A photograph that kills its process (a decoder written in C meets a hostile file) or takes too long ends as
unreadable like any other, and the pool goes on with a new process.
"""

import multiprocessing
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from types import TracebackType
from typing import Self, TypeVar

import cv2
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from services.standalone.settings import StandaloneSettings
from shared.errors import Unreadable

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


class Processes:
    """A pool of processes; a context manager."""

    def __init__(self, settings: StandaloneSettings) -> None:
        self._settings = settings
        # Enough waiting tasks that no process idles while a batch is embedded, few enough to bound the memory.
        self._window = 2 * settings.photos_per_batch + 2 * settings.processes
        # Spawned, never forked: a fork of a process in which TensorFlow has threads can hang.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPool(max_workers=settings.processes, initializer=_begin, context=context)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call]  # pebble has types for the rest
        self._pool.join()

    def prepare(self, function: Callable[[], None]) -> None:
        """Start the processes now and have each import the module of `function`, while the caller goes on."""
        for _ in range(self._settings.processes):
            self._pool.schedule(function)

    def each(
        self, work: Callable[[_Task], _Result], tasks: Iterable[_Task]
    ) -> Iterator[tuple[_Task, _Result | Unreadable]]:
        """Yield each task with what `work` returned for it, or with the `Unreadable` that came of it.

        `work` and the tasks travel to other processes. Any other error ends the iteration.
        """
        waiting: deque[tuple[_Task, ProcessFuture[_Result]]] = deque()
        for task in tasks:
            waiting.append((task, self._pool.schedule(work, args=(task,), timeout=self._settings.photo_timeout)))
            if len(waiting) >= self._window:
                first, future = waiting.popleft()
                outcome = self._outcome(future)
                yield first, outcome
        for first, future in waiting:
            outcome = self._outcome(future)
            yield first, outcome

    def _outcome(self, future: "ProcessFuture[_Result]") -> _Result | Unreadable:
        try:
            return future.result()
        except Unreadable as reason:
            return reason
        except ProcessExpired as expired:
            return Unreadable(f"decoding it killed its process (exit status {expired.exitcode})")
        except FutureTimeoutError:
            return Unreadable(f"it took longer than {self._settings.photo_timeout:g} s")


def _begin() -> None:
    cv2.setNumThreads(1)  # the processes are the parallelism
    # LibRaw writes its own words about damaged files there; the reason comes back with the result.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the parent is gone, SIGKILL included; nobody would ever give it another task."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
