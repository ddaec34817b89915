"""The directories of TIFF files and of camera raw files that are built like them: which pictures they hold, where."""

import math
import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
STRIPS, ORIENTATION, SAMPLES, STRIP_ROWS, STRIP_SIZES, PLANES = 273, 274, 277, 278, 279, 284
PREDICTOR, COLOURS, TILE_WIDTH, TILE_HEIGHT, TILES, TILE_SIZES = 317, 320, 322, 323, 324, 325
EXTRA_SAMPLES, SAMPLE_FORMAT = 338, 339

_MAKE, _OLD_SUBFILE_TYPE, _CHILDREN, _FILL_ORDER, _DNG_VERSION = 271, 255, 330, 266, 50706
_LONG_MARKS = (b"II+\x00", b"MM\x00+")  # with offsets of 64 bits
_MARKS = (b"II*\x00", b"MM\x00*", *_LONG_MARKS)
_MOST = 64  # directories that are looked at; a hostile file chains them without end
_MOST_ENTRIES = 65_535  # of a directory; where their number has 16 bits it is no larger
_MOST_NUMBERS = 1 << 20  # of a tag; 256 megapixels have so many tiles of 16 x 16, and need no more
_COMPRESSIONS = (1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32946, 34925, 50000)  # that libtiff has in Pillow's packages
_SENSOR = (32803, 34892)  # of the photometric interpretation: colour filter array, linear raw
_REDUCED, _MASK = 1, 4  # of the subfile type: a smaller copy of another picture; a mask
_OLD_REDUCED = 2
_RAW_WIDTH, _RAW_HEIGHT, _RAW_FORMAT, _RAW_START = 2, 3, 45, 280  # Panasonic's own tags
_FIXED_RATE, _PIXELS_OF_BLOCK, _BYTES_OF_BLOCK = (4, 5, 6, 7), 14, 16  # Panasonic's formats; others vary, or hold more


_USED = {
    *(SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, STRIPS, ORIENTATION, SAMPLES, STRIP_ROWS),
    *(STRIP_SIZES, PLANES, PREDICTOR, TILE_WIDTH, TILE_HEIGHT, TILES, TILE_SIZES, EXTRA_SAMPLES, SAMPLE_FORMAT),
    *(_MAKE, _OLD_SUBFILE_TYPE, _CHILDREN, _FILL_ORDER, _DNG_VERSION),
    *(_RAW_WIDTH, _RAW_HEIGHT, _RAW_FORMAT, _RAW_START),
}
_NUMBERS = {1: "B", 3: "H", 4: "L", 6: "b", 8: "h", 9: "l", 11: "f", 12: "d", 13: "L", 16: "Q", 17: "q", 18: "Q"}
"""How the numbers of a type are unpacked; text, bytes and rational numbers are none that are used."""
_SIZES = {2: 1, 5: 8, 7: 1, 10: 8} | {kind: struct.calcsize(f"<{code}") for kind, code in _NUMBERS.items()}  # bytes
_FLOATS = "fd"


class Tag(NamedTuple):
    """The type of a tag's values, how many there are, and the offset of the first one in the file, in bytes."""

    kind: int
    length: int
    offset: int


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory of the tags that are used. `offset`: its offset in the file, in bytes.

    The values stay in the file until they are asked for: many directories may name the same ones.
    """

    offset: int
    tags: dict[int, Tag]
    big_endian: bool
    data: bytes = field(repr=False, compare=False)

    def number(self, tag: int, default: int = 0) -> int:
        """Return the first number of a tag, `default` where there is none."""
        found = self.tags.get(tag)
        if found is None or found.kind not in _NUMBERS:
            return default
        (value,) = struct.unpack_from(f"{self._order}{_NUMBERS[found.kind]}", self.data, found.offset)
        return int(value) if math.isfinite(value) else default

    def numbers(self, tag: int, most: int = _MOST_NUMBERS) -> tuple[int, ...]:
        """Return the integers of a tag, at most `most` of them. They are parsed again at each call."""
        found = self.tags.get(tag)
        if found is None or _NUMBERS.get(found.kind, _FLOATS) in _FLOATS:
            return ()
        return struct.unpack_from(
            f"{self._order}{min(found.length, most)}{_NUMBERS[found.kind]}", self.data, found.offset
        )

    @property
    def _order(self) -> str:
        return ">" if self.big_endian else "<"

    @property
    def pixels(self) -> int:
        """Width by height."""
        return self.number(WIDTH) * self.number(HEIGHT)

    @property
    def is_of_a_sensor(self) -> bool:
        """Whether these are values as a camera's sensor gave them."""
        return self.number(PHOTOMETRIC, -1) in _SENSOR

    @property
    def is_reduced(self) -> bool:
        """Whether it is a smaller copy of another picture."""
        return bool(self.number(SUBFILE_TYPE) & _REDUCED) or self.number(_OLD_SUBFILE_TYPE) == _OLD_REDUCED

    @property
    def is_picture(self) -> bool:
        """Whether it is a picture for people, whatever its size."""
        mask = self.number(SUBFILE_TYPE) & _MASK
        return self.pixels > 0 and not mask and not self.is_of_a_sensor and bool(self.parts(1))

    def parts(self, most: int = _MOST_NUMBERS) -> list[tuple[int, int]]:
        """Return offset and size of each strip or tile, in bytes; at most so many."""
        offsets, sizes = (TILES, TILE_SIZES) if TILES in self.tags else (STRIPS, STRIP_SIZES)
        return list(zip(self.numbers(offsets, most), self.numbers(sizes, most), strict=False))


def is_tiff(data: bytes) -> bool:
    """Return whether these bytes begin like a TIFF file."""
    return data.startswith(_MARKS)


def directories(data: bytes) -> list[Directory]:
    """Return the directories of a file that is built like TIFF whatever its mark, the children behind their parents.

    Damaged ones, and those behind the end, are left out.
    """
    if data[:2] not in {b"II", b"MM"}:
        return []
    words = _words(data)
    size = struct.calcsize(words.offset)
    if len(data) < 2 * size:
        return []  # it is cut off within its first bytes
    found: list[Directory] = []
    visited: set[int] = set()
    waiting = deque(struct.unpack_from(words.offset, data, size))
    while waiting and len(visited) < _MOST:
        offset = waiting.popleft()
        if not 0 < offset < len(data) or offset in visited:
            continue
        visited.add(offset)
        one, behind = _loaded(data, words, offset)
        found.append(one)
        waiting.extend(one.numbers(_CHILDREN, _MOST))
        waiting.append(behind)
    return found


class _Words(NamedTuple):
    """How a file writes the number of entries, an entry but for its value, and a offset."""

    length: str
    entry: str
    offset: str


def _words(data: bytes) -> _Words:
    order = "<" if data.startswith(b"II") else ">"
    if data.startswith(_LONG_MARKS):
        return _Words(f"{order}Q", f"{order}HHQ8x", f"{order}Q")
    return _Words(f"{order}H", f"{order}HHL4x", f"{order}L")


def _loaded(data: bytes, words: _Words, offset: int) -> tuple[Directory, int]:
    """Return a directory and the offset of the one behind it, 0 where there is none.

    Entries behind the end of the file are left out, and those whose values are.
    """
    width, inline = struct.calcsize(words.entry), struct.calcsize(words.offset)
    start = offset + struct.calcsize(words.length)
    if start > len(data):
        return Directory(offset, {}, data.startswith(b"MM"), data), 0
    (stated,) = struct.unpack_from(words.length, data, offset)
    count = min(stated, _MOST_ENTRIES, (len(data) - start) // width)
    tags: dict[int, Tag] = {}
    entries = struct.iter_unpack(words.entry, memoryview(data)[start : start + count * width])
    for at, (number, kind, values) in enumerate(entries):
        if number in _USED and number not in tags and kind in _SIZES and values:
            value = start + (at + 1) * width - inline
            size = values * _SIZES[kind]
            if size > inline:
                (value,) = struct.unpack_from(words.offset, data, value)
            if value + size <= len(data):
                tags[number] = Tag(kind, values, value)
    behind = start + count * width
    is_whole = count == stated and behind + inline <= len(data)
    (following,) = struct.unpack_from(words.offset, data, behind) if is_whole else (0,)
    return Directory(offset, tags, data.startswith(b"MM"), data), following


def lacks_its_directory(data: bytes) -> bool:
    """Return whether the offset of the first directory lies behind the end of the file."""
    size = 8 if data.startswith(_LONG_MARKS) else 4
    offset = data[size : 2 * size]
    return len(offset) < size or int.from_bytes(offset, "little" if data.startswith(b"II") else "big") >= len(data)


def picture_of(found: Sequence[Directory]) -> Directory | None:
    """Return the largest picture, the first one of those of a size; copies of a smaller size count only without it."""
    pictures = [one for one in found if one.is_picture]
    return max(
        (one for one in pictures if not one.is_reduced), key=_size, default=max(pictures, key=_size, default=None)
    )


def _size(directory: Directory) -> int:
    return directory.pixels


def beginning_with(data: bytes, directory: Directory) -> bytes:
    """Return a file whose first directory is this one."""
    words = _words(data)
    if struct.unpack_from(words.offset, data, struct.calcsize(words.offset)) == (directory.offset,):
        return data
    order = "<" if data.startswith(b"II") else ">"
    if data.startswith(_LONG_MARKS):
        return data[:8] + struct.pack(f"{order}Q", directory.offset) + data[16:]
    return data[:4] + struct.pack(f"{order}L", directory.offset) + data[8:]


def may_be_raw(found: Sequence[Directory], picture: Directory | None) -> bool:
    """Return whether this may be a camera raw file without a known sensor directory, so that `picture` is a preview."""
    return any(_DNG_VERSION in one.tags for one in found) or (picture is not None and picture.is_reduced)


def is_known(directory: Directory) -> bool:
    """Return whether the image library knows the compression."""
    return directory.number(COMPRESSION, 1) in _COMPRESSIONS


def holds_more_than(data: bytes, directory: Directory) -> bool:
    """Return whether less than half of a camera's file is this picture."""
    return _MAKE in directory.tags and sum(size for _, size in directory.parts()) < len(data) // 2


def is_cut_off(data: bytes, found: Sequence[Directory]) -> bool:
    """Return whether sensor values lie behind the end of the file.

    Some cameras write the length before compression, so a part is missing only if its offset is behind the end.
    """
    is_canon = data[8:10] == b"CR"  # CR2, whose directories do not state their kind
    left = _MOST_NUMBERS  # of the parts of all directories, which may name the same ones
    for one in found:
        if one.is_of_a_sensor or is_canon:
            plain = one.pixels * one.number(SAMPLES, 1) * one.number(BITS, 8) // 8
            always = one.number(COMPRESSION, 1) == 1
            parts = one.parts(left)
            left -= len(parts)
            for offset, size in parts:
                if offset >= len(data) or ((always or size != plain) and offset + size > len(data)):
                    return True
        if data.startswith(b"IIU\x00") and _RAW_START in one.tags:
            pixels = one.number(_RAW_WIDTH) * one.number(_RAW_HEIGHT)
            fixed = one.number(_RAW_FORMAT) in _FIXED_RATE
            least = pixels * _BYTES_OF_BLOCK // _PIXELS_OF_BLOCK if fixed else 1
            if one.number(_RAW_START) + least > len(data):
                return True
    return False


def fill_order(directory: Directory) -> int:
    """Return 1 where the first pixel is in a byte's highest bits, as nearly always."""
    return directory.number(_FILL_ORDER, 1)
