"""JPEG XL, decoded by libjxl: it turns the picture upright and gives 8 bits, of an animation the first frame."""

from functools import cache

import pylibjxl

from services.detector.decoding import memory_needed
from services.detector.decoding.limits import check_pixels
from services.detector.decoding.parts import Pixels
from services.detector.settings import DetectorSettings

MARKS = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n")
"""How a file begins: the bare picture, and one in boxes."""


def read(data: bytes, settings: DetectorSettings) -> Pixels:
    """Return an upright picture in grey or colour, with or without transparency; raises what the library does."""
    header = pylibjxl.probe(data)
    check_pixels(header["width"], header["height"], settings)
    size = header["width"], header["height"]
    with memory_needed.within(memory_needed.of_jpeg_xl(*size, header["channels"], len(data), settings), settings):
        return Pixels(_decoder().decode(data))


@cache
def _decoder() -> pylibjxl.JXL:
    """One thread: the processes are the parallelism."""
    return pylibjxl.JXL(threads=1, pool_size=1)
