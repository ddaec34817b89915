"""The pixels of TIFF files of kinds that the image library does not know, or reads wrongly.

Planes of 16 bits, floating point and integers of 32 bits, packed bits, 16 bits with transparency: strips and tiles are
decompressed here or by libtiff, byte by byte, and laid out by the words of the directory.
"""

import io
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from services.detector.decoding import memory_needed, tiff
from services.detector.decoding.limits import check_values
from services.detector.decoding.memory_needed import Need, result
from services.detector.decoding.orientation import Box
from services.detector.decoding.parts import Stored, alpha_to_8_bits, boxes, extremes, to_8_bits
from services.detector.decoding.tiff import Directory
from services.detector.settings import DetectorSettings
from shared.errors import Unreadable

_NONE, _DEFLATE, _BYTEWISE = 1, (8, 32946), (5, 32773, 34925, 50000)  # the latter: LZW, PackBits, LZMA, Zstandard
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK, _LAB = 0, 1, 2, 5, 8
_COLOURS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _CMYK: 4, _LAB: 3}  # samples, by photometric interpretation
_MODES = {_WHITE_IS_ZERO: "L", _BLACK_IS_ZERO: "L", _RGB: "RGB", _CMYK: "CMYK", _LAB: "LAB"}
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3  # of the sample format
_DIFFERENCES, _FLOAT_DIFFERENCES = 2, 3  # of the predictor
_ALPHA_MULTIPLIED, _ALPHA = 1, 2  # of the extra samples
_SEPARATE = 2  # of the planar configuration
_MOST_KEPT = 5  # samples: four inks, and one
_MOST_BITS = 16  # of integers that have an agreed white
_AT_ONCE = 1 << 18  # values of packed bits that are converted together
_WHOLE = {8, 16, 32, 64}  # bits that need no unpacking
_COPIES, _COPIES_BYTEWISE = {_NONE: 0, 8: 2, 32946: 2}, 4  # of a strip or tile while its compression is undone
_LARGEST_TILE = 4  # times the pixels of the picture, beside those of a tile of common size
_COMMON_TILE = 1 << 22  # pixels
_LONGEST, _LONGEST_HEAD = 2, 4096  # of what compression makes longer: times, and bytes


@dataclass(frozen=True, slots=True)
class _Layout:
    """How values lie in the file. `across` and `down`: pixels of a strip or tile; `together`: samples in it."""

    width: int
    height: int
    bits: int
    kind: int
    samples: int
    planes: int
    together: int
    across: int
    down: int
    compression: int
    predictor: int
    order: str

    @property
    def row(self) -> int:
        """Bytes."""
        return (self.across * self.together * self.bits + 7) // 8


def is_read_wrongly(directory: Directory) -> bool:
    """Return whether Pillow decodes this kind of picture wrongly, without an error."""
    bits, kind = directory.number(tiff.BITS, 1), directory.number(tiff.SAMPLE_FORMAT, _UNSIGNED)
    planes = directory.number(tiff.PLANES, 1) == _SEPARATE and directory.number(tiff.SAMPLES, 1) > 1
    negative = directory.number(tiff.PHOTOMETRIC, -1) == _WHITE_IS_ZERO
    return (
        (bits != 8 and planes)  # noqa: PLR2004
        or (bits > 8 and negative)  # noqa: PLR2004
        or (bits == 8 and kind == _SIGNED)  # noqa: PLR2004
        or (bits == 32 and kind == _UNSIGNED)  # noqa: PLR2004
        or bits not in {1, 2, 4, 8, 16, 32}
    )


def read(data: bytes, directory: Directory, settings: DetectorSettings) -> Stored:
    """Return the picture of a directory, as stored; raises `Unreadable` where it is of a kind that is not known here.

    Its pixels are to be checked before; raises `OverLimit` where the values of so many need too much memory. Values
    that have no agreed white are stretched: 32 bits, floats, signed ones.
    """
    photometric = directory.number(tiff.PHOTOMETRIC, -1)
    layout = _layout(directory)
    if photometric not in _COLOURS or layout.samples < _COLOURS[photometric]:
        raise _unsupported()
    if photometric == _LAB and (layout.kind == _FLOAT or layout.bits not in {8, 16}):
        raise _unsupported()
    check_values(layout.width, layout.height, layout.samples * _dtype(layout).itemsize, settings)
    with memory_needed.within(_need(layout, len(data), settings), settings):
        return _Picture(_values(data, directory, layout), layout, photometric, directory.number(tiff.EXTRA_SAMPLES))


class _Picture:
    """A picture as the values of its file, (height, width, samples); a part is made 8 bits when it is taken."""

    def __init__(self, values: NDArray[np.generic], layout: _Layout, photometric: int, extra: int) -> None:
        self._values, self._layout = values, layout
        self._photometric = photometric
        count = _COLOURS[photometric]
        has_alpha = values.shape[2] > count and extra in {_ALPHA, _ALPHA_MULTIPLIED} and photometric != _CMYK
        self._alpha, self._multiplied = has_alpha, extra == _ALPHA_MULTIPLIED
        self._is_white_known = _has_white(layout) or photometric == _LAB
        self._range = (0.0, 0.0) if self._is_white_known else extremes(self._colours(box) for box in boxes(*self.size))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self._layout.width, self._layout.height

    def part(self, box: Box) -> Image.Image:
        """Return the pixels within left, top, right and bottom."""
        colours = self._colours(box)
        eight = _top_bits(colours, self._layout) if self._is_white_known else to_8_bits(colours, *self._range)
        if self._photometric == _WHITE_IS_ZERO:
            eight = 255 - eight
        size = eight.shape[1], eight.shape[0]
        image = Image.frombytes(_MODES[self._photometric], size, np.ascontiguousarray(eight).tobytes()).convert("RGB")
        if self._alpha:
            left, top, right, bottom = box
            values = self._values[top:bottom, left:right, _COLOURS[self._photometric]]
            alpha = _top_bits(values, self._layout) if _has_white(self._layout) else alpha_to_8_bits(values)
            image.putalpha(Image.fromarray(alpha))
            if self._multiplied:
                image = Image.frombytes("RGBa", image.size, image.tobytes()).convert("RGBA")
        return image

    def _colours(self, box: Box) -> NDArray[np.generic]:
        left, top, right, bottom = box
        return self._values[top:bottom, left:right, : _COLOURS[self._photometric]]


def _need(layout: _Layout, file: int, settings: DetectorSettings) -> Need:
    """Return what reading takes: the values that are kept, and copies of the largest part on the way to them."""
    size = layout.width, layout.height
    pixels = layout.width * layout.height
    kept = min(layout.samples, _MOST_KEPT) * _dtype(layout).itemsize
    part = layout.across * layout.down * layout.together * _dtype(layout).itemsize
    copies = _COPIES.get(layout.compression, _COPIES_BYTEWISE) + {_DIFFERENCES: 1, _FLOAT_DIFFERENCES: 3}.get(
        layout.predictor, 0 if layout.bits in _WHOLE else 1
    )
    return Need(kept * pixels + copies * part + result(*size, size, settings), 2 * file, "TIFF", pixels / 1e6, pixels)


def _unsupported() -> Unreadable:
    return Unreadable("a kind of TIFF that is not supported")


def _cut_off() -> Unreadable:
    return Unreadable("truncated TIFF")


def _layout(directory: Directory) -> _Layout:
    number = directory.number
    width, height, samples = number(tiff.WIDTH), number(tiff.HEIGHT), number(tiff.SAMPLES, 1)
    bits = number(tiff.BITS, 1)
    planes = samples if number(tiff.PLANES, 1) == _SEPARATE else 1
    tiled = tiff.TILES in directory.tags
    layout = _Layout(
        width,
        height,
        bits,
        number(tiff.SAMPLE_FORMAT, _UNSIGNED),
        samples,
        planes,
        together=samples if planes == 1 else 1,
        across=number(tiff.TILE_WIDTH) if tiled else width,
        down=number(tiff.TILE_HEIGHT) if tiled else min(height, number(tiff.STRIP_ROWS, height)),
        compression=number(tiff.COMPRESSION, 1),
        predictor=number(tiff.PREDICTOR, 1),
        order=">" if directory.big_endian else "<",
    )
    known = (
        len(set(directory.numbers(tiff.BITS))) <= 1
        and tiff.fill_order(directory) == 1
        and 1 <= samples <= 16  # noqa: PLR2004
        and layout.kind in {_UNSIGNED, _SIGNED, _FLOAT}
        and (bits in {16, 32, 64} if layout.kind == _FLOAT else bits in {8, 16, 32} or 1 <= bits < _MOST_BITS)
        and (layout.kind != _SIGNED or bits >= 8)  # noqa: PLR2004
        and layout.compression in {_NONE, *_DEFLATE, *_BYTEWISE}
        and (layout.predictor == 1 or layout.compression not in {_NONE, 32773})
        and (layout.predictor != _DIFFERENCES or bits in {8, 16, 32})
        and (layout.predictor != _FLOAT_DIFFERENCES or layout.kind == _FLOAT)
        and layout.predictor in {1, _DIFFERENCES, _FLOAT_DIFFERENCES}
        # A tile may be larger than the picture, but then not much: what is allocated is bounded by the picture.
        and 0 < layout.across <= width + 1024
        and 0 < layout.down <= height + 1024
        and layout.across * layout.down <= _LARGEST_TILE * width * height + _COMMON_TILE
    )
    if not known:
        raise _unsupported()
    return layout


def _values(data: bytes, directory: Directory, layout: _Layout) -> NDArray[np.generic]:
    """Return the values as they are in the file, shape (height, width, samples)."""
    columns, rows = -(-layout.width // layout.across), -(-layout.height // layout.down)
    parts = directory.parts()
    if len(parts) < columns * rows * layout.planes:
        msg = "damaged TIFF"
        raise Unreadable(msg)
    if layout.compression == _NONE and columns * layout.row * layout.height * layout.planes > len(data):
        raise _cut_off()
    # Beside the colours, at most one other sample counts, which may be transparency.
    kept = min(layout.samples, _MOST_KEPT)
    values = np.empty((layout.height, layout.width, kept), _dtype(layout).newbyteorder("="))
    tiled = tiff.TILES in directory.tags
    view = memoryview(data)
    for at, (offset, size) in enumerate(parts[: columns * rows * layout.planes]):
        plane, index = divmod(at, columns * rows)
        if plane >= kept:
            break
        top, left = index // columns * layout.down, index % columns * layout.across
        height = layout.down if tiled else min(layout.down, layout.height - top)
        # Many parts may have the same offset: no more bytes are copied than their pixels can need.
        raw = _plain(view[offset : offset + min(size, _LONGEST * height * layout.row + _LONGEST_HEAD)], layout, height)
        if len(raw) < height * layout.row:
            if offset + size > len(data):
                raise _cut_off()
            msg = "damaged TIFF"
            raise Unreadable(msg)
        block = _numbers(raw[: height * layout.row], layout, height)
        target = values[top : top + height, left : left + layout.across]
        channel = slice(plane, plane + 1) if layout.planes > 1 else slice(None)
        target[:, :, channel] = block[: target.shape[0], : target.shape[1], :kept]
    return values


def _plain(part: memoryview, layout: _Layout, height: int) -> bytes | memoryview:
    """Return a strip or tile without its compression."""
    if layout.compression == _NONE:
        return part
    if layout.compression in _DEFLATE:
        return zlib.decompressobj().decompress(part, height * layout.row)
    # For libtiff it is a grey picture, one byte for each pixel.
    head = ImageFileDirectory_v2(b"II*\x00\x08\x00\x00\x00")
    tags = {
        tiff.WIDTH: layout.row,
        tiff.HEIGHT: height,
        tiff.BITS: 8,
        tiff.COMPRESSION: layout.compression,
        tiff.PHOTOMETRIC: _BLACK_IS_ZERO,
        tiff.SAMPLES: 1,
        tiff.STRIP_ROWS: height,
        tiff.STRIP_SIZES: len(part),
        tiff.STRIPS: 0,  # the library adds the length of the directory
    }
    for tag, value in tags.items():
        head[tag] = value
    file = io.BytesIO(b"II*\x00\x08\x00\x00\x00" + head.tobytes(8) + part)
    with Image.open(file, formats=("TIFF",)) as image:
        return image.tobytes()


def _dtype(layout: _Layout) -> np.dtype[np.generic]:
    letter = {_FLOAT: "f", _SIGNED: "i"}.get(layout.kind, "u")
    size = max(8, 1 << (layout.bits - 1).bit_length()) // 8
    return np.dtype(f"{layout.order}{letter}{size}")


def _numbers(raw: bytes | memoryview, layout: _Layout, height: int) -> NDArray[np.generic]:
    """Return the numbers of a strip or tile, shape (height, across, together)."""
    shape = (height, layout.across, layout.together)
    if layout.predictor == _FLOAT_DIFFERENCES:
        steps = np.frombuffer(raw, np.uint8).reshape(height, -1, layout.together)
        planes = np.cumsum(steps, axis=1, dtype=np.uint8).reshape(height, layout.bits // 8, -1)
        ordered = np.ascontiguousarray(planes.transpose(0, 2, 1))
        return ordered.view(f">f{layout.bits // 8}").reshape(shape)
    if layout.bits in {8, 16, 32, 64}:
        values = np.frombuffer(raw, _dtype(layout)).reshape(shape)
        if layout.predictor == _DIFFERENCES:
            plain = values.astype(_dtype(layout).newbyteorder("="))
            return np.cumsum(plain, axis=1, dtype=plain.dtype, out=plain)
        return values
    values = np.empty((height, layout.across * layout.together), _dtype(layout))
    packed = np.frombuffer(raw, np.uint8).reshape(height, layout.row)
    weights = (1 << np.arange(layout.bits)[::-1]).astype(values.dtype)
    for left, top, right, bottom in boxes(values.shape[1], height, 8, _AT_ONCE):
        block = values[top:bottom, left:right]
        # Blocks begin at multiples of eight values, so with a byte.
        bytes_ = slice(left * layout.bits // 8, (right * layout.bits + 7) // 8)
        bits = np.unpackbits(packed[top:bottom, bytes_], axis=1, count=block.shape[1] * layout.bits)
        block[...] = bits.reshape(*block.shape, layout.bits) @ weights
    return values.reshape(shape)


def _has_white(layout: _Layout) -> bool:
    return layout.kind == _UNSIGNED and layout.bits <= _MOST_BITS


def _top_bits(values: NDArray[np.generic], layout: _Layout) -> NDArray[np.uint8]:
    unsigned: NDArray[Any] = values.view(f"u{values.dtype.itemsize}")
    if layout.bits >= 8:  # noqa: PLR2004
        return (unsigned >> (layout.bits - 8)).astype(np.uint8)
    return (unsigned.astype(np.uint16) * 255 // ((1 << layout.bits) - 1)).astype(np.uint8)
