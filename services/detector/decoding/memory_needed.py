"""How much memory decoding a picture needs, computed from its header before memory for its pixels is allocated.

    needed = pixels x (bytes per pixel of the kind) + buffers that the header implies + the result + `_ALWAYS`

The bytes per pixel were measured: `python -m bench memory` prints measurements beside this bound.
"""

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
from PIL import Image

from services.detector.decoding import jpeg, webp
from services.detector.decoding.limits import OverLimit
from services.detector.decoding.parts import reduction
from services.detector.scale import detection_size
from services.detector.settings import DetectorSettings
from shared.errors import FacestreamError, Undecoded
from shared.memory_limit import MEMORY, not_enough, shown

_ALWAYS = 48_000_000  # bytes: parts of pictures, tables of decoders, stacks of their threads
_PIXEL_OF_MODE = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}  # bytes in Pillow
_PIXEL = 4  # bytes in Pillow, of all other modes
_RESULT = 3  # bytes of a pixel that is handed on

_WEBP = 13  # two canvases, a copy of one, and what a frame needs
# Bytes of a pixel that decoders need beside the picture that they fill, by Pillow's format and mode.
_DECODERS: dict[tuple[str, str], float] = {
    ("WEBP", "RGB"): _WEBP,
    ("WEBP", "RGBA"): _WEBP,
    ("AVIF", "RGB"): 10,
    ("AVIF", "RGBA"): 13,
    ("HEIF", "RGB"): 6,
    ("HEIF", "RGBA"): 9,
}
_JPEG_2000 = 5.2  # bytes of a pixel and channel: a number of 32 bits, one of 8, and its share of the tables
_JPEG_XL, _JPEG_XL_CHANNEL = 6, 4
_BITS, _CHROMA, _HEIF_MORE = 8, 420, 6  # what phones write; more bytes of a pixel for what has more than that
_GIF = 1
_COPIES_OF_TIFF = 2  # of the file: one begins with the directory that is decoded
_PLAIN_BMP, _BMP_PACKED = (0, 3), 2
_RAW_UNPACKED, _RAW_DEVELOPED = 2, 13  # bytes of a pixel of the sensor; of one of the picture

_SIZ_BYTES = 38  # of what follows, up to the number of channels
_SIZ = b"\xff\x4f\xff\x51"  # how a JPEG 2000 codestream begins
_LARGEST_BUFFER = 8  # bytes of a pixel in the largest piece that a decoder asks for at once
_HIGH_WATER = ("/proc/self/clear_refs", "5")  # resets `VmHWM`


@dataclass(frozen=True, slots=True)
class Need:
    """Memory for decoding one picture.

    `size`: bytes, without the bytes of the `file`. `what`: the kind of picture. `megapixels`: of the picture; `pixels`:
    how many are decoded.
    """

    size: float
    file: int
    what: str
    megapixels: float
    pixels: int

    @property
    def bound(self) -> float:
        """Bytes that decoding may use in total."""
        return self.size + self.file + _ALWAYS

    @property
    def text(self) -> str:
        """The need as part of an error message."""
        megapixels = f"{self.megapixels:,.0f}" if self.megapixels >= 10 else f"{self.megapixels:.2g}"  # noqa: PLR2004
        return f"needs about {shown(self.bound)} to decode ({self.what}, {megapixels} megapixels)"


def of_image(image: Image.Image, data: bytes, stored: tuple[int, int], what: str, settings: DetectorSettings) -> Need:
    """Return the memory for decoding an image that Pillow has opened and not loaded.

    `stored`: its width and height before a draft reduced it. `what`: its kind.
    """
    pixels = image.width * image.height
    filled = pixels * _PIXEL_OF_MODE.get(image.mode, _PIXEL)
    beside = pixels * _DECODERS.get((str(image.format), image.mode), 0)
    match image.format:
        case "HEIF" if image.info.get("bit_depth", 8) > _BITS or image.info.get("chroma", _CHROMA) != _CHROMA:
            beside += _HEIF_MORE * pixels
        case "JPEG" | "MPO":
            beside = jpeg.coefficients(data)
        case "JPEG2000":
            beside = _of_tile(data, pixels)
        case "TIFF":
            beside = _of_tiff(image, filled)
        case "GIF":
            beside = _GIF * pixels
        case "BMP" if image.info.get("compression", 0) not in _PLAIN_BMP:
            beside = _BMP_PACKED * pixels
    size = filled + beside + result(*image.size, stored, settings)
    file = len(data) * (_COPIES_OF_TIFF if image.format == "TIFF" else 1)
    return Need(size, file, what, math.prod(stored) / 1e6, pixels)


def of_webp(found: webp.Header, file: int, settings: DetectorSettings) -> Need:
    """Return the memory for decoding a WebP picture; `file`: bytes of the file."""
    size = found.width, found.height
    pixels = found.width * found.height
    return Need((_WEBP + _PIXEL) * pixels + result(*size, size, settings), file, "WebP", pixels / 1e6, pixels)


def result(width: int, height: int, photograph: tuple[int, int], settings: DetectorSettings) -> float:
    """Return the bytes of the reduced picture that decoding results in."""
    needed = detection_size(*photograph, settings)
    turned = detection_size(*photograph[::-1], settings)[::-1]
    factor = min(reduction(width, height, needed), reduction(width, height, turned))
    return _RESULT * math.ceil(width / factor) * math.ceil(height / factor)


def of_jpeg_xl(width: int, height: int, channels: int, file: int, settings: DetectorSettings) -> Need:
    """Return the memory for decoding a JPEG XL picture; `file`: bytes of the file."""
    bytes_ = _JPEG_XL + _JPEG_XL_CHANNEL * channels
    pixels = width * height
    return Need(
        bytes_ * pixels + result(width, height, (width, height), settings), file, "JPEG XL", pixels / 1e6, pixels
    )


def of_raw(sensor: int, width: int, height: int, file: int, *, half: bool) -> Need:
    """Return the memory for developing a raw file.

    `sensor`: pixels of the sensor. `width`, `height`: of the picture. `file`: bytes. `half`: develop at half size.
    """
    pixels = width * height // (4 if half else 1)
    return Need(_RAW_UNPACKED * sensor + _RAW_DEVELOPED * pixels, file, "camera raw", width * height / 1e6, sensor)


def _of_tile(data: bytes, pixels: int) -> float:
    """Return the bytes that a JPEG 2000 decoder needs for its largest tile, or for the whole picture without tiles."""
    start = data.find(_SIZ)
    tile, channels = pixels, _PIXEL
    if 0 <= start <= len(data) - len(_SIZ) - _SIZ_BYTES:
        across, down, left, top, tile_across, tile_down, _, _, channels = struct.unpack_from(
            ">8LH", data, start + len(_SIZ) + 4
        )
        tile = min(tile_across, across - left) * min(tile_down, down - top)
    return max(0, min(tile, pixels)) * _JPEG_2000 * float(channels)


def _of_tiff(image: Image.Image, size: float) -> float:
    """Return the bytes for a strip or tile, and for a copy if the picture must be rotated."""
    tags = getattr(image, "tag_v2", {})
    samples, bits = tags.get(277, 1), max(tags.get(258, (8,)))
    down = min(tags.get(323, tags.get(278, image.height)), image.height + 1024)
    across = min(tags.get(322, image.width), image.width + 1024)
    # Of YCbCr and of planes, strips are decoded to four bytes a pixel.
    strip = across * down * max(_PIXEL, math.ceil(samples * bits / 8)) if tags.get(259, 1) != 1 else 0
    turned = size if tags.get(274, 1) != 1 else 0
    return float(strip + turned)


@contextmanager
def within(need: Need, settings: DetectorSettings) -> Iterator[None]:
    """Decode a picture in this context.

    Raises `OverLimit` if it needs more memory than the settings allow, before allocating any. Raises `Undecoded` if
    memory was short nevertheless, whatever error the decoder raised.
    """
    if settings.memory is None:
        with lacking(settings):
            yield
        return
    if need.bound > settings.memory:
        msg = f"{need.text}, {shown(settings.memory)} allowed ({MEMORY})"
        raise OverLimit(msg)
    with suppress(OSError):
        Path(_HIGH_WATER[0]).write_text(_HIGH_WATER[1], encoding="ascii")
    before = _resident("VmRSS")
    try:
        with lacking(settings):
            yield
    except FacestreamError:
        raise
    except Exception as error:
        # Decoders report a damaged file when memory is short, and not how much they tried to allocate. If the largest
        # buffer that they may have wanted did not fit, the cause is taken to be memory.
        taken = max(0, _resident("VmHWM") - before)
        if need.file + taken + max(need.size, _LARGEST_BUFFER * need.pixels) > settings.memory:
            raise Undecoded(not_enough(settings.memory)) from error
        raise


@contextmanager
def lacking(settings: DetectorSettings) -> Iterator[None]:
    """Raise `Undecoded` if a library reports in this context that memory is short."""
    try:
        yield
    except FacestreamError:
        raise
    except Exception as error:
        if lacks_memory(error):
            raise Undecoded(not_enough(settings.memory)) from error
        raise


def lacks_memory(error: Exception) -> bool:
    """Return whether the error means that memory is short, and not that a decoder has a fixed limit."""
    text = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem)
        or any(words in text for words in ("cannot allocate memory", "mempool overflowed"))
        or (("out of memory" in text or "memory allocation" in text) and "limit" not in text)
    )


def _resident(name: str) -> int:
    """Return `VmRSS` or `VmHWM` of this process, in bytes."""
    with suppress(OSError), Path("/proc/self/status").open(encoding="ascii") as file:
        for line in file:
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0
