"""The directories of TIFF files and of camera raw files that are built like them: which pictures they hold, where."""

import io
import math
import struct
import warnings
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from PIL.TiffImagePlugin import ImageFileDirectory_v2

SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
STRIPS, ORIENTATION, SAMPLES, STRIP_ROWS, STRIP_SIZES, PLANES = 273, 274, 277, 278, 279, 284
PREDICTOR, COLOURS, TILE_WIDTH, TILE_HEIGHT, TILES, TILE_SIZES = 317, 320, 322, 323, 324, 325
EXTRA_SAMPLES, SAMPLE_FORMAT = 338, 339

_MAKE, _OLD_SUBFILE_TYPE, _CHILDREN, _FILL_ORDER, _DNG_VERSION = 271, 255, 330, 266, 50706
_LONG_MARKS = (b"II+\x00", b"MM\x00+")  # with places of 64 bits
_MARKS = (b"II*\x00", b"MM\x00*", *_LONG_MARKS)
_MOST = 64  # directories that are looked at; a hostile file chains them without end
_COMPRESSIONS = (1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32946, 34925, 50000)  # that libtiff has in Pillow's packages
_SENSOR = (32803, 34892)  # of the photometric interpretation: colour filter array, linear raw
_REDUCED, _MASK = 1, 4  # of the subfile type: a smaller copy of another picture; a mask
_OLD_REDUCED = 2
_RAW_WIDTH, _RAW_HEIGHT, _RAW_FORMAT, _RAW_START = 2, 3, 45, 280  # Panasonic's own tags
_FIXED_RATE, _PIXELS_OF_BLOCK, _BYTES_OF_BLOCK = (4, 5, 6, 7), 14, 16  # Panasonic's formats; others vary, or hold more


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory of tags: numbers, tuples of numbers, text, bytes. `place`: its offset in the file, in bytes."""

    place: int
    tags: dict[int, object]
    big_endian: bool

    def number(self, tag: int, default: int = 0) -> int:
        """Return the first number of a tag, `default` where there is none."""
        value = self.tags.get(tag)
        if isinstance(value, tuple) and value:
            value = value[0]
        return int(value) if isinstance(value, (int, float)) and math.isfinite(value) else default

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Return all numbers of a tag."""
        value = self.tags.get(tag)
        values = value if isinstance(value, tuple) else (value,)
        return tuple(one for one in values if isinstance(one, int))

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
        return self.pixels > 0 and not mask and not self.is_of_a_sensor and bool(self.parts())

    def parts(self) -> list[tuple[int, int]]:
        """Return offset and size of each strip or tile, in bytes."""
        offsets, sizes = (TILES, TILE_SIZES) if TILES in self.tags else (STRIPS, STRIP_SIZES)
        return list(zip(self.numbers(offsets), self.numbers(sizes), strict=False))


def is_tiff(data: bytes) -> bool:
    """Say whether these bytes begin like a TIFF file."""
    return data.startswith(_MARKS)


def directories(data: bytes) -> list[Directory]:
    """Return the directories of a file that is built like TIFF whatever its mark, the children behind their parents.

    Damaged ones, and those behind the end, are left out.
    """
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return []
    header = data[:16] if data.startswith(_LONG_MARKS) else data[:2] + struct.pack(f"{order}H", 42) + data[4:8]
    file = io.BytesIO(data)
    found: list[Directory] = []
    visited: set[int] = set()
    try:
        waiting = deque([ImageFileDirectory_v2(header).next])
    except Exception:  # noqa: BLE001  it is cut off within its first bytes
        return []
    while waiting and len(visited) < _MOST:
        place = waiting.popleft()
        if not isinstance(place, int) or not 0 < place < len(data) or place in visited:
            continue
        visited.add(place)
        if loaded := _loaded(file, header, place):
            one, behind = loaded
            found.append(one)
            waiting.extend(one.numbers(_CHILDREN))
            waiting.append(behind)
    return found


def _loaded(file: io.BytesIO, header: bytes, place: int) -> tuple[Directory, int] | None:
    """Return a directory and the place of the one behind it; None where it cannot be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about damaged entries; the others still count
        try:
            directory = ImageFileDirectory_v2(header)
            file.seek(place)
            directory.load(file)
            return Directory(place, dict(directory), header.startswith(b"MM")), directory.next
        except Exception:  # noqa: BLE001  hostile bytes make it raise anything
            return None


def lacks_its_directory(data: bytes) -> bool:
    """Say whether the first directory of a TIFF file would lie behind its end."""
    size = 8 if data.startswith(_LONG_MARKS) else 4
    place = data[size : 2 * size]
    return len(place) < size or int.from_bytes(place, "little" if data.startswith(b"II") else "big") >= len(data)


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
    order = "<" if data.startswith(b"II") else ">"
    if data.startswith(_LONG_MARKS):
        return data[:8] + struct.pack(f"{order}Q", directory.place) + data[16:]
    return data[:4] + struct.pack(f"{order}L", directory.place) + data[8:]


def may_be_raw(found: Sequence[Directory], picture: Directory | None) -> bool:
    """Say whether it looks like a camera raw file whose values of the sensor are not told: `picture` is a copy."""
    return any(_DNG_VERSION in one.tags for one in found) or (picture is not None and picture.is_reduced)


def is_known(directory: Directory) -> bool:
    """Say whether the image library knows the compression."""
    return directory.number(COMPRESSION, 1) in _COMPRESSIONS


def holds_more_than(data: bytes, directory: Directory) -> bool:
    """Say whether a camera's file is for the most part something else than this picture."""
    return _MAKE in directory.tags and sum(size for _, size in directory.parts()) < len(data) // 2


def is_cut_off(data: bytes, found: Sequence[Directory]) -> bool:
    """Say whether values of the sensor lie behind the end of the file.

    Cameras write odd sizes: where they say how long the values were before compression, only the place counts.
    """
    is_canon = data[8:10] == b"CR"  # CR2, which does not tell what its directories hold
    for one in found:
        if one.is_of_a_sensor or is_canon:
            plain = one.pixels * one.number(SAMPLES, 1) * one.number(BITS, 8) // 8
            for offset, size in one.parts():
                counts = one.number(COMPRESSION, 1) == 1 or size != plain
                if offset >= len(data) or (counts and offset + size > len(data)):
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
