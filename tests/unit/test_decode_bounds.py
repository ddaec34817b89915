"""Files that are small and ask for much: erased memory, tables that repeat themselves, values that are too wide.

What they cost is counted: bytes that are allocated or copied, boxes and scans that are looked at.
"""

import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any, SupportsIndex

import numpy as np
import pytest
from PIL import Image

from services.detector.decoding import boxes, jpeg, parts, tiff
from services.detector.decoding import tiff_pixels as samples
from services.detector.decoding.decode import decode
from services.detector.settings import DetectorSettings
from shared.errors import Unreadable
from tools.fuzz.tiffs import CFA, SHORT, dng, page
from tools.fuzz.tiffs import tiff as tiff_of

SETTINGS = DetectorSettings()
MB = 1_000_000
FLOATS = {339: (SHORT, [3] * 3)}


def peak(work: Callable[[], object]) -> int:
    """Bytes that are allocated at once, at most, while it works."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class Copied(bytes):
    """Bytes that count how many of them are copied out."""

    copied = 0

    def __getitem__(self, key: SupportsIndex | slice) -> Any:
        found = super().__getitem__(key)
        if isinstance(found, bytes):
            self.copied += len(found)
        return found


def reason(data: bytes, settings: DetectorSettings = SETTINGS) -> str:
    with pytest.raises(Unreadable) as refusal:
        decode(data, settings)
    return str(refusal.value)


def encoded(kind: str, width: int = 640, height: int = 480) -> bytes:
    coarse = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(file, kind)
    return file.getvalue()


def test_a_jpeg_that_ends_in_erased_memory_is_read_as_far_as_it_goes() -> None:
    data = encoded("JPEG")
    # A search that begins anew at each byte of the tail would take 8 million million steps.
    erased = b"\xff" * (4 << 20)
    kept = data[: int(len(data) * 0.98)]
    decoded, expected = decode(kept + erased, SETTINGS), decode(kept, SETTINGS)
    assert decoded.partial
    assert np.array_equal(decoded.image, expected.image)
    half = data[: len(data) // 2]
    for tail in (erased, bytes(512) + b"\xff" * 512, b"\xff" * 512 + bytes(512)):
        assert reason(half + tail) == "truncated JPEG"


def test_a_marker_may_be_preceded_by_bytes_that_fill_the_space() -> None:
    data = encoded("JPEG")
    scan = data.index(b"\xff\xda")
    filled = data[:scan] + b"\xff" * 9 + data[scan:-2] + b"\xff" * 9 + data[-2:]
    assert np.array_equal(decode(filled, SETTINGS).image, decode(data, SETTINGS).image)
    assert not jpeg.is_cut_off(filled)
    assert jpeg.is_cut_off(filled[:-1])


def scan(components: int = 1, spare: int = 0) -> bytes:
    body = bytes((components,)) + bytes((1, 0)) * components + bytes((0, 63, 0))
    return b"\xff\xda" + struct.pack(">H", len(body) + 2 + spare) + body


def test_what_has_more_scans_than_any_jpeg_is_not_one_that_is_cut_off() -> None:
    assert jpeg.is_cut_off(b"\xff\xd8" + scan() * 1000)
    assert not jpeg.is_cut_off(b"\xff\xd8" + scan() * 1001)
    assert not jpeg.is_cut_off(b"\xff\xd8" + scan() + b"\xff\xfe\0\2" * 20_000)


@pytest.mark.parametrize("bad", [scan(0), scan(5), scan(spare=-1), scan(4, spare=-8), b"\xff\xda\0\0" + bytes(9)])
def test_a_scan_that_does_not_fit_its_segment_is_damaged(bad: bytes) -> None:
    start = b"\xff\xd8" + scan() + bytes(40)
    assert jpeg.is_cut_off(start + scan(4) + bytes(40))
    assert not jpeg.is_cut_off(start + bad + bytes(40))


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def heic(items: bytes, count: int, sizes: int, content: bytes = bytes(50), base: int = 0) -> bytes:
    """A file with a table of items; `sizes`: bytes of an offset and of a length, in four bits each; `base`: too."""
    table = bytes((0, 0, 0, 0, sizes, base << 4)) + struct.pack(">H", count) + items
    return box(b"ftyp", b"heic" + bytes(4)) + box(b"meta", bytes(4) + box(b"iloc", table)) + box(b"mdat", content)


def test_extents_that_take_no_bytes_are_not_counted_out() -> None:
    data = heic(struct.pack(">HHH", 1, 0, 65_535) * 110, 110, 0x00)
    assert len(data) < 1000
    assert peak(lambda: boxes.is_cut_off(data)) < MB
    assert reason(data) == "damaged HEIC"


def test_a_table_of_more_items_than_a_photograph_has_is_left_to_the_decoder() -> None:
    behind = struct.pack(">HHLHB", 1, 0, 1 << 30, 1, 0)
    assert boxes.is_cut_off(heic(behind, 1, 0x10, base=4))
    few, many = ((struct.pack(">HHLH", 1, 0, 0, extents) + bytes(extents)) * 4 for extents in (20_000, 50_000))
    assert boxes.is_cut_off(heic(few + behind, 5, 0x10, base=4))
    assert not boxes.is_cut_off(heic(many + behind, 5, 0x10, base=4))


def test_boxes_without_end_are_not_kept() -> None:
    empty = box(b"free", b"")
    head = box(b"ftyp", b"heic" + bytes(4))
    many = head + empty * 200_000
    assert peak(lambda: boxes.is_cut_off(many)) < 5 * MB
    assert boxes.is_cut_off(head + empty * 9)
    within = head + box(b"meta", bytes(4) + empty * 200_000)
    assert peak(lambda: boxes.is_cut_off(within)) < 5 * MB
    assert boxes.is_cut_off(within)


def test_places_that_overlap_are_looked_at_once() -> None:
    zeros = 1 << 20
    items = struct.pack(">HHHII", 1, 0, 1, 8000, zeros - 8000) * 400
    data = Copied(heic(items, 400, 0x44, bytes(zeros) + b"\1"))
    assert boxes.is_cut_off(data)
    assert data.copied < zeros
    start = len(data) - zeros - 1
    items = struct.pack(">HHHII", 1, 0, 1, start, zeros + 1) * 400
    data = Copied(heic(items, 400, 0x44, bytes(zeros) + b"\1"))
    assert not boxes.is_cut_off(data)
    assert data.copied < zeros


def test_directories_that_share_their_values_do_not_multiply_them() -> None:
    values = struct.pack("<65536H", *range(65536))
    tags = sorted((tiff.BITS, tiff.STRIPS, tiff.STRIP_SIZES, tiff.COLOURS, 40_000))
    data = bytearray(b"II*\0" + struct.pack("<L", 8 + len(values)) + values)
    for at in range(64):
        behind = len(data) + 2 + 12 * len(tags) + 4
        entries = b"".join(struct.pack("<HHLL", tag, SHORT, 65536, 8) for tag in tags)
        data += struct.pack("<H", len(tags)) + entries + struct.pack("<L", behind if at < 63 else 0)
    file = bytes(data)
    assert len(tiff.directories(file)) == 64
    assert peak(lambda: tiff.directories(file)) < MB
    (last,) = tiff.directories(file)[-1:]
    assert last.numbers(tiff.STRIPS) == tuple(range(65536))
    assert last.numbers(tiff.STRIPS, 3) == (0, 1, 2)
    assert "data" not in repr(last)


def test_parts_that_many_directories_share_are_not_looked_at_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"II*\0" + bytes(4 * 400_000)
    tags = {
        tiff.PHOTOMETRIC: tiff.Tag(4, 1, len(data)),
        tiff.STRIPS: tiff.Tag(4, 400_000, 4),
        tiff.STRIP_SIZES: tiff.Tag(4, 400_000, 4),
    }
    data += struct.pack("<L", CFA)
    found = [tiff.Directory(8, tags, big_endian=False, data=data)] * 9
    parts = tiff.Directory.parts
    looked_at = []

    def counted(directory: tiff.Directory, most: int) -> list[tuple[int, int]]:
        looked_at.append(len(parts(directory, most)))
        return parts(directory, most)

    monkeypatch.setattr(tiff.Directory, "parts", counted)
    assert not tiff.is_cut_off(data, found)
    assert sum(looked_at) == 1 << 20


@pytest.mark.parametrize("order", ["<", ">"])
def test_directories_with_places_of_64_bits_are_read(order: str) -> None:
    mark = b"II+\0" if order == "<" else b"MM\0+"
    entries = struct.pack(f"{order}HHQHxxxxxx", tiff.WIDTH, 3, 1, 640)
    entries += struct.pack(f"{order}HHQQ", tiff.STRIPS, 16, 2, 16 + 8 + 3 * 20 + 8)
    entries += struct.pack(f"{order}HHQQ", tiff.STRIP_SIZES, 16, 2, 1 << 62)  # behind the end
    head = mark + struct.pack(f"{order}HHQQ", 8, 0, 16, 3)
    (found,) = tiff.directories(head + entries + struct.pack(f"{order}QQQ", 0, 70, 80))
    assert found.number(tiff.WIDTH) == 640
    assert found.numbers(tiff.STRIPS) == (70, 80)
    assert tiff.STRIP_SIZES not in found.tags


@pytest.mark.parametrize(
    "data", [dng(640, 480), tiff_of(page([bytes(600)], 20, 10, samples=3, photometric=2))], ids=["raw", "picture"]
)
def test_the_directories_of_a_file_are_read_once(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    read = tiff.directories
    calls = []

    def counted(data: bytes) -> list[tiff.Directory]:
        calls.append(len(data))
        return read(data)

    monkeypatch.setattr(tiff, "directories", counted)
    assert decode(data, SETTINGS).image.size
    assert calls == [len(data)]


def test_the_values_of_a_picture_are_limited_as_its_pixels_are() -> None:
    part = zlib.compress(bytes(100 * 100 * 8))
    more = {284: (SHORT, [2]), 339: (SHORT, [3] * 16)}
    data = tiff_of(page([part] * 16, 100, 100, bits=64, samples=16, photometric=2, compression=8, more=more))
    assert decode(data, SETTINGS).width == 100
    few = DetectorSettings(max_megapixels=0.1)
    assert reason(data, few) == "0.01 megapixels of 128 bytes, 1.3 MB, at most 0.8 MB allowed"


def test_strips_that_share_their_bytes_do_not_copy_them_all_each_time() -> None:
    rows, spare = 200, 1 << 20
    data = tiff_of(page([bytes(80)], 40, rows, bits=16, more={284: (SHORT, [1])})) + bytes(spare)
    (found,) = tiff.directories(data)
    values = struct.pack(f"<{rows}L", *[8] * rows) + struct.pack(f"<{rows}L", *[spare] * rows)
    place = len(data)
    tags = {
        **found.tags,
        tiff.STRIP_ROWS: tiff.Tag(3, 1, place - 2),
        tiff.STRIPS: tiff.Tag(4, rows, place),
        tiff.STRIP_SIZES: tiff.Tag(4, rows, place + 4 * rows),
    }
    file = Copied(data[:-2] + struct.pack("<H", 1) + values)
    picture = tiff.Directory(found.offset, tags, big_endian=False, data=file)
    assert samples.read(file, picture, SETTINGS).size == (40, rows)
    assert file.copied < 2 * spare


@pytest.mark.parametrize("shape", [(2000, 1000, 3), (3, 1_000_000, 1)])
def test_floats_are_stretched_without_wider_copies_of_them_all(shape: tuple[int, ...]) -> None:
    values = np.linspace(-1, 3, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    height, width, samples_ = shape
    photometric = 2 if samples_ > 1 else 1
    file = page([values.tobytes()], width, height, bits=32, samples=samples_, photometric=photometric, more=FLOATS)
    data = tiff_of(file)
    (found,) = tiff.directories(data)
    picture = samples.read(data, found, SETTINGS)
    for box in parts.boxes(width, height):
        left, top, right, bottom = box
        expected = (values[top:bottom, left:right] + 1) / 4 * 255
        assert np.abs(np.asarray(picture.part(box))[:, :, :samples_] - expected).max() <= 1
    wanted = DetectorSettings(photo_width=64, min_face=80)
    assert peak(lambda: decode(data, wanted)) < values.nbytes + 30 * MB


def test_a_png_of_more_chunks_than_any_program_writes_is_damaged() -> None:
    data = encoded("PNG", 16, 16)
    chunk = struct.pack(">I4sI", 0, b"teSt", zlib.crc32(b"teSt"))
    assert decode(data[:33] + chunk * 1000 + data[33:], SETTINGS).width == 16
    assert reason(data[:33] + chunk * 250_001 + data[33:]) == "damaged PNG"
