"""Tasks for a process pool that crash, hang or take all memory."""

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from services.detector.photo_pool import PhotoPool
from shared.errors import Undecoded, Unreadable


def killed_the_first_time(mark: Path) -> str:
    """Kill the own process at the first call, as the kernel does without memory; return at the next.

    `mark`: a file that the first call creates.
    """
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def without_memory(_: object) -> None:
    """Raise what decoding raises where no memory is left."""
    msg = "not enough memory to decode it"
    raise Undecoded(msg)


def fill_memory(size: int) -> int:
    """Allocate `size` bytes and return their number."""
    return len(bytearray(size))


def fill_memory_with_a_picture(size: int) -> int:
    """Allocate `size` bytes in OpenCV and return their number."""
    return cv2.resize(np.zeros((1, 1), np.uint8), (size, 1)).size


def hold_the_interpreter(_: object) -> None:
    """Hang in C with the interpreter's lock held, so that no Python thread runs."""
    ctypes.PyDLL(None).sleep(600)


def main() -> None:
    """Hang in two processes, with the lock held in one of them. Returns only because of the pool's timeout."""
    with PhotoPool(2, timeout=float(sys.argv[1])) as pool:
        for _ in pool.each(_hang, [True, False], Unreadable):
            pass


def _hang(hold: bool) -> None:  # noqa: FBT001  it is data here
    print(os.getpid(), flush=True)  # noqa: T201  for the test
    hold_the_interpreter(None) if hold else time.sleep(600)


if __name__ == "__main__":
    main()
