"""TIFF files, and camera raw files based on TIFF, written tag by tag with known pixels."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL = 1, 2, 3, 4, 5, 7, 10
_CODES = {BYTE: "B", ASCII: "B", SHORT: "H", LONG: "L", RATIONAL: "L", UNDEFINED: "B", SRATIONAL: "l"}
_PAIRS = (RATIONAL, SRATIONAL)

Tags = Mapping[int, tuple[int, Sequence[int] | bytes]]
"""Type and values of each tag, by its number. A rational number is two values."""


@dataclass(frozen=True)
class Page:
    """A directory of a TIFF file. `parts`: its strips or tiles as stored."""

    tags: Tags
    parts: Sequence[bytes]
    tiled: bool = False
    children: Sequence["Page"] = field(default=())


def tiff(*pages: Page, order: str = "<", behind_mark: bytes = b"") -> bytes:
    """Return a file of these pages. `behind_mark`: bytes at offset 8."""
    body = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4) + behind_mark)
    link = 4
    for page in pages:
        offset, next_link = _write(body, page, order)
        struct.pack_into(f"{order}L", body, link, offset)
        link = next_link
    return bytes(body)


def _write(body: bytearray, page: Page, order: str) -> tuple[int, int]:
    """Append a page; return its offset, and the offset of the field that links to the next page."""
    children = [_write(body, child, order)[0] for child in page.children]
    offsets = []
    for part in page.parts:
        offsets.append(len(body))
        body += part + bytes(len(part) % 2)
    tags = dict(page.tags)
    starts, sizes = (324, 325) if page.tiled else (273, 279)
    tags[starts], tags[sizes] = (LONG, offsets), (LONG, [len(part) for part in page.parts])
    if children:
        tags[330] = (LONG, children)
    start = len(body)
    entries = bytearray(struct.pack(f"{order}H", len(tags)))
    behind = start + 2 + 12 * len(tags) + 4
    extra = bytearray()
    for tag, (kind, values) in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(values)}{_CODES[kind]}", *values)
        count = len(values) // 2 if kind in _PAIRS else len(values)
        entries += struct.pack(f"{order}HHL", tag, kind, count)
        if len(packed) <= 4:
            entries += packed.ljust(4, b"\0")
        else:
            entries += struct.pack(f"{order}L", behind + len(extra))
            extra += packed + bytes(len(packed) % 2)
    body += entries + bytes(4) + extra
    return start, behind - 4


def page(  # noqa: PLR0913  each is a tag of the page
    parts: Sequence[bytes],
    width: int,
    height: int,
    *,
    bits: int = 8,
    samples: int = 1,
    photometric: int = 1,
    compression: int = 1,
    tile: tuple[int, int] | None = None,
    more: Tags | None = None,
    children: Sequence[Page] = (),
) -> Page:
    """Return a page with the common tags. `tile`: width and height of a tile, in pixels; `more`: further tags."""
    tags: dict[int, tuple[int, Sequence[int] | bytes]] = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [bits] * samples),
        259: (SHORT, [compression]),
        262: (SHORT, [photometric]),
        277: (SHORT, [samples]),
    }
    if tile:
        tags |= {322: (LONG, [tile[0]]), 323: (LONG, [tile[1]])}
    else:
        tags[278] = (LONG, [height])
    return Page(tags | dict(more or {}), parts, tiled=tile is not None, children=children)


def packed(values: NDArray[np.integer], bits: int) -> bytes:
    """Pack values of `bits` bits without gaps; each row begins at a byte."""
    shifts = np.arange(bits)[::-1]
    return np.packbits((values[..., None] >> shifts & 1).astype(np.uint8).reshape(len(values), -1), axis=1).tobytes()


CFA, LINEAR = 32803, 34892
_UNIT = [1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1]  # a colour matrix, as rational numbers
OF_DNG: Tags = {
    271: (ASCII, b"Maker\0"),
    272: (ASCII, b"Model\0"),
    274: (SHORT, [1]),
    50706: (BYTE, [1, 4, 0, 0]),
    50708: (ASCII, b"Maker Model\0"),
    50721: (SRATIONAL, _UNIT),
    50728: (RATIONAL, [1, 1, 1, 1, 1, 1]),
    50778: (SHORT, [21]),
}
_OF_CFA: Tags = {254: (LONG, [0]), 33421: (SHORT, [2, 2]), 33422: (BYTE, [0, 1, 1, 2]), 50717: (LONG, [65535])}


def dng(
    width: int = 1920,
    height: int = 1280,
    *,
    seed: int = 0,
    compression: int = 1,
    parts: Sequence[bytes] | None = None,
    previews: Sequence[Page] = (),
    orientation: int = 1,
) -> bytes:
    """Return a raw file of a colour sensor that shows a coarse pattern."""
    if parts is None:
        coarse = np.random.default_rng(seed).integers(2000, 60_000, (height // 16, width // 16), dtype=np.uint16)
        parts = [np.kron(coarse, np.ones((16, 16), np.uint16)).astype("<u2").tobytes()]
    more = {**OF_DNG, **_OF_CFA, 274: (SHORT, [orientation])}
    sensor = page(parts, width, height, bits=16, photometric=CFA, compression=compression, more=more)
    return tiff(sensor, *previews)


def monochrome_dng(width: int, height: int) -> bytes:
    """Return a raw file of a monochrome sensor that shows a ramp from left to right."""
    ramp = np.tile(np.linspace(0, 65535, width).astype("<u2"), (height, 1))
    more = {**OF_DNG, 254: (LONG, [0]), 50717: (LONG, [65535])}
    del more[50721], more[50728], more[50778]
    return tiff(page([ramp.tobytes()], width, height, bits=16, photometric=LINEAR, more=more))
