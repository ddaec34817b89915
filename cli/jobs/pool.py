"""One function over many files, spread over the cores; results in the order of the files.

A file that kills its process (a decoder written in C meets a hostile file) or takes too long ends as unreadable, and
the pool goes on with a new process.
"""

import multiprocessing
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

import cv2
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from services.standalone.settings import StandaloneSettings
from shared.errors import Unreadable

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


def in_processes(
    work: Callable[[_Task], _Result], tasks: Iterable[_Task], processes: int | None
) -> Iterator[tuple[_Task, _Result | Unreadable]]:
    """Yield each task with what `work` returned for it, or with the `Unreadable` that it raised.

    `processes` None leaves their number to `StandaloneSettings`.
    `work` and the tasks travel to other processes. Any other error ends the iteration.
    """
    settings = StandaloneSettings() if processes is None else StandaloneSettings(processes=processes)
    # Spawned, never forked: a fork of a process in which threads run can hang.
    context = multiprocessing.get_context("spawn")
    window = 4 * settings.processes  # enough that no process idles, few enough to bound the memory
    pool = ProcessPool(max_workers=settings.processes, initializer=_start, context=context)
    waiting: deque[tuple[_Task, ProcessFuture[_Result]]] = deque()
    try:
        for task in tasks:
            waiting.append((task, pool.schedule(work, args=(task,), timeout=settings.photo_timeout)))
            if len(waiting) >= window:
                first, future = waiting.popleft()
                outcome = _outcome(future, settings.photo_timeout)
                yield first, outcome
        for first, future in waiting:
            outcome = _outcome(future, settings.photo_timeout)
            yield first, outcome
    finally:
        pool.stop()  # type: ignore[no-untyped-call]  # pebble has types for the rest
        pool.join()


def _outcome(future: "ProcessFuture[_Result]", seconds: float) -> _Result | Unreadable:
    try:
        return future.result()
    except Unreadable as reason:
        return reason
    except ProcessExpired as expired:
        return Unreadable(f"decoding it killed its process (exit status {expired.exitcode})")
    except FutureTimeoutError:
        return Unreadable(f"it took longer than {seconds:g} s")


def _start() -> None:
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
