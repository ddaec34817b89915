"""Work on photographs in processes that may die.

A photograph that kills its process (a decoder written in C meets a hostile file) or takes too long ends as unreadable
like any other, and a new process takes the place of the one that is gone.
"""

import ctypes
import faulthandler
import multiprocessing
import os
import platform
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from queue import SimpleQueue
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import cv2

from shared.errors import Fatal, Undecoded, Unreadable
from shared.memory_limit import limited, not_enough, taken

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")

# Spawned, never forked: a fork of a process in which TensorFlow has threads can hang.
_SPAWNED = multiprocessing.get_context("spawn")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _LARGE = -1, -3, 8 << 20  # of glibc's malloc.h; bytes
_TO_REFUSE = 16 << 20  # bytes that remain where a task leaves nothing, to say so
_GRACE = 5.0  # seconds beyond the time of a photograph, after which a process ends itself


class Processes:
    """A fixed number of processes, for any number of threads; a context manager, which leaves no process behind."""

    def __init__(
        self, count: int, timeout: float, prepare: Callable[[], object] = int, memory: int | None = None
    ) -> None:
        """Start the processes. `timeout`: seconds that one photograph may take.

        Each process calls `prepare` first, which may load models, while the caller goes on. `memory`: bytes that a
        photograph may take there beside what the process has then; None: as many as there are.
        """
        self._places = [_Place(_Bounds(timeout, memory), prepare) for _ in range(count)]
        self._idle: SimpleQueue[_Place] = SimpleQueue()
        for place in self._places:
            self._idle.put(place)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="process")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for place in self._places:
            place.close()
        self._threads.shutdown()

    def ready(self) -> None:
        """Wait until a process is ready; raises what `prepare` raised there."""
        self.call(bool, None)

    def call(self, work: Callable[[_Task], _Result], task: _Task) -> _Result:
        """Return what `work` returns for a task in one of the processes; waits for one that is idle.

        Both travel there, and the result back. Raises what `work` or `prepare` raises, `Undecoded` where the task
        kills its process, twice, takes too long or lacks memory, and `Fatal` where no process can be started.
        """
        place = self._idle.get()
        try:
            return place.call(work, task)
        finally:
            self._idle.put(place)

    def each(
        self, work: Callable[[_Task], _Result], tasks: Iterable[_Task], waiting: int = 0
    ) -> Iterator[tuple[_Task, _Result | Unreadable]]:
        """Yield each task, in their order, with what `work` returned for it, or the `Unreadable` that came of it.

        So many results may wait for the caller, beside those that are worked on. Any other error ends the iteration.
        """
        begun: deque[tuple[_Task, Future[_Result]]] = deque()
        for task in tasks:
            begun.append((task, self._threads.submit(self.call, work, task)))
            if len(begun) > waiting + 2 * len(self._places):
                first, future = begun.popleft()
                outcome = _outcome(future)
                yield first, outcome
        for first, future in begun:
            outcome = _outcome(future)
            yield first, outcome


def _outcome(future: "Future[_Result]") -> _Result | Unreadable:
    try:
        return future.result()
    except Unreadable as reason:
        return reason


class _Died(Exception):
    """A process ended by itself, `begun`: while it worked."""

    def __init__(self, status: int | None, *, begun: bool) -> None:
        super().__init__(status)
        self.status, self.begun = status, begun


class _Bounds(NamedTuple):
    """Of one photograph: seconds, and bytes."""

    timeout: float
    memory: int | None


class _Place:
    """A process, and its successors, for one caller at a time.

    Each has a pipe that nobody shares, so that one that is killed, at whatever moment, holds up no other.
    """

    def __init__(self, bounds: _Bounds, prepare: Callable[[], object]) -> None:
        self._bounds = bounds
        self._prepare = prepare
        self._lock = threading.Lock()
        self._closed = False
        self._start()

    def call(self, work: Callable[[_Task], _Result], task: _Task) -> _Result:
        """Do it, and once more where the process dies: something else may have killed it, for its memory."""
        try:
            return self._once(work, task)
        except _Died:
            self._start()
        try:
            return self._once(work, task)
        except _Died as died:
            if not died.begun:
                msg = f"expected a process to decode photographs in; it ended at its start with status {died.status}"
                raise Fatal(msg) from None
            self._start()
            msg = f"decoding it killed its process (exit status {died.status})"
            raise Undecoded(msg) from None

    def close(self) -> None:
        """End the process, and start no other one."""
        with self._lock:
            self._closed = True
            self._process.kill()
            self._process.join()

    def _start(self) -> None:
        with self._lock:
            if self._closed:
                msg = "the processes were ended while a photograph was decoded"
                raise Fatal(msg)
            self._pipe, theirs = _SPAWNED.Pipe()
            self._process = _SPAWNED.Process(target=_serve, args=(theirs, self._bounds, self._prepare), daemon=True)
            self._process.start()
            theirs.close()  # with the only other end in the process, its death is the end of the file here

    def _once(self, work: Callable[[_Task], _Result], task: _Task) -> _Result:
        begun = False
        try:
            self._pipe.send((work, task))
            answer = self._pipe.recv()
            begun = answer is None
            if begun:  # only from here on time counts: modules are imported and models loaded
                answer = self._pipe.recv() if self._pipe.poll(self._bounds.timeout) else None
        except (EOFError, ConnectionError):
            self._process.join()
            raise _Died(self._process.exitcode, begun=begun) from None
        if answer is None:
            self._process.kill()
            self._process.join()
            self._start()
            msg = f"it took longer than {self._bounds.timeout:g} s"
            raise Undecoded(msg)
        returned, outcome = answer
        if returned:
            return outcome  # type: ignore[no-any-return]  # what `work` gave
        raise outcome


def _serve(pipe: Connection, bounds: _Bounds, prepare: Callable[[], object]) -> None:
    """Work until the other end is closed."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # sent to all of a group, they are for the parent: it ends us
    cv2.setNumThreads(1)  # the processes are the parallelism
    # LibRaw writes its own words about damaged files there; the reason comes back with the result.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _give_back_large_blocks()
    prepared = _worked(lambda _: prepare(), None, bounds)
    most = None if bounds.memory is None else taken() + bounds.memory
    while True:
        try:
            work, task = pipe.recv()
        except EOFError:
            return
        if not prepared[0]:
            pipe.send(prepared)
            continue
        pipe.send(None)
        # A parent that was killed ends nobody, and a decoder that hangs may hold the interpreter's lock, so that
        # no thread of Python runs either; this watch is none.
        faulthandler.dump_traceback_later(bounds.timeout + _GRACE, exit=True)
        # Tasks and results travel without the limit: a pipe that ran out of memory within a message is of no use.
        with limited(most and max(most, taken() + _TO_REFUSE)):
            outcome = _worked(work, task, bounds)
        pipe.send(outcome)
        faulthandler.cancel_dump_traceback_later()


def _worked(work: Callable[[Any], Any], task: object, bounds: _Bounds) -> tuple[bool, Any]:
    try:
        return True, work(task)
    except MemoryError:
        return False, Undecoded(not_enough(bounds.memory))
    except cv2.error as error:
        return False, Undecoded(not_enough(bounds.memory)) if error.code == cv2.Error.StsNoMem else error
    except Exception as error:  # noqa: BLE001  whatever it is, it belongs to the caller
        return False, error


def _give_back_large_blocks() -> None:
    """Have the C library give back what is freed of 8 MB or more.

    By itself it keeps freed blocks of up to 32 MB: they would count against the next photograph.
    """
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        library.mallopt(_M_TRIM_THRESHOLD, 2 * _LARGE)  # else a fixed threshold would have each small block given back


def _end_with_parent() -> None:
    """End this process when the parent is gone, SIGKILL included; nobody would ever give it another task."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
