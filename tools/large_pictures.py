"""Pictures of any size in every format that the detector decodes: steps of colour, which are fast to make."""

import io
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
import pillow_heif
import pylibjxl
from numpy.typing import DTypeLike
from PIL import Image

from tools.fuzz.tiffs import SHORT, dng, monochrome_dng, page, tiff

pillow_heif.register_heif_opener()  # it also encodes HEIF

Made = Callable[[int, int], bytes]
"""Takes width and height in pixels, and returns an encoded picture."""


def size_of(megapixels: float) -> tuple[int, int]:
    """Return width and height of a picture of 4:3; both are multiples of 64."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5 / 192) * 192
    return height * 4 // 3, height


def _image(width: int, height: int, mode: str) -> Image.Image:
    bands = {"RGB": 3, "RGBA": 4, "CMYK": 4, "LA": 2}.get(mode, 1)
    across, down = np.arange(width) // 64, np.arange(height) // 64
    pixels = np.empty((height, width, bands), np.uint8)
    for band in range(bands):
        np.add(across % (251 - band), down[:, None] % 241, out=pixels[:, :, band], casting="unsafe")
    return Image.frombuffer(mode, (width, height), pixels.tobytes(), "raw", mode, 0, 1)


def _encoded(kind: str, mode: str = "RGB", **options: Any) -> Made:
    def made(width: int, height: int) -> bytes:
        file = io.BytesIO()
        _image(width, height, mode).save(file, kind, **options)
        return file.getvalue()

    return made


def _ramp(width: int, height: int, kind: DTypeLike, samples: int = 1) -> np.ndarray[Any, Any]:
    row = np.linspace(0, 60_000, width).astype(kind)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (height, width, samples)))


def _tiff(kind: str, samples: int = 1, *, planes: bool = False) -> Made:
    """Return a function that makes TIFF files with samples of this dtype."""
    numbers = np.dtype(kind)

    def made(width: int, height: int) -> bytes:
        parts = [_ramp(width, height, numbers).tobytes()] * samples if planes else []
        parts = parts or [_ramp(width, height, numbers, samples).tobytes()]
        more = {339: (SHORT, [3 if numbers.kind == "f" else 1] * samples), 284: (SHORT, [2 if planes else 1])}
        photometric = 2 if samples > 1 else 1
        bits = numbers.itemsize * 8
        return tiff(page(parts, width, height, bits=bits, samples=samples, photometric=photometric, more=more))

    return made


def _of_numbers(kind: str, numbers: str, **options: Any) -> Made:
    def made(width: int, height: int) -> bytes:
        file = io.BytesIO()
        Image.fromarray(_ramp(width, height, numbers)[:, :, 0]).save(file, kind, **options)
        return file.getvalue()

    return made


def _png_of_16_bits(width: int, height: int) -> bytes:
    return cv2.imencode(".png", _ramp(width, height, "<u2", 3), [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def _jpeg_xl(mode: str = "RGB", **options: Any) -> Made:
    return lambda width, height: pylibjxl.encode(np.asarray(_image(width, height, mode)), effort=1, **options)


_DEFLATE: dict[str, Any] = {"compression": "tiff_adobe_deflate"}
_LOSSLESS: dict[str, Any] = {"lossless": True, "method": 0, "quality": 0}
_RATES: dict[str, Any] = {"quality_mode": "rates", "quality_layers": [40]}

KINDS: Mapping[str, Made] = {
    "JPEG": _encoded("JPEG"),
    "JPEG CMYK": _encoded("JPEG", "CMYK"),
    "JPEG progressive": _encoded("JPEG", progressive=True),
    "JPEG progressive 4:4:4": _encoded("JPEG", progressive=True, subsampling=0),
    "MPO": _encoded("MPO", save_all=True, append_images=[_image(64, 64, "RGB")]),
    "PNG": _encoded("PNG", compress_level=1),
    "PNG RGBA": _encoded("PNG", "RGBA", compress_level=1),
    "PNG LA": _encoded("PNG", "LA", compress_level=1),
    "PNG palette": _encoded("PNG", "P", compress_level=1),
    "PNG grey 16 bits": _of_numbers("PNG", "<u2", compress_level=1),
    "PNG 16 bits": _png_of_16_bits,
    "BMP": _encoded("BMP"),
    "GIF": _encoded("GIF", "P"),
    "TIFF": _encoded("TIFF"),
    "TIFF one strip": _encoded("TIFF", strip_size=1 << 40, **_DEFLATE),
    "TIFF turned": _encoded("TIFF", tiffinfo={274: 6}, **_DEFLATE),
    "TIFF JPEG": _encoded("TIFF", compression="jpeg"),
    "TIFF CMYK": _encoded("TIFF", "CMYK"),
    "TIFF grey 16 bits": _tiff("<u2"),
    "TIFF F": _tiff("<f4"),
    "TIFF I": _of_numbers("TIFF", "<i4"),
    "TIFF I deflate": _of_numbers("TIFF", "<i4", **_DEFLATE),
    "TIFF 16 bits, planes": _tiff("<u2", 3, planes=True),
    "TIFF floats": _tiff("<f4", 3),
    "WebP": _encoded("WEBP", method=0),
    "WebP lossless": _encoded("WEBP", **_LOSSLESS),
    "WebP lossless, alpha": _encoded("WEBP", "RGBA", **_LOSSLESS),
    "AVIF": _encoded("AVIF", speed=10),
    "AVIF 4:4:4": _encoded("AVIF", speed=10, subsampling="4:4:4"),
    "AVIF alpha": _encoded("AVIF", "RGBA", speed=10),
    "HEIC": _encoded("HEIF", quality=30),
    "HEIC alpha": _encoded("HEIF", "RGBA", quality=30),
    "JPEG 2000": _encoded("JPEG2000", **_RATES),
    "JPEG 2000 RGBA": _encoded("JPEG2000", "RGBA", **_RATES),
    "JPEG 2000 grey": _encoded("JPEG2000", "L", **_RATES),
    "JPEG 2000 tiles": _encoded("JPEG2000", tile_size=(1024, 1024), **_RATES),
    "JPEG XL": _jpeg_xl(),
    "JPEG XL lossless": _jpeg_xl(lossless=True),
    "JPEG XL alpha": _jpeg_xl("RGBA"),
    "DNG": dng,
    "DNG monochrome": monochrome_dng,
}
"""The function that makes a file, by the name of the format."""
