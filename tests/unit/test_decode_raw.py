"""Camera raw files that are made here: of sensors without colours, cut off, not unpacked, and taken for others."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from services.detector.decoding import decode as decoding
from services.detector.decoding import tiff as structure
from services.detector.decoding.decode import decode
from services.detector.decoding.raw import develop
from services.detector.settings import DetectorSettings
from shared.errors import Undecoded, Unreadable
from tools.fuzz.tiffs import ASCII, LINEAR, LONG, OF_DNG, SHORT, Page, dng, monochrome_dng, page, tiff

SETTINGS = DetectorSettings()
_JPEG_XL, _LOSSY, _UNKNOWN = 52546, 34892, 34713
_REDUCED = {254: (LONG, [1])}


def quarters(width: int, height: int) -> Image.Image:
    """Red, green, blue and white, so that it shows how it was turned."""
    image = Image.new("RGB", (width, height), (255, 0, 0))
    image.paste((0, 255, 0), (width // 2, 0, width, height // 2))
    image.paste((0, 0, 255), (0, height // 2, width // 2, height))
    image.paste((255, 255, 255), (width // 2, height // 2, width, height))
    return image


def jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95)
    return file.getvalue()


def preview(image: Image.Image) -> Page:
    return page([jpeg(image)], image.width, image.height, samples=3, photometric=6, compression=7, more=_REDUCED)


def corners(image: NDArray[np.uint8]) -> list[tuple[int, ...]]:
    """The colours of the four quarters, RGB, each channel 0 or 1."""
    height, width, _ = image.shape
    places = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return [tuple((image[y, x, ::-1] > 127).astype(int).tolist()) for y, x in places]


def reason(data: bytes) -> str:
    with pytest.raises(Unreadable) as refusal:
        decode(data, SETTINGS)
    return str(refusal.value)


RED, GREEN, BLUE, WHITE = (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)


@pytest.mark.parametrize("size", [(1920, 1280), (640, 480)])
def test_a_raw_file_of_a_sensor_without_colours_is_developed_in_its_size(size: tuple[int, int]) -> None:
    decoded = decode(monochrome_dng(*size), SETTINGS)
    assert (decoded.width, decoded.height) == size
    grey = decoded.image.astype(int)
    assert (grey[:, :, 0] == grey[:, :, 2]).all()
    assert (np.diff(grey[0, :, 1]) >= 0).all()
    assert np.ptp(grey) > 200
    assert develop(monochrome_dng(*size), SETTINGS).image.shape[2] == 3


@pytest.mark.parametrize(("orientation", "size"), [(1, (1920, 1280)), (6, (1280, 1920)), (8, (1280, 1920))])
def test_a_raw_file_of_a_colour_sensor_is_developed_upright(orientation: int, size: tuple[int, int]) -> None:
    decoded = decode(dng(orientation=orientation), SETTINGS)
    assert (decoded.width, decoded.height) == size
    assert decoded.image.std() > 20


@pytest.mark.parametrize("compression", [_JPEG_XL, _UNKNOWN])
@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, [RED, GREEN, BLUE, WHITE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (8, [GREEN, WHITE, RED, BLUE]),
    ],
)
def test_a_raw_file_that_cannot_be_unpacked_is_read_from_its_preview_upright(
    compression: int, orientation: int, expected: list[tuple[int, ...]]
) -> None:
    data = dng(
        compression=compression,
        parts=[b"\xff\x0a" + bytes(500)],
        previews=[preview(quarters(1200, 800))],
        orientation=orientation,
    )
    decoded = decode(data, SETTINGS)
    assert (decoded.width, decoded.height) == ((1200, 800) if orientation in (1, 3) else (800, 1200))
    assert corners(decoded.image) == expected


def test_a_preview_with_an_orientation_of_its_own_is_turned_once() -> None:
    image = preview(quarters(1200, 800))
    turned = Page({**image.tags, 274: (SHORT, [6])}, image.parts)
    data = dng(compression=_UNKNOWN, parts=[bytes(500)], previews=[turned], orientation=6)
    assert corners(decode(data, SETTINGS).image) == [BLUE, RED, WHITE, GREEN]


def test_want_of_memory_does_not_make_a_thumbnail_of_a_raw_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def wanting(*_: object) -> None:
        msg = "not enough memory to decode it"
        raise Undecoded(msg)

    thumbnail = page([bytes(160 * 106 * 3)], 160, 106, samples=3, photometric=2, more={271: (ASCII, b"Maker\0")})
    data = tiff(thumbnail) + bytes(200_000)
    assert decode(data, SETTINGS).width == 160
    monkeypatch.setattr(decoding, "develop", wanting)
    with pytest.raises(Undecoded):
        decode(data, SETTINGS)


def test_a_preview_that_is_small_is_not_taken_for_the_photograph() -> None:
    small = preview(quarters(160, 106))
    data = dng(compression=_JPEG_XL, parts=[b"\xff\x0a" + bytes(500)], previews=[small])
    assert reason(data) == "a kind of camera raw that is not supported, without a preview large enough"
    none = dng(compression=_JPEG_XL, parts=[b"\xff\x0a" + bytes(500)])
    assert reason(none) == "a kind of camera raw that is not supported, without a preview large enough"
    assert reason(dng(compression=_UNKNOWN, parts=[bytes(500)], previews=[small])) == (
        "camera raw of an unknown kind, or damaged"
    )


def test_a_preview_half_as_long_as_a_small_photograph_is_taken() -> None:
    data = dng(640, 480, compression=_JPEG_XL, parts=[b"\xff\x0a" + bytes(500)], previews=[preview(quarters(320, 240))])
    decoded = decode(data, SETTINGS)
    assert (decoded.width, decoded.height) == (320, 240)


def test_the_pixels_of_a_preview_are_limited_like_all_others() -> None:
    data = dng(640, 480, compression=_JPEG_XL, parts=[bytes(500)], previews=[preview(quarters(1200, 800))])
    with pytest.raises(Unreadable, match=r"0\.96 megapixels, at most 0\.5 allowed"):
        decode(data, DetectorSettings(max_megapixels=0.5))


@pytest.mark.parametrize("part", [0.3, 0.7, 0.95])
def test_a_lossy_raw_file_that_is_cut_off_is_truncated(part: float) -> None:
    tiles = [jpeg(quarters(256, 256))] * 6
    more = {**OF_DNG, 254: (LONG, [0])}
    data = tiff(page(tiles, 768, 512, samples=3, photometric=LINEAR, compression=_LOSSY, tile=(256, 256), more=more))
    # The directory first, as cameras write it: what is cut off is the last tiles.
    (found,) = structure.directories(data)
    assert not structure.is_cut_off(data, [found])
    assert decode(data, SETTINGS).width == 768
    moved = data[found.offset :]
    shift = len(moved)
    again = _moved(data, found, shift)
    assert decode(again, SETTINGS).width == 768
    assert reason(again[: int(len(again) * part)]) == "truncated camera raw"


def _moved(data: bytes, found: structure.Directory, shift: int) -> bytes:
    """Return the file with its directory before its tiles."""
    body = data[8 : found.offset]
    directory = bytearray(data[found.offset :])
    out = bytearray(data[:4] + (8).to_bytes(4, "little"))
    count = int.from_bytes(directory[:2], "little")
    for at in range(count):
        entry = 2 + 12 * at
        tag, number = (int.from_bytes(directory[entry + a : entry + b], "little") for a, b in ((0, 2), (4, 8)))
        kind = int.from_bytes(directory[entry + 2 : entry + 4], "little")
        width = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 10: 8}[kind] * number
        place = int.from_bytes(directory[entry + 8 : entry + 12], "little")
        if width > 4:
            inner = place - found.offset
            if tag == 324:
                for one in range(number):
                    spot = inner + 4 * one
                    offset = int.from_bytes(directory[spot : spot + 4], "little")
                    directory[spot : spot + 4] = (offset + shift).to_bytes(4, "little")
            directory[entry + 8 : entry + 12] = (inner + 8).to_bytes(4, "little")
    return bytes(out + directory + body)


@pytest.mark.parametrize("mark", [b"IIII", b"MMMM"])
def test_phase_one_is_camera_raw_and_not_a_tiff_of_one_pixel(mark: bytes) -> None:
    data = tiff(page([b"\xff"], 1, 1), behind_mark=mark + bytes(40))
    assert reason(data) == "camera raw of an unknown kind, or damaged"


def test_panasonic_files_that_end_before_their_values_are_truncated() -> None:
    def panasonic(length: int, kind: int) -> bytes:
        tags = {2: (SHORT, [1400]), 3: (SHORT, [1000]), 45: (SHORT, [kind]), 280: (LONG, [4096])}
        data = b"IIU\x00" + tiff(Page(tags, [bytes(8)]))[4:]
        return data.ljust(4096, b"\x00") + bytes(length)

    for kind, length, cut in ((4, 1_600_000, False), (4, 1_599_999, True), (8, 1000, False), (8, 0, True)):
        data = panasonic(length, kind)
        assert structure.is_cut_off(data, structure.directories(data)) is cut
