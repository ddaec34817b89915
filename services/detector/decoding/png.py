"""PNG files: check their checksums, and drop chunks that the picture does not need."""

import struct
import zlib
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT = (b"tRNS", b"eXIf")  # of the chunks that a decoder may pass over: transparency and orientation
_LENGTH, _TYPE, _CHECKSUM = 4, 4, 4  # bytes
_MOST = 250_000  # chunks: 256 MB in chunks of 1 KB; most programs write 8 KB or more
_MAY_BE_PASSED_OVER = 0x20  # the bit in the first letter of the type


def is_damaged(data: bytes) -> bool:
    """Return whether a chunk that the picture needs has a wrong checksum, which Pillow does not check."""
    for kind, start, end in _chunks(data):
        if _is_needed(kind):
            checked = memoryview(data)[start + _LENGTH : end - _CHECKSUM]
            if zlib.crc32(checked) != int.from_bytes(data[end - _CHECKSUM : end], "big"):
                return True
    return False


def without_extras(data: bytes) -> bytes:
    """Return a PNG without texts, profiles and the like, which may be larger than the decoder's limits, or damaged."""
    return _SIGNATURE + b"".join(
        data[start:end] for kind, start, end in _chunks(data) if _is_needed(kind) or kind in _KEPT
    )


def _is_needed(kind: bytes) -> bool:
    return not kind[0] & _MAY_BE_PASSED_OVER


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield type, start and end of each complete chunk. Raises `ValueError` if there are too many."""
    start = len(_SIGNATURE)
    count = 0
    while start + _LENGTH + _TYPE + _CHECKSUM <= len(data):
        count += 1
        if count > _MOST:
            msg = f"more than {_MOST:,} chunks"
            raise ValueError(msg)
        size, kind = struct.unpack_from(">I4s", data, start)
        end = start + _LENGTH + _TYPE + size + _CHECKSUM
        if end > len(data):
            return
        yield kind, start, end
        start = end
