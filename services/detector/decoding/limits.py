"""Limits for the size of a photograph, checked before its pixels are read or memory for them is allocated."""

from services.detector.settings import DetectorSettings
from shared.errors import Unreadable


class OverLimit(Unreadable):
    """A photograph is larger than the settings allow; with others it may be read."""


_BYTES_OF_PIXEL = 8  # four channels of 16 bits, or two floats; what is decoded to more needs more memory than planned
_SMALL = 10  # megapixels, below which a decimal matters


def check_bytes(size: int, settings: DetectorSettings) -> None:
    """Raise `OverLimit` where a file of `size` bytes is too large."""
    if size > settings.max_bytes:
        msg = f"{size:,} bytes, at most {settings.max_bytes:,} allowed"
        raise OverLimit(msg)


def check_pixels(width: int, height: int, settings: DetectorSettings) -> None:
    """Raise `OverLimit` where a picture of so many pixels is too large."""
    megapixels = width * height / 1e6
    if megapixels > settings.max_megapixels:
        msg = f"{_shown(megapixels)} megapixels, at most {settings.max_megapixels:g} allowed"
        raise OverLimit(msg)


def check_values(width: int, height: int, bytes_of_pixel: int, settings: DetectorSettings) -> None:
    """Raise `OverLimit` where the values of a picture, as they are in memory, are too large for its limit of pixels."""
    size, most = width * height * bytes_of_pixel / 1e6, settings.max_megapixels * _BYTES_OF_PIXEL
    if size > most:
        megapixels = _shown(width * height / 1e6)
        msg = f"{megapixels} megapixels of {bytes_of_pixel} bytes, {_shown(size)} MB, at most {_shown(most)} MB allowed"
        raise OverLimit(msg)


def _shown(millions: float) -> str:
    return f"{millions:.2g}" if millions < _SMALL else f"{millions:,.0f}"
