"""Memory of decoding, by format: measured, and the bound that is computed from the header of the file."""

import math
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from bench.tables import Table
from services.detector.decoding import memory_needed as needs
from services.detector.decoding.decode import decode
from services.detector.decoding.memory_needed import Need
from services.detector.photo_pool import PhotoPool
from services.detector.settings import DetectorSettings
from tools.large_pictures import KINDS, size_of

_MEGAPIXELS = "BENCH_MEGAPIXELS"  # the environment variable for the size of the pictures
_SMALL = 0.5  # megapixels of a picture that is decoded first, to load the library
_TIMEOUT = 600.0


def measure() -> Table:
    """Decode a picture of each format, one after the other, each in a new process."""
    megapixels = float(os.environ.get(_MEGAPIXELS, "16"))
    notes = [
        f"pictures of {megapixels:g} megapixels ({_MEGAPIXELS}), made by tools/large_pictures.py; MB are 10^6 bytes",
        "growth: of the process at its peak, with the file; bytes a pixel: without it; bound: checked before decoding",
    ]
    columns = ("kind", "file, MB", "growth, MB", "bytes a pixel", "bound, MB")
    return Table(f"Memory of decoding, {megapixels:g} megapixels", columns, list(_rows(megapixels)), notes)


def _rows(megapixels: float) -> Iterator[tuple[str | float, ...]]:
    width, height = size_of(megapixels)
    for kind, made in KINDS.items():
        data = made(width, height)
        small = made(*size_of(_SMALL))
        growth, bound = peak_of(small, data)
        yield kind, len(data) / 1e6, growth / 1e6, (growth - len(data)) / width / height, bound / 1e6


def peak_of(small: bytes, data: bytes, memory: int | None = None) -> tuple[int, int]:
    """Return the growth of a process at its peak while it decodes `data`, and the bound for it, both in bytes.

    The file `small` of the same format is decoded before. `memory`: the limit of the process in bytes. Raises
    `Unreadable` as `decode` does.
    """
    with PhotoPool(1, _TIMEOUT, _ready, memory) as pool:
        pool.call(_peak, (small, memory))
        return pool.call(_peak, (data, memory))


def _ready() -> None:
    """Do nothing; its call makes a process import this module and the decoders before memory is measured."""


def _peak(task: tuple[bytes, int | None]) -> tuple[int, int]:
    data, memory = task
    bounds: list[float] = []
    within = needs.within

    def noting(need: Need, settings: DetectorSettings) -> AbstractContextManager[None]:
        bounds.append(need.bound)
        return within(need, settings)

    vars(needs)["within"] = noting
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts from here
    before = _of_status("VmRSS")
    try:
        decode(data, DetectorSettings(max_bytes=1 << 40, memory=memory))
    finally:
        vars(needs)["within"] = within
    return _of_status("VmHWM") - before + len(data), math.ceil(max(bounds))


def _of_status(name: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise ValueError(name)
