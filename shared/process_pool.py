"""A pool of processes that may die.

A task that kills its process, takes too long or needs too much memory fails alone. A process that died is replaced.
"""

import ctypes
import faulthandler
import multiprocessing
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, NamedTuple, Self, TypeVar

from shared.errors import FacestreamError, Fatal
from shared.memory_limit import limited, taken
from shared.ordered import ordered_map

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")
_Error = TypeVar("_Error", bound=Exception)

# Spawned, never forked: a fork of a process in which TensorFlow has threads can hang.
_SPAWNED = multiprocessing.get_context("spawn")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _LARGE = -1, -3, 8 << 20  # of glibc's malloc.h; bytes
_TO_REFUSE = 16 << 20  # bytes reserved for the answer of a task that has used up its memory
_GRACE = 5.0  # seconds beyond the time limit of a task, after which a process ends itself


class TaskFailed(FacestreamError):
    """A task has no result, because time, memory or its process was lost."""


class TaskTimedOut(TaskFailed):
    """A task took longer than the time limit of the pool; its process was killed."""


class TaskOutOfMemory(TaskFailed):
    """A task needed more memory than the pool allows, or than the machine has. Its process continues."""


class TaskKilledProcess(TaskFailed):
    """A task ended two processes, one after the other. `status`: the exit status of the second one."""

    def __init__(self, status: int | None) -> None:
        super().__init__(f"it ended its process twice (exit status {status})")
        self.status = status


class ProcessPool:
    """A fixed number of processes, used by any number of threads. A context manager that ends all its processes."""

    def __init__(
        self,
        count: int,
        timeout: float,
        on_start: Callable[[], object] | None = None,
        memory: int | None = None,
    ) -> None:
        """Start the processes.

        Args:
            count: number of processes.
            timeout: seconds that one task may take.
            on_start: is called first in each process, where it may load models, while the caller goes on. It is
                pickled. The time that it takes does not count as time of a task.
            memory: bytes that a task may take beside what the process has after `on_start`; None sets no limit.
        """
        self._limits = _Limits(timeout, memory)
        self._workers = [WorkerProcess(self._limits, on_start) for _ in range(count)]
        self._idle: SimpleQueue[WorkerProcess] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="process")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.close()
        self._threads.shutdown()

    def ready(self) -> None:
        """Wait until a process has started; raises what `on_start` raised there."""
        self.call(_do_nothing, None)

    def call(self, work: Callable[[_Task], _Result], task: _Task) -> _Result:
        """Return what `work` returns for a task in one of the processes; waits for one that is idle.

        `work`, the task and the result are pickled. Raises what `work` or `on_start` raises, `TaskFailed` where the
        task kills its process, twice, takes too long or lacks memory, and `Fatal` where no process can be started.
        """
        worker = self._idle.get()
        try:
            return worker.call(work, task)
        finally:
            self._idle.put(worker)

    def each(
        self, work: Callable[[_Task], _Result], tasks: Iterable[_Task], caught: type[_Error], waiting: int = 0
    ) -> Iterator[tuple[_Task, _Result | _Error]]:
        """Yield each task, in their order, with what `call` returned for it, or with the error of type `caught`.

        Up to `waiting` results may wait for the caller, beside two tasks for each process. Any other error ends the
        iteration.
        """

        def outcome(task: _Task) -> tuple[_Task, _Result | _Error]:
            try:
                return task, self.call(work, task)
            except caught as error:
                return task, error

        def submit(task: _Task) -> Future[tuple[_Task, _Result | _Error]]:
            return self._threads.submit(outcome, task)

        yield from ordered_map(submit, tasks, most_pending=waiting + 2 * len(self._workers))


class _Died(Exception):
    """A process ended by itself. `begun`: it ended while it worked on the task."""

    def __init__(self, status: int | None, *, begun: bool) -> None:
        super().__init__(status)
        self.status, self.begun = status, begun


class _Limits(NamedTuple):
    """The limits of one task: seconds, and bytes (None: no limit)."""

    timeout: float
    memory: int | None


class WorkerProcess:
    """A process, and its successors after it has ended. For one caller at a time.

    Each process has its own pipe, so that killing a process at any moment blocks no other one.
    """

    def __init__(self, limits: _Limits, on_start: Callable[[], object] | None) -> None:
        self._limits = limits
        self._on_start = on_start
        self._lock = threading.Lock()
        self._closed = False
        self._start()

    def call(self, work: Callable[[_Task], _Result], task: _Task) -> _Result:
        """Do a task, and again if the process dies once: the kernel may have killed it for another process's memory."""
        try:
            return self._once(work, task)
        except _Died:
            self._start()
        try:
            return self._once(work, task)
        except _Died as died:
            if not died.begun:
                msg = f"a worker process ended while it started, with exit status {died.status}"
                raise Fatal(msg) from None
            self._start()
            raise TaskKilledProcess(died.status) from None

    def close(self) -> None:
        """End the process, and start no other."""
        with self._lock:
            self._closed = True
            self._process.kill()
            self._process.join()

    def _start(self) -> None:
        with self._lock:
            if self._closed:
                msg = "the process pool was closed while a task was at work"
                raise Fatal(msg)
            self._pipe, theirs = _SPAWNED.Pipe()
            self._process = _SPAWNED.Process(target=_serve, args=(theirs, self._limits, self._on_start), daemon=True)
            self._process.start()
            theirs.close()  # the process has the only other end, so its death is the end of the file here

    def _once(self, work: Callable[[_Task], _Result], task: _Task) -> _Result:
        begun = False
        try:
            self._pipe.send((work, task))
            answer = self._pipe.recv()
            begun = answer is None
            if begun:  # the time of the task starts here: modules are imported and models are loaded
                answer = self._pipe.recv() if self._pipe.poll(self._limits.timeout) else None
        except (EOFError, ConnectionError):
            self._process.join()
            raise _Died(self._process.exitcode, begun=begun) from None
        if answer is None:
            self._process.kill()
            self._process.join()
            self._start()
            msg = f"it took longer than {self._limits.timeout:g} s"
            raise TaskTimedOut(msg)
        returned, outcome = answer
        if returned:
            return outcome  # type: ignore[no-any-return]  # what `work` gave
        raise outcome


def _do_nothing(_: object) -> None:
    """A task that only needs a process that has started."""


def _serve(pipe: Connection, limits: _Limits, on_start: Callable[[], object] | None) -> None:
    """Work in the child process until the other end of the pipe is closed."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a signal to the whole group is for the parent, which ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _give_back_large_blocks()
    started = _outcome(on_start) if on_start else (True, None)
    most = None if limits.memory is None else taken() + limits.memory
    while True:
        try:
            work, task = pipe.recv()
        except EOFError:
            return
        if not started[0]:
            pipe.send(started)
            continue
        pipe.send(None)
        # A parent that was killed cannot end this process, and a task that hangs in C may hold the interpreter's lock,
        # so that no Python thread runs. The timer of faulthandler needs neither.
        faulthandler.dump_traceback_later(limits.timeout + _GRACE, exit=True)
        # Tasks and results are sent without the limit: a pipe without memory in the middle of a message is broken.
        with limited(most and max(most, taken() + _TO_REFUSE)):
            outcome = _outcome(partial(work, task))
        pipe.send(outcome)
        faulthandler.cancel_dump_traceback_later()


def _outcome(work: Callable[[], Any]) -> tuple[bool, Any]:
    """Return True and the result, or False and the error, as the pipe carries it."""
    try:
        return True, work()
    except MemoryError:
        return False, TaskOutOfMemory("it needed more memory than it may take")
    except Exception as error:  # noqa: BLE001  any error belongs to the caller
        return False, error


def _give_back_large_blocks() -> None:
    """Let the C library return freed blocks of 8 MB or more to the system.

    By default it keeps freed blocks of up to 32 MB, which would count as memory of the next task.
    """
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        library.mallopt(_M_TRIM_THRESHOLD, 2 * _LARGE)  # else it would return each small block too


def _end_with_parent() -> None:
    """End this process when the parent has ended, even by SIGKILL: it would never get another task."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
