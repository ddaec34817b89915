"""Processes that decode photographs: one that fails there is unreadable this time, like any other, with its reason."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import cv2

from shared.errors import Undecoded
from shared.memory_limit import not_enough
from shared.process_pool import ProcessPool, TaskFailed, TaskKilledProcess, TaskOutOfMemory

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


class PhotoPool(ProcessPool):
    """A process pool that raises `Undecoded`, with the reason, where a photograph fails its task."""

    def __init__(
        self, count: int, timeout: float, on_start: Callable[[], object] | None = None, memory: int | None = None
    ) -> None:
        """Start the processes; see `ProcessPool`. `on_start` is called when OpenCV is set up."""
        super().__init__(count, timeout, _Start(on_start), memory)
        self._memory = memory

    def call(self, work: Callable[[_Task], _Result], task: _Task) -> _Result:
        """Call `ProcessPool.call`, and raise `Undecoded` instead of `TaskFailed`."""
        try:
            return super().call(_Decoding(work), task)
        except TaskFailed as failure:
            match failure:
                case TaskKilledProcess():
                    reason = f"decoding it killed its process (exit status {failure.status})"
                case TaskOutOfMemory():
                    reason = not_enough(self._memory)
                case _:
                    reason = str(failure)
            raise Undecoded(reason) from None


@dataclass(frozen=True, slots=True)
class _Start:
    on_start: Callable[[], object] | None

    def __call__(self) -> None:
        cv2.setNumThreads(1)  # the processes are the parallelism
        # LibRaw writes its own words about damaged files there; the reason comes back with the result.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        if self.on_start:
            self.on_start()


@dataclass(frozen=True, slots=True)
class _Decoding(Generic[_Task, _Result]):
    """Work whose lack of memory in OpenCV is a `MemoryError`, as it is elsewhere."""

    work: Callable[[_Task], _Result]

    def __call__(self, task: _Task) -> _Result:
        try:
            return self.work(task)
        except cv2.error as error:
            if error.code == cv2.Error.StsNoMem:
                raise MemoryError from error
            raise
