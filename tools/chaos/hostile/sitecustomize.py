"""A decoder that crashes, hangs or kills, by the first bytes of a file.

Python imports this module at its start if the folder is in PYTHONPATH.
"""
# ruff: noqa: INP001  the folder is no package

import ctypes
import os
import signal
from io import BytesIO
from typing import Any

from PIL import Image

_open = Image.open


def _hostile(file: BytesIO, *rest: Any, **more: Any) -> Image.Image:
    kind = file.getvalue()[:8]
    if kind == b"CRASHES!":
        ctypes.string_at(0)  # a segmentation fault
    if kind == b"HANGS!!!":
        ctypes.PyDLL(None).sleep(600)  # with the interpreter's lock held
    if kind == b"KILLALL!":
        os.killpg(0, signal.SIGKILL)  # every process of the service, as Kubernetes does where a container has no memory
    return _open(file, *rest, **more)


Image.open = _hostile  # type: ignore[assignment]  # it is called with bytes only
