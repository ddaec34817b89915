"""What a file is, told from its first bytes: for the reason why it is unreadable, and where its name says nothing."""

from typing import NamedTuple

LOOKED_AT = 4096
"""Bytes at the beginning of a file that are enough to tell its kind."""


class Kind(NamedTuple):
    """A kind of file: its name for people, and whether it is a picture that can be decoded."""

    name: str
    is_image: bool


_RAW = Kind("camera raw", is_image=True)
_BEGINNINGS = {
    b"\xff\xd8": Kind("JPEG", is_image=True),
    b"\xff\x0a": Kind("JPEG XL", is_image=True),
    b"\x00\x00\x00\x0cJXL ": Kind("JPEG XL", is_image=True),
    b"\x89PNG": Kind("PNG", is_image=True),
    b"II*\x00": Kind("TIFF or camera raw", is_image=True),
    b"MM\x00*": Kind("TIFF or camera raw", is_image=True),
    b"II+\x00": Kind("TIFF", is_image=True),  # with offsets of 64 bits
    b"MM\x00+": Kind("TIFF", is_image=True),
    b"GIF8": Kind("GIF", is_image=True),
    b"\x00\x00\x00\x0cjP": Kind("JPEG 2000", is_image=True),
    b"\xff\x4f\xff\x51": Kind("JPEG 2000", is_image=True),
    b"II\x1a\x00\x00\x00HEAPCCDR": _RAW,  # Canon CRW
    b"FUJIFILMCCD-RAW": _RAW,
    b"IIRO": _RAW,  # Olympus, three kinds
    b"IIRS": _RAW,
    b"MMOR": _RAW,
    b"IIU\x00": _RAW,  # Panasonic
    b"\x00MRM": _RAW,  # Minolta
    b"FOVb": _RAW,  # Sigma
    b"II\xbc\x01": Kind("JPEG XR", is_image=False),
    b"8BPS": Kind("Photoshop document", is_image=False),
    b"gimp xcf": Kind("GIMP document", is_image=False),
    b"\x76\x2f\x31\x01": Kind("OpenEXR", is_image=False),
    b"#?RADIANCE": Kind("Radiance HDR", is_image=False),
    b"\x00\x00\x01\x00": Kind("icon", is_image=False),
    b"%PDF": Kind("PDF", is_image=False),
    b"PK\x03\x04": Kind("ZIP archive", is_image=False),
    b"\x1a\x45\xdf\xa3": Kind("video", is_image=False),
    b"ID3": Kind("sound", is_image=False),
}
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    b"crx ": "camera raw",
}
_OF_BOTH = {b"mif1", b"msf1", b"mif2"}  # HEIC or AVIF: what else the file is like says which
_LIKE_A_PICTURE = {b"heic", b"avif", b"mif1"}  # one of these is named beside any brand that is younger
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
    brand, size = data[8:12], int.from_bytes(data[:4])
    like = [data[at : at + 4] for at in range(16, min(size, len(data)) - 3, 4)]
    if brand in _BRANDS:
        return Kind(_BRANDS[brand], is_image=True)
    if brand in _OF_BOTH or _LIKE_A_PICTURE.intersection(like):
        return Kind(next((_BRANDS[one] for one in like if one in _BRANDS), "HEIC"), is_image=True)
    return Kind("video", is_image=False)
