"""What a test gives to processes that may die."""

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
    """Die as by the hand of the kernel, short of memory, and work the next time."""
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def without_memory(_: object) -> None:
    """Fail as decoding does where no memory is left."""
    msg = "not enough memory to decode it"
    raise Undecoded(msg)


def fill_memory(size: int) -> int:
    """Take so many bytes."""
    return len(bytearray(size))


def fill_memory_with_a_picture(size: int) -> int:
    """Take so many bytes in OpenCV."""
    return cv2.resize(np.zeros((1, 1), np.uint8), (size, 1)).size


def hold_the_interpreter(_: object) -> None:
    """Hang in C with the interpreter's lock held, so that no thread of Python runs."""
    ctypes.PyDLL(None).sleep(600)


def main() -> None:
    """Hang in two processes, in one with the lock held and in one without; ends only by force."""
    with PhotoPool(2, timeout=float(sys.argv[1])) as pool:
        for _ in pool.each(_hang, [True, False], Unreadable):
            pass


def _hang(hold: bool) -> None:  # noqa: FBT001  it is data here
    print(os.getpid(), flush=True)  # noqa: T201  for the test
    hold_the_interpreter(None) if hold else time.sleep(600)


if __name__ == "__main__":
    main()
