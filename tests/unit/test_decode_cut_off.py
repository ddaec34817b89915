"""Files whose end is missing: a copy that was interrupted, a full disk, a program that leaves out the end marker."""

import io
import struct
from typing import Any

import numpy as np
import pillow_heif
import pylibjxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from services.detector.decoding.boxes import is_cut_off
from services.detector.decoding.decode import Decoded, decode
from services.detector.decoding.jpeg import ENOUGH
from services.detector.settings import DetectorSettings
from shared.errors import Unreadable

SETTINGS = DetectorSettings()


def soft_noise(width: int = 640, height: int = 480, seed: int = 0) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    (image or soft_noise()).save(file, kind, **options)
    return file.getvalue()


def reason(data: bytes) -> str:
    with pytest.raises(Unreadable) as refusal:
        decode(data, SETTINGS)
    return str(refusal.value)


def differing_rows(one: Decoded, other: Decoded) -> NDArray[np.intp]:
    return np.flatnonzero((one.image != other.image).any(axis=(1, 2)))


JPEGS: list[dict[str, Any]] = [
    {},
    {"progressive": True},
    {"restart_marker_rows": 1},
    {"optimize": True},
    {"subsampling": 0},
]


@pytest.mark.parametrize("options", JPEGS)
@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_without_its_end_marker_is_whole(options: dict[str, Any], missing: int) -> None:
    data = encoded("JPEG", **options)
    decoded, whole = decode(data[:-missing], SETTINGS), decode(data, SETTINGS)
    assert np.array_equal(decoded.image, whole.image)
    assert not decoded.partial
    assert not whole.partial


@pytest.mark.parametrize("options", [one for one in JPEGS if "progressive" not in one])
def test_a_jpeg_of_which_only_the_last_rows_are_missing_is_read_in_part(options: dict[str, Any]) -> None:
    data = encoded("JPEG", **options)
    decoded, whole = decode(data[: int(len(data) * 0.98)], SETTINGS), decode(data, SETTINGS)
    assert decoded.partial
    assert (decoded.width, decoded.height) == (640, 480)
    assert differing_rows(decoded, whole)[0] >= ENOUGH * 480


@pytest.mark.parametrize("options", JPEGS)
@pytest.mark.parametrize("part", [0.1, 0.3, 0.5])
def test_a_jpeg_of_which_much_is_missing_is_truncated(options: dict[str, Any], part: float) -> None:
    data = encoded("JPEG", **options)
    assert reason(data[: int(len(data) * part)]) == "truncated JPEG"


@given(st.floats(0.02, 1), st.sampled_from(JPEGS))
def test_a_jpeg_that_is_read_has_the_rows_that_it_says(part: float, options: dict[str, Any]) -> None:
    data = encoded("JPEG", soft_noise(320, 240), **options)
    whole = decode(data, SETTINGS)
    try:
        decoded = decode(data[: int(len(data) * part)], SETTINGS)
    except Unreadable as refusal:
        assert str(refusal) in {"truncated JPEG", "damaged JPEG"}  # noqa: PT017  both ends are allowed
        assert part < 0.995
        return
    if options.get("progressive"):  # all rows, less finely; of noise, where every last bit counts, by 6.2 on average
        assert np.abs(decoded.image.astype(int) - whole.image).mean() < 8
    else:
        rows = differing_rows(decoded, whole)
        assert not rows.size or (decoded.partial and rows[0] >= ENOUGH * 240)


def test_a_progressive_jpeg_without_its_last_refinement_is_read_in_part() -> None:
    data = encoded("JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")  # the scan that adds the last bit to the brightness
    decoded, whole = decode(data[: last + (len(data) - last) // 2], SETTINGS), decode(data, SETTINGS)
    assert decoded.partial
    assert np.abs(decoded.image.astype(int) - whole.image).mean() < 6
    scans = [at for at in range(len(data)) if data.startswith(b"\xff\xda", at)]
    assert reason(data[: scans[5] + 100]) == "truncated JPEG"  # of ten; the sixth has the last bit but one


def test_a_jpeg_whose_copy_left_zeros_is_truncated() -> None:
    data = encoded("JPEG", optimize=True)
    half = len(data) // 2
    assert reason(data[:half] + bytes(len(data) - half)) == "truncated JPEG"


def test_a_jpeg_that_ends_between_two_restart_marks_is_not_taken_for_whole() -> None:
    data = encoded("JPEG", restart_marker_rows=1)
    at = data.index(b"\xff\xd4", data.index(b"\xff\xda"))
    assert reason(data[:at]) == "truncated JPEG"


def test_a_turned_jpeg_that_is_read_in_part_is_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded("JPEG", exif=exif.tobytes())
    decoded = decode(data[:-2], SETTINGS)
    assert np.array_equal(decoded.image, decode(data, SETTINGS).image)
    assert (decoded.width, decoded.height) == (480, 640)


@pytest.fixture(scope="module")
def tiled_heic() -> bytes:
    before = pillow_heif.options.GRID_TILE_SIZE
    pillow_heif.options.GRID_TILE_SIZE = 128
    try:
        data = encoded("HEIF", quality=80)
    finally:
        pillow_heif.options.GRID_TILE_SIZE = before
    assert b"grid" in data
    return data


@pytest.mark.parametrize("part", [0.01, 0.1, 0.3, 0.5, 0.9, 0.99])
def test_a_heic_in_tiles_that_is_cut_off_is_truncated(tiled_heic: bytes, part: float) -> None:
    assert decode(tiled_heic, SETTINGS).width == 640
    assert reason(tiled_heic[: int(len(tiled_heic) * part)]) == "truncated HEIC"
    assert reason(tiled_heic[:-1]) == "truncated HEIC"


@pytest.mark.parametrize("part", [0.1, 0.5, 0.8])
def test_a_heic_whose_copy_left_zeros_is_truncated(tiled_heic: bytes, part: float) -> None:
    kept = int(len(tiled_heic) * part)
    assert reason(tiled_heic[:kept] + bytes(len(tiled_heic) - kept)) == "truncated HEIC"


@pytest.mark.parametrize(("kind", "name"), [("HEIF", "HEIC"), ("AVIF", "AVIF"), ("JPEG2000", "JPEG 2000")])
def test_other_files_made_of_boxes_are_truncated_too(kind: str, name: str) -> None:
    data = encoded(kind)
    assert decode(data, SETTINGS).width == 640
    for part in (0.5, 0.9, 0.99):
        assert reason(data[: int(len(data) * part)]) == f"truncated {name}"


def test_jpeg_xl_in_boxes_and_webp_that_are_cut_off_are_truncated() -> None:
    exif = b"MM\x00*\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00"
    boxed = pylibjxl.encode(np.asarray(soft_noise()), exif=exif)
    assert boxed[4:8] == b"JXL "
    assert reason(boxed[: len(boxed) // 2]) == "truncated JPEG XL"
    assert reason(encoded("WEBP")[:-100]) == "truncated WebP"


@pytest.mark.parametrize("kept", [8, 100, 900])
def test_a_motion_photograph_whose_video_is_cut_off_is_whole(tiled_heic: bytes, kept: int) -> None:
    video = struct.pack(">I4s", 1000, b"mpvd") + bytes(992)
    decoded = decode(tiled_heic + video[:kept], SETTINGS)
    assert np.array_equal(decoded.image, decode(tiled_heic, SETTINGS).image)
    jpeg = encoded("JPEG")
    assert np.array_equal(decode(jpeg + video[:kept], SETTINGS).image, decode(jpeg, SETTINGS).image)


def box(kind: bytes, content: bytes, *, wide: bool = False, open_ended: bool = False) -> bytes:
    if open_ended:
        return struct.pack(">I4s", 0, kind) + content
    if wide:
        return struct.pack(">I4sQ", 1, kind, len(content) + 16) + content
    return struct.pack(">I4s", len(content) + 8, kind) + content


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("wide", [False, True])
def test_the_places_of_the_items_decide_what_has_to_be_there(version: int, wide: bool) -> None:  # noqa: FBT001
    def file(offset: int, length: int, base: int, method: int = 0) -> bytes:
        number = "I" if version == 2 else "H"
        item = struct.pack(f">{number}", 1) + (struct.pack(">H", method) if version else b"")
        item += struct.pack(">HI", 0, base) + struct.pack(">H", 1) + struct.pack(">II", offset, length)
        table = bytes((version, 0, 0, 0, 0x44, 0x40)) + struct.pack(f">{number}", 1) + item
        meta = box(b"meta", bytes(4) + box(b"hdlr", bytes(20)) + box(b"iloc", table))
        return box(b"ftyp", b"heic" + bytes(4)) + meta + box(b"mdat", bytes(50) + b"\1" * 50, wide=wide)

    whole = file(0, 10, 0)
    end = len(whole)
    assert not is_cut_off(whole)
    assert not is_cut_off(file(end - 30, 10, 20))
    assert is_cut_off(file(end - 29, 10, 20))
    assert not is_cut_off(file(end - 30, 10, 20) + b"\x00\x00\x03\xe8mpvd12345")
    if version:  # inside another item, not in the file
        assert not is_cut_off(file(end, 10, 20, method=1))


def test_boxes_of_every_size_are_walked_and_damaged_ones_left_to_the_decoder() -> None:
    head = box(b"ftyp", b"avif" + bytes(4))
    assert not is_cut_off(head + box(b"mdat", bytes(50), open_ended=True))
    assert not is_cut_off(head + box(b"mdat", bytes(50), wide=True))
    assert is_cut_off((head + box(b"mdat", bytes(50), wide=True))[:-1])
    assert is_cut_off(head + box(b"mdat", bytes(50), wide=True)[:12])
    assert is_cut_off(head)
    assert not is_cut_off(head + box(b"mdat", bytes(50)) + struct.pack(">I4s", 3, b"free"))


@given(st.binary(max_size=300))
def test_any_bytes_have_boxes_or_none(data: bytes) -> None:
    assert is_cut_off(b"\x00\x00\x00\x0cftypheic" + data) in {True, False}
