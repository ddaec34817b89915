"""The size of a WebP picture, from its first bytes: the library allocates memory for it when it opens the file."""

import struct
from typing import NamedTuple

_NAME, _CONTENT = 12, 20  # where the first chunk's name and content are, in bytes
_NEEDED = 10  # bytes of the content
_ALPHA, _ALPHA_LOSSLESS = 0x10, 1 << 28  # the bits for transparency
_SIDE = 0x3FFF  # the bits of a side, less one in a lossless picture


class Header(NamedTuple):
    """Width and height in pixels, and whether there may be transparency."""

    width: int
    height: int
    alpha: bool


def header(data: bytes) -> Header | None:
    """Return the header of a WebP file; None if these bytes are not one, or end within it."""
    if not (data.startswith(b"RIFF") and data[8:12] == b"WEBP"):
        return None
    content = data[_CONTENT : _CONTENT + _NEEDED]
    try:
        match data[_NAME : _NAME + 4]:
            case b"VP8X":
                width, height = (1 + int.from_bytes(side, "little") for side in (content[4:7], content[7:10]))
                return Header(width, height, alpha=bool(content[0] & _ALPHA))
            case b"VP8L":
                (bits,) = struct.unpack_from("<L", content, 1)
                return Header(1 + (bits & _SIDE), 1 + (bits >> 14 & _SIDE), alpha=bool(bits & _ALPHA_LOSSLESS))
            case b"VP8 ":
                width, height = struct.unpack_from("<HH", content, 6)
                return Header(width & _SIDE, height & _SIDE, alpha=False)
    except (IndexError, struct.error):
        pass
    return None
