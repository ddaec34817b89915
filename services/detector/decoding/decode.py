"""Decode photographs of all kinds that cameras, phones and the web write: bytes in, an upright picture out."""

import io
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from services.detector.decoding import boxes, jpeg, jpeg_xl, memory_needed, png, tiff, webp
from services.detector.decoding import tiff_pixels as samples
from services.detector.decoding.limits import OverLimit, check_bytes, check_pixels
from services.detector.decoding.orientation import exchanges_sides, orientation_of
from services.detector.decoding.parts import Loaded, Pixels, Stored, reduced
from services.detector.decoding.raw import UnknownRaw, develop, is_raw
from services.detector.scale import detection_size
from services.detector.settings import DetectorSettings
from shared.errors import FacestreamError, Undecoded, Unreadable
from shared.photos.file_kinds import kind_of

Image.init()  # Pillow loads its decoders only when asked for a file that the commonest five do not know
pillow_heif.register_heif_opener()
# Pillow's own limit warns or raises at sizes of its choice; `max_megapixels` is checked right after the header.
Image.MAX_IMAGE_PIXELS = None

# What cameras, phones and the web use. Pillow knows more, some of which starts other programs (EPS).
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "HEIF", "AVIF", "JPEG2000")
_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_IN_BOXES = ("HEIC", "AVIF", "JPEG XL")  # JPEG 2000 as well, but its decoder reports missing bytes itself
_RIFF_HEADER = 8  # bytes, which its size does not count


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A photograph, upright.

    `image`: (h, w, 3) uint8 BGR, reduced where that is cheap, never below the size that detection works at.
    `width` and `height`: pixels of the upright original. `partial`: its last rows, or its finest detail, are missing.
    """

    image: NDArray[np.uint8]
    width: int
    height: int
    partial: bool = False


def decode(data: bytes, settings: DetectorSettings) -> Decoded:
    """Decode a photograph of any supported kind, whatever its name; raises `Unreadable` with a reason.

    JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC, AVIF, JPEG 2000, JPEG XL and camera raw; grey, palette, CMYK, 16 bits.
    Transparent parts become white; of an animation the first frame counts. The limits hold before any pixel is
    decoded. Of a JPEG whose end is missing, at least `decoding.jpeg.ENOUGH` of the rows must be there. Raises
    `Undecoded` where memory is short, and `OverLimit`.
    """
    if not data:
        msg = "empty file"
        raise Unreadable(msg)
    check_bytes(len(data), settings)
    try:
        with warnings.catch_warnings(), memory_needed.lacking(settings):
            warnings.simplefilter("ignore")  # about oddities of the metadata, which do not concern the pixels
            return _decoded(data, settings)
    except FacestreamError:
        raise
    except UnidentifiedImageError as error:
        kind = kind_of(data)
        state = _state(data, error) if kind.is_image else "not an image:"
        msg = f"{state} {kind.name}"
        raise Unreadable(msg) from error
    except Exception as error:
        # Decoders raise anything on hostile bytes: OSError, ValueError, struct.error, IndexError, SyntaxError...
        msg = f"{_state(data, error)} {kind_of(data).name}"
        raise Unreadable(msg) from error


def _state(data: bytes, error: Exception) -> str:
    if data.startswith(b"RIFF"):
        is_cut_off = int.from_bytes(data[4:8], "little") + _RIFF_HEADER > len(data)
    elif tiff.is_tiff(data):
        is_cut_off = "truncated" in str(error).lower() or tiff.lacks_its_directory(data)
    elif kind_of(data).name == "JPEG 2000":
        is_cut_off = boxes.is_cut_off(data) if data[4:6] == b"jP" else not data.endswith(b"\xff\xd9")
    else:
        is_cut_off = "truncated" in str(error).lower() or (data.startswith(_JPEG) and jpeg.is_cut_off(data))
    return "truncated" if is_cut_off else "damaged"


def _decoded(data: bytes, settings: DetectorSettings) -> Decoded:
    found = tiff.directories(data)
    if tiff.is_tiff(data):
        return _tiff_or_raw(data, found, settings)
    if is_raw(data, found):
        return _raw(data, found, settings)
    kind = kind_of(data).name
    if kind in _IN_BOXES and data[4:8] in {b"ftyp", b"JXL "} and boxes.is_cut_off(data):
        msg = f"truncated {kind}"
        raise Unreadable(msg)
    if data.startswith(jpeg_xl.MARKS):
        return _finished(jpeg_xl.read(data, settings), settings)
    if data.startswith(_JPEG):
        return _jpeg(data, settings)
    if data.startswith(_PNG):
        return _png(data, settings)
    return _picture(data, settings)


def _raw(data: bytes, found: Sequence[tiff.Directory], settings: DetectorSettings) -> Decoded:
    developed = develop(data, settings, found)
    return _finished(Pixels(developed.image), settings, size=(developed.width, developed.height))


def _tiff_or_raw(data: bytes, found: Sequence[tiff.Directory], settings: DetectorSettings) -> Decoded:
    """Decode what begins like TIFF, as most camera raw does: the likelier kind first, then the other one."""
    certainly_raw = is_raw(data, found)
    picture = tiff.picture_of(found)
    if certainly_raw or tiff.may_be_raw(found, picture):
        try:
            return _raw(data, found, settings)
        except UnknownRaw:
            # A raw file that LibRaw does not know is read from its preview. In any other kind of file, a reduced
            # picture does not stand for the photograph.
            likeness = max(picture.number(tiff.WIDTH), picture.number(tiff.HEIGHT)) if picture else 0
            if picture is None or (likeness < settings.photo_width if certainly_raw else picture.is_reduced):
                raise
            inherited = found[0].number(tiff.ORIENTATION, 1) if tiff.ORIENTATION not in picture.tags else None
            return _tiff(data, picture, settings, inherited if certainly_raw else None)
    if picture is None:
        try:
            return _picture(data, settings)
        except Exception as error:
            if not _is_final(error) and (developed := _raw_or_none(data, found, settings)):
                return developed
            raise
    if tiff.holds_more_than(data, picture):
        developed = _raw_or_none(data, found, settings)
        if developed and developed.width * developed.height > picture.pixels:
            return developed
    return _tiff(data, picture, settings)


def _raw_or_none(data: bytes, found: Sequence[tiff.Directory], settings: DetectorSettings) -> Decoded | None:
    """Decode as camera raw a file that may also be of another kind; None if it is not raw."""
    try:
        return _raw(data, found, settings)
    except (OverLimit, Undecoded):
        raise
    except Unreadable:
        return None


def _tiff(data: bytes, picture: tiff.Directory, settings: DetectorSettings, orientation: int | None = None) -> Decoded:
    """Decode one picture of a TIFF file; with an orientation where its own directory has none."""
    check_pixels(picture.number(tiff.WIDTH), picture.number(tiff.HEIGHT), settings)
    if not samples.is_read_wrongly(picture):
        try:
            return _picture(tiff.beginning_with(data, picture), settings, orientation)
        except Exception as error:
            if _is_final(error):
                raise
            try:
                image = samples.read(data, picture, settings)
            except (OverLimit, Undecoded):
                raise
            except Unreadable as refusal:
                if isinstance(error, UnidentifiedImageError) or not tiff.is_known(picture):
                    raise refusal from error
                msg = f"{_state(data, error)} TIFF"
                raise Unreadable(msg) from error
    else:
        image = samples.read(data, picture, settings)
    return _finished(image, settings, orientation or picture.number(tiff.ORIENTATION, 1))


def _jpeg(data: bytes, settings: DetectorSettings) -> Decoded:
    try:
        return _picture(data, settings)
    except OSError:
        if (found := _completed(data, settings)) is None:
            raise
        return found


def _completed(data: bytes, settings: DetectorSettings) -> Decoded | None:
    """Decode a JPEG whose end is missing; None where that is too much."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as header:
            size, orientation, _ = _prepared(header, data, settings)
        found = jpeg.completed(data, partial(_loaded, settings=settings))
    except OSError:
        return None
    if found is None:
        return None
    image, lacks_some = found
    return _finished(Loaded(image), settings, orientation, size, partial=lacks_some)


def _loaded(data: bytes, settings: DetectorSettings) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=("JPEG",))
    _, _, need = _prepared(image, data, settings)
    with memory_needed.within(need, settings):
        image.load()
    return image


def _png(data: bytes, settings: DetectorSettings) -> Decoded:
    if png.is_damaged(data):
        msg = "damaged PNG"
        raise Unreadable(msg)
    try:
        return _picture(data, settings)
    except Exception as error:
        if _is_final(error):
            raise
        return _picture(png.without_extras(data), settings)


def _picture(data: bytes, settings: DetectorSettings, orientation: int | None = None) -> Decoded:
    if found := webp.header(data):
        check_pixels(found.width, found.height, settings)
        opening: AbstractContextManager[None] = memory_needed.within(
            memory_needed.of_webp(found, len(data), settings), settings
        )  # that takes memory for its pixels already
    else:
        opening = nullcontext()
    with opening, Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        size, orientation, need = _prepared(image, data, settings, orientation)
        with memory_needed.within(need, settings):
            image.load()
            return _finished(Loaded(image), settings, orientation, size)


def _prepared(
    image: Image.Image, data: bytes, settings: DetectorSettings, orientation: int | None = None
) -> tuple[tuple[int, int], int, memory_needed.Need]:
    """Return width and height of the upright original, its orientation, and what it needs to be decoded.

    Let it be decoded no larger than needed. Raises `OverLimit`.
    """
    check_pixels(image.width, image.height, settings)
    orientation = orientation_of(image) if orientation is None else orientation
    turned = exchanges_sides(orientation)
    stored = image.size
    size = (image.height, image.width) if turned else image.size
    needed = detection_size(*size, settings)
    # A JPEG is decoded at a half, a quarter or an eighth of its size without computing the pixels between:
    # 11 MP at a quarter takes 26 ms instead of 110. For other formats this does nothing.
    image.draft(None, needed[::-1] if turned else needed)
    return size, orientation, memory_needed.of_image(image, data, stored, kind_of(data).name, settings)


def _is_final(error: Exception) -> bool:
    """Return whether the error is about limits or memory, so that no other decoder should be tried."""
    return isinstance(error, OverLimit | Undecoded) or memory_needed.lacks_memory(error)


def _finished(
    picture: Stored,
    settings: DetectorSettings,
    orientation: int = 1,
    size: tuple[int, int] | None = None,
    *,
    partial: bool = False,
) -> Decoded:
    """Return a picture upright; `size`: width and height of the original where it was decoded smaller."""
    if size is None:
        size = picture.size[::-1] if exchanges_sides(orientation) else picture.size
    return Decoded(reduced(picture, orientation, detection_size(*size, settings)), *size, partial)
