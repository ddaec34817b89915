"""Small sound photographs of every format, which are mutated."""

import base64
import io
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pylibjxl
from PIL import Image, PngImagePlugin

from tools.fuzz.tiffs import LONG, OF_DNG, SHORT, Page, dng, monochrome_dng, packed, page, tiff
from tools.samples import ROOT

pillow_heif.register_heif_opener()  # it also encodes HEIF

_WIDTH, _HEIGHT = 96, 64
_REAL_RAW = ROOT.parent / "shared" / "data" / "raw"
_LARGEST = 900_000  # bytes; larger raw files are left out, because they are slow


def seeds() -> dict[str, list[bytes]]:
    """Return sound files by format. Real raw files are among them only where the machine has some."""
    found: dict[str, list[bytes]] = {}
    for kind, data in [*_pillow(), *_heif(), *_jpeg_xl(), *_tiffs(), *_raws(), *_real(_REAL_RAW)]:
        found.setdefault(kind, []).append(data)
    found["BMP"].append(_bmp_with_alpha())
    return found


def _picture() -> Image.Image:
    coarse = np.random.default_rng(1).integers(0, 256, (_HEIGHT // 8, _WIDTH // 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((_WIDTH, _HEIGHT), Image.Resampling.BICUBIC)


def _encoded(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    (image or _picture()).save(file, kind, **options)
    return file.getvalue()


def _pillow() -> Iterator[tuple[str, bytes]]:
    picture = _picture()
    exif = Image.Exif()
    exif[0x0112] = 6
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", "x" * 3000, zip=True)
    yield "JPEG", _encoded("JPEG")
    yield "JPEG", _encoded("JPEG", exif=exif.tobytes(), restart_marker_rows=1)
    yield "JPEG", _encoded("JPEG", picture.convert("CMYK"))
    yield "JPEG", ARITHMETIC_JPEG
    yield "JPEG progressive", _encoded("JPEG", progressive=True)
    yield "PNG", _encoded("PNG", pnginfo=text, exif=exif.tobytes())
    yield "PNG", _encoded("PNG", picture.quantize(16), transparency=0)
    yield "PNG", _encoded("PNG", Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257))
    yield "PNG", _encoded("PNG", save_all=True, append_images=[picture.rotate(180)])
    yield "WebP", _encoded("WEBP")
    yield "WebP", _encoded("WEBP", picture.convert("RGBA"), lossless=True, exif=exif.tobytes())
    yield "WebP", _encoded("WEBP", save_all=True, append_images=[picture.rotate(180)])
    yield "BMP", _encoded("BMP")
    yield "BMP", _encoded("BMP", picture.quantize(16))
    yield "GIF", _encoded("GIF", save_all=True, append_images=[picture.rotate(180)])
    yield "JPEG 2000", _encoded("JPEG2000")
    yield "JPEG 2000", _encoded("JPEG2000", no_jp2=True, quality_mode="rates", quality_layers=[20])
    for compression in ("raw", "tiff_lzw", "packbits", "tiff_adobe_deflate", "jpeg", "zstd"):
        yield "TIFF", _encoded("TIFF", compression=compression, exif=exif)
    yield "TIFF", _encoded("TIFF", picture.convert("1"), compression="group4")
    yield "TIFF", _encoded("TIFF", picture.convert("CMYK"), compression="tiff_lzw")
    yield "TIFF", _encoded("TIFF", big_tiff=True)


def _heif() -> Iterator[tuple[str, bytes]]:
    yield "HEIC", _encoded("HEIF", quality=50)
    yield "HEIC", _encoded("HEIF", quality=50) + struct.pack(">I4s", 300, b"mpvd") + bytes(292)
    before = pillow_heif.options.GRID_TILE_SIZE
    pillow_heif.options.GRID_TILE_SIZE = 64
    try:
        yield "HEIC in tiles", _encoded("HEIF", _picture().resize((256, 128)), quality=50)
    finally:
        pillow_heif.options.GRID_TILE_SIZE = before
    yield "AVIF", _encoded("AVIF")
    yield "AVIF", _without_times(_encoded("AVIF", save_all=True, append_images=[_picture().rotate(180)]))


def _without_times(data: bytes) -> bytes:
    """Return the file with zeros as its creation times, so that equal seeds give equal bytes."""
    return re.sub(rb"(mvhd|tkhd|mdhd)(\x01...).{16}", rb"\1\2" + bytes(16), data, flags=re.DOTALL)


def _jpeg_xl() -> Iterator[tuple[str, bytes]]:
    pixels = np.asarray(_picture()).copy()
    yield "JPEG XL", pylibjxl.encode(pixels)
    yield "JPEG XL", pylibjxl.encode(pixels, lossless=True, exif=b"MM\x00*\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00")
    yield "JPEG XL", pylibjxl.jpeg_to_jxl(_encoded("JPEG"))


def _tiffs() -> Iterator[tuple[str, bytes]]:
    rgb = np.asarray(_picture()).copy()
    deep = rgb.astype(np.uint16) * 257
    planes = [np.ascontiguousarray(deep[:, :, plane]).tobytes() for plane in range(3)]
    size = (_WIDTH, _HEIGHT)
    apart = {284: (SHORT, [2])}
    yield "TIFF", tiff(page(planes, *size, bits=16, samples=3, photometric=2, more=apart))
    tiles = [deep[y : y + 32, x : x + 32, plane].tobytes() for plane in range(3) for y in (0, 32) for x in (0, 32, 64)]
    yield "TIFF", tiff(page(tiles, *size, bits=16, samples=3, photometric=2, tile=(32, 32), more=apart), order="<")
    twelve = packed(rgb[:, :, 0].astype(np.uint32) * 16, 12)
    yield "TIFF", tiff(page([twelve], *size, bits=12))
    floats = (rgb / 255).astype(">f4").tobytes()
    more = {339: (SHORT, [3, 3, 3])}
    yield "TIFF", tiff(page([floats], *size, bits=32, samples=3, photometric=2, more=more), order=">")
    negative = (65535 - deep[:, :, 0]).astype("<u2").tobytes()
    yield "TIFF", tiff(page([negative], *size, bits=16, photometric=0))
    copy = page([bytes(16 * 12 * 3)], 16, 12, samples=3, photometric=2, more={254: (LONG, [1])})
    full = page([rgb.tobytes()], *size, samples=3, photometric=2)
    yield "TIFF", tiff(copy, full)
    yield "TIFF", tiff(Page(copy.tags, copy.parts, children=[full]))


def _raws() -> Iterator[tuple[str, bytes]]:
    yield "DNG", dng(192, 128)
    yield "DNG", monochrome_dng(192, 128)
    large = _picture().resize((960, 640))
    copy = {254: (LONG, [1])}
    preview = page([_encoded("JPEG", large)], 960, 640, samples=3, photometric=6, compression=7, more=copy)
    yield "DNG", dng(192, 128, compression=52546, parts=[b"\xff\x0a" + bytes(300)], previews=[preview], orientation=6)
    tile = _encoded("JPEG", _picture().resize((128, 128)))
    sensor = {**OF_DNG, 254: (LONG, [0])}
    yield (
        "DNG",
        tiff(
            page(
                [tile] * 2,
                256,
                128,
                samples=3,
                photometric=34892,
                compression=34892,
                tile=(128, 128),
                more=sensor,
            )
        ),
    )


def _real(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        if path.is_file() and path.stat().st_size <= _LARGEST:
            yield f"raw {path.suffix[1:].upper()}", path.read_bytes()


def _bmp_with_alpha() -> bytes:
    pixels = np.full((8, 8, 4), (10, 20, 200, 0), np.uint8).tobytes()
    head = struct.pack("<IiiHHIIiiII", 108, 8, 8, 1, 32, 3, len(pixels), 2835, 2835, 0, 0)
    head += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(48)
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(pixels), 0, 0, 14 + len(head)) + head + pixels


ARITHMETIC_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8X"
    "GBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/yQAR"
    "CAAQABgDASIAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwD/AN1+Fje8nbmfeOugSRQwZF1OdFBtBrJAAFhmZFjED/raaubCXTrg"
    "BVnQv5HxpSyEVDO6DISxSgis3i1wkiXywP/Z"
)
"""24 x 16 pixels, from blue on the left to red on the right, written by cjpeg -arithmetic of libjpeg-turbo."""
