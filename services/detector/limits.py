"""How large a photograph may be; checked before anything of its size is read or allocated."""

from services.detector.settings import DetectorSettings
from shared.errors import Unreadable


class OverLimit(Unreadable):
    """A photograph is larger than the settings allow; with others it may be read."""


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
        shown = f"{megapixels:.2g}" if megapixels < _SMALL else f"{megapixels:,.0f}"
        msg = f"{shown} megapixels, at most {settings.max_megapixels:g} allowed"
        raise OverLimit(msg)
