"""JPEG files that end too early: how much of the picture is there.

libjpeg fills in what is missing, and does not report the row where that begins. So such a file is decoded twice, once
with its end marker added and once with noise before the marker: rows that are equal do not depend on missing bytes.
"""

import re
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

import numpy as np
from PIL import Image

ENOUGH = 0.9
"""Share of the rows. A JPEG with fewer rows is truncated; one with at least this share is read in part."""

_END = b"\xff\xd9"
# In compressed data: neither a stuffed byte nor a restart. Bytes that fill the space before it need not be matched.
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_RESTARTS = range(0xD0, 0xD8)
_SCAN, _RESTART_INTERVAL = 0xDA, 0xDD
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # those three are tables, and reserved
_PROGRESSIVE = {0xC2, 0xCA}
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
_LENGTH = 2  # bytes, which it counts
_COEFFICIENTS = 64
_BLOCK, _BYTES_OF_COEFFICIENT = 8, 2  # pixels of a side
_UNWRITTEN = b"\0\xff"  # what stands where a copy wrote nothing: zeros, or erased flash memory
_SURELY_UNWRITTEN = 16  # bytes; no compressed picture ends with so many of those
_MOST_SEGMENTS = 10_000  # 256 MB have 4,096 of full length
_MOST_SCANS = 1000  # programs write ten for a progressive picture
_MOST_COMPONENTS = 4  # of a scan
_NOISE = np.random.default_rng(0).integers(0, 255, 1 << 16, dtype=np.uint8).tobytes()  # without 0xFF, so no marker
_BETWEEN_RESTARTS = 256  # bytes of noise


@dataclass(frozen=True, slots=True)
class _Scan:
    """Which coefficients of which components a scan holds, up to which bit; `complete` where another marker follows."""

    components: tuple[int, ...]
    first: int
    last: int
    bit: int
    complete: bool


@dataclass(frozen=True, slots=True)
class _Structure:
    components: tuple[int, ...]
    progressive: bool
    restarts: bool
    scans: tuple[_Scan, ...]
    ended: bool


def completed(data: bytes, load: Callable[[bytes], Image.Image]) -> tuple[Image.Image, bool] | None:
    """Return the picture of a JPEG whose end is missing, and whether rows or fine detail are missing from it.

    None if too much is missing, or if something else is wrong with the file. `load` decodes a whole JPEG.
    """
    body = data
    if not data[-_SURELY_UNWRITTEN:].strip(_UNWRITTEN):
        body = data.rstrip(_UNWRITTEN)
    body = body.rstrip(b"\xff")
    found = _structure(body)
    if found is None or found.ended or not _has_all_components(found):
        return None
    if found.progressive and not _is_fine(found):
        return None
    image = load(body + _END)
    known = _known_rows(image, load(body + _noise(body, restarts=found.restarts) + _END))
    if not found.progressive and known < ENOUGH * image.height:
        return None
    return image, known < image.height


def is_cut_off(data: bytes) -> bool:
    """Return whether a picture begins in these bytes and its end marker is missing."""
    found = _structure(data)
    return found is not None and bool(found.scans) and not found.ended


def coefficients(data: bytes) -> int:
    """Return the bytes of all coefficients if a decoder must keep them (more than one scan), else 0."""
    frame = None
    with suppress(IndexError, struct.error, ValueError):
        for code, start, _ in islice(_segments(data), _MOST_SEGMENTS):
            if code in _FRAMES:
                height, width, count = struct.unpack_from(">HHB", data, start + 1)
                factors = [data[start + 7 + 3 * one] for one in range(count)]
                frame = code, width, height, [(factor >> 4, factor & 15) for factor in factors]
            elif code == _SCAN and frame is not None:
                kind, width, height, sampling = frame
                if kind not in _PROGRESSIVE and data[start] == len(sampling):
                    return 0
                across, down = (max(1, *of) for of in zip((1, 1), *sampling, strict=True))
                columns, rows = -(-width // (_BLOCK * across)), -(-height // (_BLOCK * down))
                blocks: int = columns * rows * sum(h * v for h, v in sampling)
                return blocks * _COEFFICIENTS * _BYTES_OF_COEFFICIENT
    return 0


def _known_rows(image: Image.Image, other: Image.Image) -> int:
    differing = np.flatnonzero((np.asarray(image) != np.asarray(other)).reshape(image.height, -1).any(axis=1))
    return int(differing[0]) if differing.size else image.height


def _noise(body: bytes, *, restarts: bool) -> bytes:
    """Return bytes that might follow: noise, with the restart markers at which a decoder resynchronises."""
    if not restarts:
        return _NOISE
    last = max(body.rfind(bytes((0xFF, mark))) for mark in _RESTARTS)
    following = (body[last + 1] & 7) + 1 if last >= 0 else 0
    pieces = [_NOISE[at : at + _BETWEEN_RESTARTS] for at in range(0, len(_NOISE), _BETWEEN_RESTARTS)]
    return b"".join(piece + bytes((0xFF, 0xD0 + (following + at) % 8)) for at, piece in enumerate(pieces))


def _has_all_components(found: _Structure) -> bool:
    return bool(found.components) and set(found.components) <= {one for scan in found.scans for one in scan.components}


def _is_fine(found: _Structure) -> bool:
    """Return whether all coefficients of a progressive picture are complete, apart from the last bit of some."""
    bits = {component: [_COEFFICIENTS] * _COEFFICIENTS for component in found.components}
    for scan in found.scans:
        for component in scan.components if scan.complete else ():
            for at in range(scan.first, min(scan.last, _COEFFICIENTS - 1) + 1):
                bits[component][at] = scan.bit
    return all(bit <= 1 for of in bits.values() for bit in of)


def _structure(data: bytes) -> _Structure | None:
    """Return the structure that the markers describe; None if they are damaged, or more than any picture has."""
    components: tuple[int, ...] = ()
    progressive = restarts = ended = False
    scans: list[_Scan] = []
    try:
        for at, (code, start, end) in enumerate(_segments(data)):
            if at == _MOST_SEGMENTS:
                return None
            if code == _END[1]:
                ended = True
            elif code in _FRAMES:
                progressive = code in _PROGRESSIVE
                components = tuple(data[start + 6 + 3 * one] for one in range(data[start + 5]))
            elif code == _RESTART_INTERVAL:
                restarts = struct.unpack_from(">H", data, start)[0] > 0
            elif code == _SCAN:
                count = data[start]
                is_sound = 1 <= count <= _MOST_COMPONENTS and end - start >= 4 + 2 * count
                if not is_sound or len(scans) == _MOST_SCANS:
                    return None
                first, last, approximation = data[start + 1 + 2 * count : start + 4 + 2 * count]
                of = tuple(data[start + 1 + 2 * one] for one in range(count))
                complete = _MARKER.search(data, end) is not None
                scans.append(_Scan(of, first, last, approximation & 15, complete))
    except (IndexError, struct.error, ValueError):
        return None
    return _Structure(components, progressive, restarts, tuple(scans), ended)


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield code, start and end of the content of each marker. Raises `ValueError` if a length is impossible."""
    offset = 2
    while marker := _MARKER.search(data, offset):
        code, offset = marker[1][0], marker.end()
        if code in _ALONE or code == _END[1]:
            yield code, offset, offset
            if code == _END[1]:
                return
            continue
        (length,) = struct.unpack_from(">H", data, offset)
        if length < _LENGTH:
            msg = "a segment is shorter than its length"
            raise ValueError(msg)
        yield code, offset + 2, offset + length
        offset += length
