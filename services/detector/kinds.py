"""What a file is, told from its first bytes, for the reason why it is unreadable."""

from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of file: its name for people, and whether it is a picture at all."""

    name: str
    is_image: bool


_BEGINNINGS = {
    b"\xff\xd8": Kind("JPEG", is_image=True),
    b"\x89PNG": Kind("PNG", is_image=True),
    b"II*\x00": Kind("TIFF or camera raw", is_image=True),
    b"MM\x00*": Kind("TIFF or camera raw", is_image=True),
    b"BM": Kind("BMP", is_image=True),
    b"GIF8": Kind("GIF", is_image=True),
    b"\x00\x00\x00\x0cjP": Kind("JPEG 2000", is_image=True),
    b"\xff\x4f\xff\x51": Kind("JPEG 2000", is_image=True),
    b"8BPS": Kind("Photoshop document", is_image=False),
    b"%PDF": Kind("PDF", is_image=False),
    b"PK\x03\x04": Kind("ZIP archive", is_image=False),
    b"\x1a\x45\xdf\xa3": Kind("video", is_image=False),
}
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis")
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
        return Kind("HEIC or AVIF", is_image=True) if data[8:12] in _HEIF_BRANDS else Kind("video", is_image=False)
    if not data[:_LOOKED_AT].translate(None, delete=_TEXT):
        return Kind("text", is_image=False)
    return Kind("unknown kind of file", is_image=False)
