"""The kind of a file, from its first bytes. It explains why a file is unreadable, and decides on unclear names."""

from typing import NamedTuple

HEAD_SIZE = 4096
"""Number of bytes at the beginning of a file from which its kind is found."""


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
_OF_BOTH = {b"mif1", b"msf1", b"mif2"}  # HEIC or AVIF: the compatible brands decide
_OF_PICTURES = {b"heic", b"avif", b"mif1"}  # newer brands name one of these as compatible
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}  # bytes; `BM` alone is the beginning of many texts
_TEXT = bytes({*range(0x20, 0x7F), *range(0x80, 0x100), *b"\t\n\f\r"})
_TEXT_HEAD = 1000  # bytes; if so many have no control character, the file is text


def kind_of(data: bytes) -> Kind:
    """Return the kind of a file that begins with these bytes; `HEAD_SIZE` bytes are enough."""
    for beginning, kind in _BEGINNINGS.items():
        if data.startswith(beginning):
            return kind
    if data.startswith(b"RIFF"):
        return Kind("WebP", is_image=True) if data[8:12] == b"WEBP" else Kind("video or sound", is_image=False)
    if data[4:8] == b"ftyp":
        return _of_boxes(data)
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return Kind("BMP", is_image=True)
    if not data[:_TEXT_HEAD].translate(None, delete=_TEXT):
        return Kind("text" if data else "empty file", is_image=False)
    return Kind("unknown kind of file", is_image=False)


def _of_boxes(data: bytes) -> Kind:
    """Return the kind of a file in ISO's base media format. Its first box has a brand, and the compatible brands."""
    brand, size = data[8:12], int.from_bytes(data[:4])
    compatible = [data[at : at + 4] for at in range(16, min(size, len(data)) - 3, 4)]
    if brand in _BRANDS:
        return Kind(_BRANDS[brand], is_image=True)
    if brand in _OF_BOTH or _OF_PICTURES.intersection(compatible):
        return Kind(next((_BRANDS[one] for one in compatible if one in _BRANDS), "HEIC"), is_image=True)
    return Kind("video", is_image=False)
