"""What a file is, told from its first bytes: for the reason why it is unreadable, and where its name says nothing."""

import struct
from typing import NamedTuple

LOOKED_AT = 4096
"""Bytes at the beginning of a file that are enough to tell its kind."""


class Kind(NamedTuple):
    """A kind of file: its name for people, and whether it is a picture at all."""

    name: str
    is_image: bool


_RAW = Kind("camera raw", is_image=True)
_TIFF = Kind("TIFF or camera raw", is_image=True)
_BEGINNINGS = {
    b"\xff\xd8": Kind("JPEG", is_image=True),
    b"\x89PNG": Kind("PNG", is_image=True),
    b"II*\x00": _TIFF,
    b"MM\x00*": _TIFF,
    b"II+\x00": _TIFF,  # with offsets of 64 bits
    b"MM\x00+": _TIFF,
    b"GIF8": Kind("GIF", is_image=True),
    b"\x00\x00\x00\x0cjP": Kind("JPEG 2000", is_image=True),
    b"\xff\x4f\xff\x51": Kind("JPEG 2000", is_image=True),
    b"\x00\x00\x00\x0cJXL ": Kind("JPEG XL", is_image=True),
    b"\xff\x0a": Kind("JPEG XL", is_image=True),
    b"II\x1a\x00\x00\x00HEAPCCDR": _RAW,  # Canon CRW
    b"FUJIFILMCCD-RAW": _RAW,
    b"IIRO": _RAW,  # Olympus, three kinds
    b"IIRS": _RAW,
    b"MMOR": _RAW,
    b"IIU\x00": _RAW,  # Panasonic
    b"\x00MRM": _RAW,  # Minolta
    b"FOVb": _RAW,  # Sigma
    b"8BPS": Kind("Photoshop document", is_image=False),
    b"%PDF": Kind("PDF", is_image=False),
    b"PK\x03\x04": Kind("ZIP archive", is_image=False),
    b"\x1a\x45\xdf\xa3": Kind("video", is_image=False),
}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"}
_HEIF_COMPATIBLE = {b"heic", b"mif1", b"avif"}  # which a file of a newer brand names beside its own
_CANON_CR3 = b"crx "
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}  # bytes; `BM` alone begins many a text
_TEXT = bytes({*range(0x20, 0x7F), *range(0x80, 0x100), *b"\t\n\f\r"})
_TEXT_LOOKED_AT = 1000  # bytes; that many without a control character are text


def kind_of(data: bytes) -> Kind:
    """Return the kind of file that these bytes are the beginning of; `LOOKED_AT` bytes are enough."""
    for beginning, kind in _BEGINNINGS.items():
        if data.startswith(beginning):
            return kind
    if data.startswith(b"RIFF"):
        return Kind("WebP", is_image=True) if data[8:12] == b"WEBP" else Kind("video or sound", is_image=False)
    if data[4:8] == b"ftyp":
        return _of_boxes(data)
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return Kind("BMP", is_image=True)
    if not data[:_TEXT_LOOKED_AT].translate(None, delete=_TEXT):
        return Kind("text" if data else "empty file", is_image=False)
    return Kind("unknown kind of file", is_image=False)


def _of_boxes(data: bytes) -> Kind:
    """Return the kind of a file of ISO's base format: its first box names a brand, and those that it is like."""
    (size,) = struct.unpack(">I", data[:4])
    brand, like = data[8:12], {data[at : at + 4] for at in range(16, min(size, len(data)) - 3, 4)}
    if brand == _CANON_CR3:
        return _RAW
    if brand in _HEIF_BRANDS or like & _HEIF_COMPATIBLE:
        return Kind("HEIC or AVIF", is_image=True)
    return Kind("video", is_image=False)
