"""Photographs in all the forms that cameras, phones and the web give them: bytes in, an upright picture out."""

import io
import warnings
from dataclasses import dataclass

import cv2
import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from services.detector.kinds import kind_of
from services.detector.limits import check_bytes, check_pixels
from services.detector.raw import develop, is_raw
from services.detector.scale import detection_size
from services.detector.settings import DetectorSettings
from shared.errors import FacestreamError, Unreadable

Image.init()  # Pillow loads its decoders only when asked for a file that the commonest five do not know
pillow_heif.register_heif_opener()
# Pillow's own limit warns or raises at sizes of its choice; `max_megapixels` is checked right after the header.
Image.MAX_IMAGE_PIXELS = None

# What cameras, phones and the web use. Pillow knows more, some of which starts other programs (EPS).
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "HEIF", "AVIF", "JPEG2000")
_ORIENTATION = 0x0112  # the EXIF tag; its values 2 to 8 ask for:
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNED = (5, 6, 7, 8)  # those that exchange width and height


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A photograph, upright.

    `image`: (h, w, 3) uint8 BGR, reduced where that is cheap, never below the size that detection works at.
    `width` and `height`: pixels of the upright original.
    """

    image: NDArray[np.uint8]
    width: int
    height: int


def decode(data: bytes, settings: DetectorSettings) -> Decoded:
    """Decode a photograph of any supported kind, whatever its name; raises `Unreadable` with a reason.

    JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC, AVIF, JPEG 2000 and camera raw; grey, palette, CMYK, 16 bits. Transparent
    parts become white; of an animation the first frame counts. The limits hold before any pixel is decoded.
    """
    if not data:
        msg = "empty file"
        raise Unreadable(msg)
    check_bytes(len(data), settings)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about oddities of the metadata, which do not concern the pixels
            return _raw(data, settings) if is_raw(data) else _picture(data, settings)
    except FacestreamError:
        raise
    except UnidentifiedImageError as error:
        kind = kind_of(data)
        raise Unreadable(f"damaged {kind.name}" if kind.is_image else f"not an image: {kind.name}") from error
    except MemoryError as error:
        msg = "not enough memory to decode it"
        raise Unreadable(msg) from error
    except Exception as error:
        # Decoders raise anything on hostile bytes: OSError, ValueError, struct.error, IndexError, SyntaxError...
        state = "truncated" if "truncated" in str(error).lower() else "damaged"
        msg = f"{state} {kind_of(data).name}"
        raise Unreadable(msg) from error


def _raw(data: bytes, settings: DetectorSettings) -> Decoded:
    developed = develop(data, settings)
    image = Image.fromarray(developed.image)
    return _finished(image, developed.width, developed.height, settings)


def _picture(data: bytes, settings: DetectorSettings) -> Decoded:
    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        check_pixels(image.width, image.height, settings)
        orientation = _orientation(image)
        turned = orientation in _TURNED
        width, height = (image.height, image.width) if turned else image.size
        needed = detection_size(width, height, settings)
        # A JPEG is decoded at a half, a quarter or an eighth of its size without computing the pixels between:
        # 11 MP at a quarter takes 26 ms instead of 110. For other formats this does nothing.
        image.draft(None, needed[::-1] if turned else needed)
        image.load()
        upright = image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image
        return _finished(_eight_bits(upright), width, height, settings)


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation that is still to be applied, 1 where there is none or it cannot be read."""
    if image.format == "TIFF":
        return 1  # Pillow turns these while loading
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001  damaged metadata raises anything, and the pixels may be fine
        return 1


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return an image of any mode as RGB or RGBA."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in {"I", "F"}:
        # 32 bits have no agreed white: stretch what is there.
        values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0, neginf=0)
        span = values.max() - values.min()
        image = Image.fromarray(((values - values.min()) * (255 / span if span else 0)).astype(np.uint8))
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _finished(image: Image.Image, width: int, height: int, settings: DetectorSettings) -> Decoded:
    needed_width, needed_height = detection_size(width, height, settings)
    factor = min(image.width // needed_width, image.height // needed_height)
    if factor > 1:
        image = image.reduce(factor)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    pixels: NDArray[np.uint8] = np.asarray(image)
    return Decoded(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR).astype(np.uint8, copy=False), width, height)
