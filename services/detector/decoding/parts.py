"""A decoded picture, converted part by part: upright, 8 bits, on white, reduced to the size that detection needs.

No second buffer of the size of the whole picture is allocated: a part has a quarter of a million pixels.
"""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from services.detector.decoding.orientation import Box, exchanges_sides, stored_box, upright

PART = 1 << 18
"""Approximate number of pixels in a part."""
_WITH_CHANNELS = 3  # dimensions
_STRETCHED = ("I", "F")  # modes of 32 bits, which have no agreed white


class Stored(Protocol):
    """A picture in the form that a decoder returned: `size` (width, height), and its parts as RGB or RGBA."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, in pixels."""
        ...

    def part(self, box: Box) -> Image.Image:
        """Return the pixels within left, top, right and bottom."""
        ...


class Loaded:
    """A picture that Pillow has loaded, in whatever mode."""

    def __init__(self, image: Image.Image) -> None:
        self._image = image
        # The alpha of a program that did not fill it in; all others show such a picture opaque.
        self._opaque = image.format == "BMP" and image.mode == "RGBA" and not self._has_alpha()
        self._range: tuple[float, float] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self._image.size

    def part(self, box: Box) -> Image.Image:
        """Return the pixels within left, top, right and bottom; a copy."""
        image = self._image.crop(box)
        if image.mode.startswith("I;16"):
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        elif image.mode in _STRETCHED:
            if self._range is None:
                self._range = extremes(np.asarray(self._image.crop(one)) for one in boxes(*self.size))
            image = Image.fromarray(to_8_bits(np.asarray(image), *self._range))
        return image.convert("RGBA" if image.has_transparency_data and not self._opaque else "RGB")

    def _has_alpha(self) -> bool:
        return any(self._image.crop(box).getchannel("A").getextrema() != (0, 0) for box in boxes(*self.size))


class Pixels:
    """A picture that a decoder gave: uint8 (h, w, channels), or (h, w) where it is grey; 2 or 4 channels have alpha."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._pixels = pixels

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self._pixels.shape[1], self._pixels.shape[0]

    def part(self, box: Box) -> Image.Image:
        """Return the pixels within left, top, right and bottom; a copy."""
        left, top, right, bottom = box
        pixels = self._pixels[top:bottom, left:right]
        if pixels.ndim == _WITH_CHANNELS and pixels.shape[2] == 1:
            pixels = pixels[:, :, 0]
        image = Image.fromarray(np.ascontiguousarray(pixels))
        return image.convert("RGBA" if image.has_transparency_data else "RGB")


def reduced(stored: Stored, orientation: int, needed: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a picture upright and on white, (h, w, 3) uint8 BGR, at a whole fraction of its size.

    It is the smallest one that is no smaller than the `needed` width and height, in pixels of the upright picture.
    """
    width, height = stored.size[::-1] if exchanges_sides(orientation) else stored.size
    factor = reduction(width, height, needed)
    pixels = np.empty((-(-height // factor), -(-width // factor), 3), np.uint8)
    for left, top, right, bottom in boxes(width, height, factor):
        box = stored_box((left, top, right, bottom), orientation, *stored.size)
        image = upright(stored.part(box), orientation)
        if factor > 1:
            image = image.reduce(factor)
        if image.mode == "RGBA":
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
        down, across = top // factor, left // factor
        pixels[down : down + image.height, across : across + image.width] = np.asarray(image)[:, :, ::-1]
    return pixels


def reduction(width: int, height: int, needed: tuple[int, int]) -> int:
    """Return the whole number by which to divide the size of a picture so that it is still at least `needed`."""
    return max(1, min(width // needed[0], height // needed[1]))


def boxes(width: int, height: int, step: int = 1, pixels: int = PART) -> Iterator[Box]:
    """Yield left, top, right and bottom of parts that cover a picture, whole rows where these are short enough.

    They begin at multiples of `step`, and have at most `pixels` pixels if that is enough for one step.
    """
    across = min(width, max(step, pixels // step // step * step))
    down = max(1, pixels // across // step) * step
    for top in range(0, height, down):
        for left in range(0, width, across):
            yield left, top, min(left + across, width), min(top + down, height)


def extremes(parts: Iterator[NDArray[Any]]) -> tuple[float, float]:
    """Return the smallest and the largest number in these arrays. NaN and infinity count as 0."""
    low, high = np.inf, -np.inf
    for values in parts:
        found = _finite(values)
        low, high = min(low, float(found.min())), max(high, float(found.max()))
    return low, high


def to_8_bits(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Return numbers of any type scaled from [low, high] to 0..255, same shape. For small arrays: it uses float64."""
    factor = 255 / (high - low) if high > low else 0
    return np.clip((_finite(values) - low) * factor, 0, 255).astype(np.uint8)


def alpha_to_8_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return transparency, from 0 to the largest number of its type (1 for floats), as 8 bits of the same shape."""
    return to_8_bits(values, 0.0, 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max))


def _finite(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
