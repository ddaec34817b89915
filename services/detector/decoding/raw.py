"""Camera raw files: recognised by their bytes, developed by LibRaw."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import rawpy
from numpy.typing import NDArray
from PIL import Image

from services.detector.decoding import boxes, memory_needed, tiff
from services.detector.decoding.limits import check_pixels
from services.detector.decoding.orientation import upright
from services.detector.scale import picture_size
from services.detector.settings import DetectorSettings
from shared.errors import Undecoded, Unreadable
from shared.memory_limit import not_enough

_MARKS = (
    b"II\x1a\x00\x00\x00HEAPCCDR",  # Canon CRW
    b"FUJIFILMCCD-RAW",
    b"IIRO",  # Olympus ORF, three kinds
    b"IIRS",
    b"MMOR",
    b"IIU\x00",  # Panasonic RW2
    b"\x00MRM",  # Minolta
    b"FOVb",  # Sigma X3F
)
_CR3 = b"ftypcrx "  # behind the size of the first box
_AFTER_TIFF_MARK = (b"CR", b"IIII", b"MMMM")  # Canon CR2; Phase One IIQ
_EXIF_ORIENTATION = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}  # by LibRaw's flip
_EXCHANGED = 4  # the bit of LibRaw's flip that exchanges width and height
_HALVED = 2 / 3  # a side below this share of what it should be was developed at half size
_NO_MEMORY = (rawpy.LibRawUnsufficientMemoryError, rawpy.LibRawMemPoolOverflowError)
_CANNOT_UNPACK = (
    rawpy.LibRawFileUnsupportedError,
    rawpy.LibRawNotImplementedError,
    rawpy.LibRawRequestForNonexistentImageError,
    rawpy.NotSupportedError,
)


class UnknownRaw(Unreadable):
    """LibRaw does not know the file; it may be of another kind."""


@dataclass(frozen=True, slots=True)
class Developed:
    """A developed raw file: `image` (h, w, 3) uint8 RGB, upright; `width` and `height` in pixels at full size."""

    image: NDArray[np.uint8]
    width: int
    height: int


class _Size(NamedTuple):
    width: int
    height: int


def is_raw(data: bytes, found: Sequence[tiff.Directory]) -> bool:
    """Return whether these bytes, with their directories, are certainly a camera raw file.

    Most raw formats are TIFF files whose first image is a thumbnail, which an image library would return.
    """
    if data.startswith(_MARKS) or data[4:12] == _CR3:
        return True
    if not tiff.is_tiff(data):
        return False
    return data[8:12].startswith(_AFTER_TIFF_MARK) or any(one.is_of_a_sensor for one in found)


def develop(data: bytes, settings: DetectorSettings, found: Sequence[tiff.Directory] | None = None) -> Developed:
    """Develop a raw file with the camera's white balance; raises `Unreadable`, `UnknownRaw` where it is none.

    `found`: the directories of the file, where they have been read before.

    Where that is enough it is developed at half size, one pixel for each 2x2 block of the sensor, which needs no
    interpolation: 4 MP in 0.1 s instead of 1 s. What LibRaw opens and cannot unpack is taken from its preview, if that
    is `photo_width` pixels long or more, or as long as half of the photograph.
    """
    if data[4:12] == _CR3:
        is_cut_off = boxes.is_cut_off(data)
    else:
        is_cut_off = tiff.is_cut_off(data, tiff.directories(data) if found is None else found)
    if is_cut_off:
        msg = "truncated camera raw"
        raise Unreadable(msg)
    opened: _Size | None = None
    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            opened = _checked_size(raw, settings)
            return _developed(raw, opened, len(data), settings)
    except _CANNOT_UNPACK as error:
        if opened is None:
            msg = "camera raw of an unknown kind, or damaged"
            raise UnknownRaw(msg) from error
        return _preview(data, opened, settings)
    except rawpy.LibRawIOError as error:
        msg = "truncated camera raw"
        raise Unreadable(msg) from error
    except _NO_MEMORY as error:
        raise Undecoded(not_enough(settings.memory)) from error
    except rawpy.LibRawError as error:
        msg = "damaged camera raw"
        raise Unreadable(msg) from error


def _checked_size(raw: rawpy.RawPy, settings: DetectorSettings) -> _Size:
    sizes = raw.sizes
    check_pixels(sizes.raw_width, sizes.raw_height, settings)
    check_pixels(sizes.width, sizes.height, settings)
    if sizes.flip & _EXCHANGED:
        return _Size(sizes.height, sizes.width)
    return _Size(sizes.width, sizes.height)


def _developed(raw: rawpy.RawPy, size: _Size, file: int, settings: DetectorSettings) -> Developed:
    needed, _ = picture_size(*size, settings)
    sensor = raw.sizes.raw_width * raw.sizes.raw_height
    # Whether there is a colour filter array is known when it is unpacked.
    with memory_needed.within(memory_needed.of_raw(sensor, *size, file, half=size.width // 2 >= needed), settings):
        # Files without a colour filter array (linear raw) are always developed in full.
        half = raw.raw_pattern is not None and size.width // 2 >= needed
    # Of one colour there is nothing to halve, pattern or not.
    with memory_needed.within(memory_needed.of_raw(sensor, *size, file, half=half and raw.num_colors > 1), settings):
        image = raw.postprocess(use_camera_wb=True, output_bps=8, half_size=half)
    height, width, channels = image.shape
    # Monochrome sensors have a pattern, and half the size is not done with them.
    times = 2 if half and min(width / size.width, height / size.height) < _HALVED else 1
    if channels == 1:
        image = np.repeat(image, 3, axis=2)
    return Developed(np.ascontiguousarray(image), width * times, height * times)


def _preview(data: bytes, size: _Size, settings: DetectorSettings) -> Developed:
    """Return the preview that the camera embedded. It needs a fresh LibRaw object, before anything is unpacked."""
    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            orientation = _EXIF_ORIENTATION.get(raw.sizes.flip, 1)
            found = raw.extract_thumb()
            if found.format == rawpy.ThumbFormat.JPEG:
                picture: Image.Image = Image.open(io.BytesIO(bytes(found.data)), formats=("JPEG",))
            else:
                picture = Image.fromarray(np.asarray(found.data))
    except rawpy.LibRawError as error:
        raise _not_supported() from error
    with picture:
        check_pixels(*picture.size, settings)
        long = max(picture.size)
        if long < settings.photo_width and 2 * long < max(size):
            raise _not_supported()
        image = upright(picture, orientation).convert("RGB")
    return Developed(np.asarray(image), *image.size)


def _not_supported() -> Unreadable:
    return Unreadable("a kind of camera raw that is not supported, without a preview large enough")
