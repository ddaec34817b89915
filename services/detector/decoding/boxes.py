"""Files made of boxes (ISO base media file format: HEIC, AVIF, CR3, JPEG 2000, JPEG XL): is all there?

Decoders of tiled HEIC paint the tiles that are missing, so that half a file would pass for a photograph.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

_NEEDED = (b"ftyp", b"meta", b"moov", b"mdat", b"jp2h", b"jp2c", b"jxlc", b"jxlp")
"""The boxes without which there is no picture; others, as the video of a motion photo, may be cut off."""
_HEADER, _LONG_HEADER = 8, 16  # bytes of size and type, without and with a size of 64 bits
_FULL = 4  # bytes of version and flags that begin a full box
_SURELY_NOT_BLANK = 64  # bytes; compressed pixels of so many have a bit set
_SET = re.compile(rb"[^\0]")
_MOST_BOXES = 10_000  # a photograph has ten or twenty, one in many progressive parts a few hundred
_MOST_PLACES = 200_000  # items and extents: 256 megapixels in tiles of 64 x 64 have 62,500 of both
_IN_FILE = 0  # construction method: extents are offsets in the file


@dataclass(frozen=True, slots=True)
class Box:
    """A box; `start` and `end` of its content in bytes of the file. `end` may lie behind the end of the file."""

    kind: bytes
    start: int
    end: int


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Yield the boxes between two places, in their order; the last one may be cut off."""
    stop = len(data) if end is None else min(end, len(data))
    while start + _HEADER <= stop:
        size, kind = struct.unpack_from(">I4s", data, start)
        header = _HEADER
        if size == 1:
            if start + _LONG_HEADER > stop:
                yield Box(kind, start + _LONG_HEADER, start + _LONG_HEADER)
                return
            (size,) = struct.unpack_from(">Q", data, start + _HEADER)
            header = _LONG_HEADER
        elif size == 0:  # up to the end
            size = stop - start
        if size < header:
            return  # damaged; the decoder says what it makes of it
        yield Box(kind, start + header, start + size)
        start += size


def is_cut_off(data: bytes) -> bool:
    """Say whether bytes are missing that the picture is made of.

    The places of the items (`iloc`) decide where they can be read, else the boxes themselves. An item of zeros is one
    that a copy has not written: the file has its full size before its content.
    """
    top = list(islice(boxes(data), _MOST_BOXES))
    items = _extents(data, top)
    if items is not None:
        return _lacks_some(data, items)
    if len(top) == _MOST_BOXES:
        return False  # no photograph; the decoder says what it makes of it
    return any(box.kind in _NEEDED and box.end > len(data) for box in top) or not any(
        box.kind in {b"mdat", b"jp2c", b"jxlc", b"jxlp"} for box in top
    )


def _lacks_some(data: bytes, items: list[tuple[int, int]]) -> bool:
    """Say whether one of these places lies behind the end, or holds only zeros."""
    written = -1  # the first byte that is not zero from where the last place begins: each byte is looked at once
    for start, end in sorted(items):
        if end > len(data):
            return True
        if written < start:
            found = _SET.search(data, start)
            written = found.start() if found else len(data)
        if end - start >= _SURELY_NOT_BLANK and written >= end:
            return True
    return False


def _extents(data: bytes, top: list[Box]) -> list[tuple[int, int]] | None:
    """Return where each extent of the items lies, in bytes of the file; None where no table of them can be read."""
    within = (
        (meta, box)
        for meta in top
        if meta.kind == b"meta" and meta.end <= len(data)
        for box in boxes(data, meta.start + _FULL, meta.end)
    )
    for meta, box in islice(within, _MOST_BOXES):
        if box.kind == b"iloc" and box.end <= meta.end:
            try:
                return _places(memoryview(data)[box.start : box.end]) or None
            except (struct.error, ValueError, IndexError):
                return None
    return None


def _places(table: memoryview) -> list[tuple[int, int]]:
    """Return start and end of each extent; raises `ValueError` where the table is cut off, or no photograph's."""
    version = table[0]
    offset_size, length_size = table[4] >> 4, table[4] & 15
    base_size, index_size = table[5] >> 4, table[5] & 15 if version in {1, 2} else 0
    wide = 2 if version < 2 else 4  # bytes of an item's number, and of how many there are  # noqa: PLR2004
    place = 6

    def number(size: int) -> int:
        nonlocal place
        if place + size > len(table):
            msg = "the table of items is cut off"
            raise ValueError(msg)
        place += size
        return int.from_bytes(table[place - size : place], "big")

    places = []
    left = _MOST_PLACES
    for _ in range(number(wide)):
        number(wide)
        method = number(2) & 15 if version in {1, 2} else _IN_FILE
        number(2)  # which file the data is in: this one
        base = number(base_size)
        extents = number(2)
        left -= 1 + extents
        if left < 0 or (extents > 1 and offset_size + length_size == 0):
            msg = "more items than a photograph has, or many without a place"
            raise ValueError(msg)
        for _ in range(extents):
            number(index_size)
            offset, length = number(offset_size), number(length_size)
            if method == _IN_FILE:
                places.append((base + offset, base + offset + length))
    return places
