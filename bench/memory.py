"""What decoding takes in memory, by kind of file: measured, beside the bound that is told from a file's header."""

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

_MEGAPIXELS = "BENCH_MEGAPIXELS"  # the variable that says how large the pictures are
_SMALL = 0.5  # megapixels; decoded first, so that the library is there
_TIMEOUT = 600.0


def measure() -> Table:
    """Decode a picture of each kind, one at a time, each in a process of its own."""
    megapixels = float(os.environ.get(_MEGAPIXELS, "16"))
    notes = [
        f"pictures of {megapixels:g} megapixels ({_MEGAPIXELS}), made by tools/large_pictures.py; MB are 10^6 bytes",
        "growth: of the process at its peak, the file among it; pixel: without the file; bound: what is checked first",
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
    """Return how many bytes a process grows by `data` and what decoding takes, at most, and how many it may.

    A small file of the kind is decoded first. `memory`: bytes that it is limited to; raises `Unreadable` as `decode`.
    """
    with PhotoPool(1, _TIMEOUT, _ready, memory) as pool:
        pool.call(_peak, (small, memory))
        return pool.call(_peak, (data, memory))


def _ready() -> None:
    """Do nothing. To call it, a process imports this module and the decoders before memory is measured."""


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
