"""JPEG files that end too early: how much of the picture is there.

libjpeg paints what is missing, and does not tell from which row on. So such a file is completed twice, once with its
end marker and once with noise before it: rows that come out equal do not depend on what is missing.
"""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

ENOUGH = 0.9
"""Of the rows; a JPEG that holds fewer of them is truncated, one that holds as many is read in part."""

_END = b"\xff\xd9"
_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")  # in compressed data: neither a stuffed byte nor a restart
_RESTART = re.compile(rb"\xff([\xd0-\xd7])")
_SCAN, _RESTART_INTERVAL = 0xDA, 0xDD
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # those three are tables, and reserved
_PROGRESSIVE = {0xC2, 0xCA}
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
_COEFFICIENTS = 64
_ZEROS = 16  # bytes; no compressed picture ends with so many, what a copy left unwritten does
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

    None where too much is missing, or where something else is wrong with it. `load` decodes a whole JPEG.
    """
    body = data
    if data.endswith(bytes(_ZEROS)):
        body = data.rstrip(b"\0")
    body = body.removesuffix(b"\xff")
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
    """Say whether a picture begins in these bytes and its end marker is missing."""
    found = _structure(data)
    return found is not None and bool(found.scans) and not found.ended


def _known_rows(image: Image.Image, other: Image.Image) -> int:
    differing = np.flatnonzero((np.asarray(image) != np.asarray(other)).reshape(image.height, -1).any(axis=1))
    return int(differing[0]) if differing.size else image.height


def _noise(body: bytes, *, restarts: bool) -> bytes:
    """Return what else might follow: random bytes, with the marks between which a decoder finds back."""
    if not restarts:
        return _NOISE
    seen = _RESTART.findall(body)
    following = (seen[-1][0] & 7) + 1 if seen else 0
    pieces = [_NOISE[at : at + _BETWEEN_RESTARTS] for at in range(0, len(_NOISE), _BETWEEN_RESTARTS)]
    return b"".join(piece + bytes((0xFF, 0xD0 + (following + at) % 8)) for at, piece in enumerate(pieces))


def _has_all_components(found: _Structure) -> bool:
    return bool(found.components) and set(found.components) <= {one for scan in found.scans for one in scan.components}


def _is_fine(found: _Structure) -> bool:
    """Say whether all coefficients of a progressive picture are there but for the last bit of some."""
    bits = {component: [_COEFFICIENTS] * _COEFFICIENTS for component in found.components}
    for scan in found.scans:
        for component in scan.components if scan.complete else ():
            for at in range(scan.first, min(scan.last, _COEFFICIENTS - 1) + 1):
                bits[component][at] = scan.bit
    return all(bit <= 1 for of in bits.values() for bit in of)


def _structure(data: bytes) -> _Structure | None:
    """Return what the markers say; None where they are damaged before the compressed data begins."""
    components: tuple[int, ...] = ()
    progressive = restarts = ended = False
    scans: list[_Scan] = []
    try:
        for code, start, end in _segments(data):
            if code == _END[1]:
                ended = True
            elif code in _FRAMES:
                progressive = code in _PROGRESSIVE
                components = tuple(data[start + 6 + 3 * at] for at in range(data[start + 5]))
            elif code == _RESTART_INTERVAL:
                restarts = struct.unpack_from(">H", data, start)[0] > 0
            elif code == _SCAN:
                count = data[start]
                first, last, approximation = data[start + 1 + 2 * count : start + 4 + 2 * count]
                of = tuple(data[start + 1 + 2 * at] for at in range(count))
                complete = _MARKER.search(data, end) is not None
                scans.append(_Scan(of, first, last, approximation & 15, complete))
    except (IndexError, struct.error, ValueError):
        return None
    return _Structure(components, progressive, restarts, tuple(scans), ended)


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield each marker's code with the place of its content, behind the length."""
    place = 2
    while marker := _MARKER.search(data, place):
        code, place = marker[1][0], marker.end()
        if code in _ALONE or code == _END[1]:
            yield code, place, place
            if code == _END[1]:
                return
            continue
        (length,) = struct.unpack_from(">H", data, place)
        yield code, place + 2, place + length
        place += length
