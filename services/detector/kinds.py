"""What a file is, told from its first bytes, for the reason why it is unreadable."""

from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of file: its name for people, and whether it is a picture that can be decoded."""

    name: str
    is_image: bool


_BEGINNINGS = {
    b"\xff\xd8": Kind("JPEG", is_image=True),
    b"\xff\x0a": Kind("JPEG XL", is_image=True),
    b"\x00\x00\x00\x0cJXL ": Kind("JPEG XL", is_image=True),
    b"\x89PNG": Kind("PNG", is_image=True),
    b"II*\x00": Kind("TIFF or camera raw", is_image=True),
    b"MM\x00*": Kind("TIFF or camera raw", is_image=True),
    b"II+\x00": Kind("TIFF", is_image=True),
    b"MM\x00+": Kind("TIFF", is_image=True),
    b"BM": Kind("BMP", is_image=True),
    b"GIF8": Kind("GIF", is_image=True),
    b"\x00\x00\x00\x0cjP": Kind("JPEG 2000", is_image=True),
    b"\xff\x4f\xff\x51": Kind("JPEG 2000", is_image=True),
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
_COMMON_BRANDS = (b"mif1", b"msf1", b"mif2")  # those of both; the compatible ones behind say which
_BRAND, _COMPATIBLE = slice(8, 12), slice(16, 64)  # bytes
_TEXT = bytes({*range(0x20, 0x7F), *range(0x80, 0x100), *b"\t\n\f\r"})
_LOOKED_AT = 1000  # bytes; that many without a control character are text


def kind_of(data: bytes) -> Kind:
    """Return the kind of file that these bytes are the beginning of."""
    for beginning, kind in _BEGINNINGS.items():
        if data.startswith(beginning):
            return kind
    if data.startswith(b"RIFF"):
        return Kind("WebP", is_image=True) if data[8:12] == b"WEBP" else Kind("video or sound", is_image=False)
    if data[4:8] == b"ftyp":
        return _of_brands(data)
    if not data[:_LOOKED_AT].translate(None, delete=_TEXT):
        return Kind("text", is_image=False)
    return Kind("unknown kind of file", is_image=False)


def _of_brands(data: bytes) -> Kind:
    brand = data[_BRAND]
    if brand in _BRANDS:
        return Kind(_BRANDS[brand], is_image=True)
    if brand in _COMMON_BRANDS:
        compatible = data[_COMPATIBLE]
        others = (compatible[at : at + 4] for at in range(0, len(compatible), 4))
        return Kind(next((_BRANDS[one] for one in others if one in _BRANDS), "HEIC"), is_image=True)
    return Kind("video", is_image=False)
