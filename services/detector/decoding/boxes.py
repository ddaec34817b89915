"""Files made of boxes (ISO base media file format: HEIC, AVIF, CR3, JPEG 2000, JPEG XL): is the file complete?

Decoders of tiled HEIC fill in missing tiles, so half a file would pass for a whole photograph.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

_NEEDED = (b"ftyp", b"meta", b"moov", b"mdat", b"jp2h", b"jp2c", b"jxlc", b"jxlp")
"""The boxes that a picture needs. Others, such as the video of a motion photo, may be cut off."""
_HEADER, _LONG_HEADER = 8, 16  # bytes of size and type, without and with a size of 64 bits
_FULL = 4  # bytes of version and flags that begin a full box
_SURELY_NOT_BLANK = 64  # bytes; compressed pixels of this length have a bit set
_SET = re.compile(rb"[^\0]")
_MOST_BOXES = 10_000  # a photograph has ten or twenty, one in many progressive parts a few hundred
_MOST_EXTENTS = 200_000  # items and extents: 256 megapixels in tiles of 64 x 64 have 62,500 of both
_IN_FILE = 0  # construction method: extents are offsets in the file


@dataclass(frozen=True, slots=True)
class Box:
    """A box. `start` and `end` are the offsets of its content, in bytes. `end` may lie behind the end of the file."""

    kind: bytes
    start: int
    end: int


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Yield the boxes between two offsets, in their order. The last one may be cut off."""
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
            return  # damaged: the decoder decides
        yield Box(kind, start + header, start + size)
        start += size


def is_cut_off(data: bytes) -> bool:
    """Return whether bytes of the picture are missing.

    The table of item locations (`iloc`) decides if it can be read, otherwise the boxes themselves. An item of zeros
    counts as missing: an interrupted copy gives a file its full size before its content.
    """
    top = list(islice(boxes(data), _MOST_BOXES))
    items = _extents(data, top)
    if items is not None:
        return _lacks_some(data, items)
    if len(top) == _MOST_BOXES:
        return False  # no photograph: the decoder decides
    return any(box.kind in _NEEDED and box.end > len(data) for box in top) or not any(
        box.kind in {b"mdat", b"jp2c", b"jxlc", b"jxlp"} for box in top
    )


def _lacks_some(data: bytes, items: list[tuple[int, int]]) -> bool:
    """Return whether one of these extents lies behind the end of the file, or holds only zeros."""
    written = -1  # offset of the first byte after the last extent's start that is not zero; each byte is read once
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
    """Return start and end of each extent of the items, in bytes; None if no table of them can be read."""
    within = (
        (meta, box)
        for meta in top
        if meta.kind == b"meta" and meta.end <= len(data)
        for box in boxes(data, meta.start + _FULL, meta.end)
    )
    for meta, box in islice(within, _MOST_BOXES):
        if box.kind == b"iloc" and box.end <= meta.end:
            try:
                return _table_extents(memoryview(data)[box.start : box.end]) or None
            except (struct.error, ValueError, IndexError):
                return None
    return None


def _table_extents(table: memoryview) -> list[tuple[int, int]]:
    """Return start and end of each extent. Raises `ValueError` if the table is cut off or cannot be a photograph's."""
    version = table[0]
    offset_size, length_size = table[4] >> 4, table[4] & 15
    base_size, index_size = table[5] >> 4, table[5] & 15 if version in {1, 2} else 0
    wide = 2 if version < 2 else 4  # bytes of an item's number, and of how many there are  # noqa: PLR2004
    at = 6

    def number(size: int) -> int:
        nonlocal at
        if at + size > len(table):
            msg = "the table of items is cut off"
            raise ValueError(msg)
        at += size
        return int.from_bytes(table[at - size : at], "big")

    found = []
    left = _MOST_EXTENTS
    for _ in range(number(wide)):
        number(wide)
        method = number(2) & 15 if version in {1, 2} else _IN_FILE
        number(2)  # which file the data is in: this one
        base = number(base_size)
        extents = number(2)
        left -= 1 + extents
        if left < 0 or (extents > 1 and offset_size + length_size == 0):
            msg = "more items than a photograph has, or many without a location"
            raise ValueError(msg)
        for _ in range(extents):
            number(index_size)
            offset, length = number(offset_size), number(length_size)
            if method == _IN_FILE:
                found.append((base + offset, base + offset + length))
    return found
