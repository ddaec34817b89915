import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from services.detector.decoding.decode import Decoded, decode
from services.detector.scale import detection_size, picture_size
from services.detector.settings import DetectorSettings
from shared.errors import Unreadable

SETTINGS = DetectorSettings()
RED, WHITE = (0, 0, 255), (255, 255, 255)  # BGR
LOSSLESS = ("PNG", "TIFF", "BMP")


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def picture(width: int = 60, height: int = 40) -> Image.Image:
    """A picture whose four quarters have colours of their own, so that it shows how it was turned."""
    image = Image.new("RGB", (width, height), (255, 0, 0))
    image.paste((0, 255, 0), (width // 2, 0, width, height // 2))
    image.paste((0, 0, 255), (0, height // 2, width // 2, height))
    image.paste((250, 250, 250), (width // 2, height // 2, width, height))
    return image


def bgr(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.convert("RGB"))[:, :, ::-1]


def colour(decoded: Decoded) -> tuple[int, ...]:
    """The colour of a picture of one colour."""
    assert (decoded.image == decoded.image[0, 0]).all()
    return tuple(decoded.image[0, 0].tolist())


def reason(data: bytes, limits: DetectorSettings = SETTINGS) -> str:
    with pytest.raises(Unreadable) as refusal:
        decode(data, limits)
    return str(refusal.value)


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and ends."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 10) + b"IDAT"


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_lossless_picture_keeps_its_pixels(kind: str) -> None:
    decoded = decode(encoded(picture(), kind), SETTINGS)
    assert np.array_equal(decoded.image, bgr(picture()))
    assert (decoded.width, decoded.height) == (60, 40)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "HEIF", "AVIF", "JPEG2000", "GIF"])
def test_a_lossy_picture_keeps_its_colours(kind: str) -> None:
    decoded = decode(encoded(picture(), kind), SETTINGS)
    difference = np.abs(decoded.image.astype(int) - bgr(picture()))
    assert np.median(difference) < 12
    assert (decoded.width, decoded.height) == (60, 40)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "HEIF"])
def test_every_exif_orientation_gives_the_same_upright_picture(orientation: int, kind: str) -> None:
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # how the camera stores what the tag then puts right
    stored = picture().transpose(Image.Transpose(undo[orientation])) if orientation > 1 else picture()
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    # The plugin for HEIF turns the picture while it saves, and records how.
    decoded = decode(encoded(stored, kind, exif=exif.tobytes(), **options), SETTINGS)
    assert (decoded.width, decoded.height) == (60, 40)
    assert decoded.image.shape == (40, 60, 3)
    # A pixel from the middle of each quarter, where compression leaves the colours alone.
    quarters = [(y, x) for y in (10, 30) for x in (15, 45)]
    for y, x in quarters:
        assert np.abs(decoded.image[y, x].astype(int) - bgr(picture())[y, x]).max() < 12


def test_an_orientation_that_does_not_exist_is_ignored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    assert np.array_equal(decode(encoded(picture(), "PNG", exif=exif.tobytes()), SETTINGS).image, bgr(picture()))


def test_damaged_metadata_does_not_make_a_picture_unreadable() -> None:
    data = encoded(picture(), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    assert decode(data, SETTINGS).image.shape == (40, 60, 3)


def test_transparent_parts_become_white() -> None:
    clear = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    assert colour(decode(encoded(clear, "PNG"), SETTINGS)) == WHITE
    half = Image.new("RGBA", (20, 20), (255, 0, 0, 128))
    assert colour(decode(encoded(half, "PNG"), SETTINGS)) == (127, 127, 255)


def test_a_palette_is_resolved_with_its_transparent_colour() -> None:
    image = Image.new("P", (20, 20), 0)
    image.putpalette([255, 0, 0, 0, 0, 0])
    assert colour(decode(encoded(image, "PNG"), SETTINGS)) == RED
    assert colour(decode(encoded(image, "PNG", transparency=0), SETTINGS)) == WHITE


def test_sixteen_bits_become_eight() -> None:
    values = np.full((20, 20), 0x80FF, dtype=np.uint16)
    for kind in ("PNG", "TIFF"):
        assert colour(decode(encoded(Image.fromarray(values), kind), SETTINGS)) == (128, 128, 128)
    _, in_colour = cv2.imencode(".png", np.full((20, 20, 3), (0x1000, 0x8000, 0xF000), dtype=np.uint16))
    assert colour(decode(in_colour.tobytes(), SETTINGS)) == (0x10, 0x80, 0xF0)


def test_thirty_two_bits_are_stretched_to_eight() -> None:
    ramp = np.linspace(-3, 70_000, 400, dtype=np.float32).reshape(20, 20)
    for values in (ramp, ramp.astype(np.int32)):
        grey = decode(encoded(Image.fromarray(values), "TIFF"), SETTINGS).image[:, :, 0]
        assert (grey.min(), grey.max()) == (0, 255)
        assert (np.diff(grey.ravel().astype(int)) >= 0).all()
    flat = np.full((20, 20), np.nan, dtype=np.float32)
    assert colour(decode(encoded(Image.fromarray(flat), "TIFF"), SETTINGS)) == (0, 0, 0)


def test_cmyk_grey_and_black_and_white_become_colour() -> None:
    cmyk = Image.new("CMYK", (20, 20), (0, 255, 255, 0))
    assert colour(decode(encoded(cmyk, "TIFF"), SETTINGS)) == RED
    blue, green, red = colour(decode(encoded(cmyk, "JPEG", quality=100), SETTINGS))
    assert red > 245
    assert max(blue, green) < 10
    assert colour(decode(encoded(Image.new("L", (20, 20), 77), "JPEG"), SETTINGS)) == (77, 77, 77)
    assert colour(decode(encoded(Image.new("1", (20, 20), 1), "PNG"), SETTINGS)) == WHITE


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_counts(kind: str) -> None:
    first, second = Image.new("RGB", (32, 32), (255, 0, 0)), Image.new("RGB", (32, 32), (0, 0, 255))
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(first, kind, save_all=True, append_images=[second], **options)
    blue, green, red = colour(decode(data, SETTINGS))
    assert red > 245
    assert max(blue, green) < 10


def test_the_bytes_and_not_a_name_say_what_a_file_is() -> None:
    # There is no name to mislead: the same call takes all of them.
    for kind in (*LOSSLESS, "JPEG", "HEIF"):
        assert decode(encoded(picture(), kind), SETTINGS).width == 60


def test_one_pixel_is_a_picture() -> None:
    decoded = decode(encoded(Image.new("RGB", (1, 1), (255, 0, 0)), "PNG"), SETTINGS)
    assert (decoded.width, decoded.height, colour(decoded)) == (1, 1, RED)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(4000, 3000), (3000, 4000), (1700, 900), (1599, 1200), (900, 9000)])
def test_a_large_picture_is_reduced_but_never_below_the_size_of_detection(kind: str, size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    image = picture(*size).transpose(Image.Transpose.ROTATE_90)
    decoded = decode(encoded(image, kind, exif=exif.tobytes()), SETTINGS)
    assert (decoded.width, decoded.height) == size
    height, width, _ = decoded.image.shape
    needed = detection_size(*size, SETTINGS)
    assert min(size[0], needed[0]) <= width < max(size[0], 1) + 1
    assert min(size[1], needed[1]) <= height
    assert width < 3 * needed[0]
    assert abs(width / height - size[0] / size[1]) < 0.02 * size[0] / size[1]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty file"),
        (b"Dear diary,\nnothing happened today.\n" * 50, "not an image: text"),
        (b"<html><body>404</body></html>", "not an image: text"),
        (b"%PDF-1.7\n\x00\x01", "not an image: PDF"),
        (b"PK\x03\x04\x14\x00\x00\x00", "not an image: ZIP archive"),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", "not an image: video"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "not an image: video or sound"),
        (b"\x00" * 1000, "not an image: unknown kind of file"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not an image: text"),
        (b"\xff\xd8", "damaged JPEG"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "truncated JPEG"),
        (b"\x89PNG\r\n\x1a\n", "damaged PNG"),
        (b"II*\x00\x08\x00\x00\x00", "truncated TIFF or camera raw"),
        (b"II*\x00\x08\x00\x00\x00\x01\x00" + bytes(40), "damaged TIFF or camera raw"),
        (b"MM\x00+\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00", "truncated TIFF"),
        (b"II*\x00\x10\x00\x00\x00CR\x02\x00", "truncated camera raw"),
        (b"II\x1a\x00\x00\x00HEAPCCDR\x02\x00", "truncated camera raw"),
    ],
)
def test_what_is_no_picture_is_refused_with_a_reason(data: bytes, expected: str) -> None:
    assert reason(data) == expected


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "HEIF", "AVIF", "JPEG2000"])
def test_a_picture_cut_off_anywhere_is_unreadable_and_never_half_a_picture(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    for part in (0.3, 0.5, 0.9):
        assert reason(data[: int(part * len(data))]).startswith(("truncated", "damaged"))


def test_a_picture_of_too_many_pixels_is_refused_by_its_header() -> None:
    # There is no pixel in this file: whoever decoded it would complain of that.
    assert reason(png_header(60_000, 60_000)) == "3,600 megapixels, at most 256 allowed"


def test_limits_can_be_set() -> None:
    small = DetectorSettings(max_bytes=100, max_megapixels=0.001)
    assert reason(bytes(101), small) == "101 bytes, at most 100 allowed"
    assert reason(encoded(Image.new("1", (60, 40)), "PNG"), small) == "0.0024 megapixels, at most 0.001 allowed"


@given(st.binary(max_size=400))
def test_decoding_any_bytes_gives_a_picture_or_a_reason(data: bytes) -> None:
    with pytest.raises(Unreadable) as refusal:
        decode(data, SETTINGS)
    assert str(refusal.value)


_SEEDS = {
    kind: encoded(picture(), kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "HEIF", "AVIF", "JPEG2000")
}


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(_SEEDS)), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12))
def test_decoding_a_damaged_picture_gives_a_picture_or_a_reason(kind: str, damage: list[tuple[float, int]]) -> None:
    data = bytearray(_SEEDS[kind])
    for place, value in damage:
        data[int(place * (len(data) - 1))] = value
    limits = DetectorSettings(max_megapixels=1)
    try:
        decoded = decode(bytes(data), limits)
    except Unreadable as refusal:
        assert str(refusal)  # noqa: PT017  both ends are allowed, and one of them is checked here
    else:
        assert decoded.image.dtype == np.uint8
        assert decoded.image.ndim == 3
        assert decoded.width * decoded.height <= 1e6


@given(st.integers(1, 70_000), st.integers(1, 70_000))
@example(2, 69_689)  # 8.6 pixels across are 9
def test_detection_has_a_bounded_cost_whatever_the_shape_of_the_picture(width: int, height: int) -> None:
    for size, doubled in ((picture_size, 0), (detection_size, SETTINGS.upsample)):
        across, down = size(width, height, SETTINGS)
        assert across >= 1
        assert down >= 1
        assert across <= SETTINGS.photo_width * 2**doubled
        rounded_down = (across - 0.5) * (down - 0.5)
        assert rounded_down <= 4.001 * (SETTINGS.photo_width * 2**doubled) ** 2


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_a_small_picture_is_enlarged_only_until_the_smallest_face_fills_the_window(width: int, height: int) -> None:
    across, _ = detection_size(width, height, SETTINGS)
    assert across <= max(1, round(width * 80 / SETTINGS.min_face))


_RAW = Path(__file__).parents[2].parent / "shared" / "data" / "raw"
needs_raw_files = pytest.mark.skipif(not _RAW.is_dir(), reason=f"needs real camera raw files in {_RAW}")


@needs_raw_files
@pytest.mark.parametrize(
    ("name", "size"),
    [("CRW_0113.CRW", (2312, 1720)), ("DC0011M.KDC", (768, 512)), ("canon_eos_6d.dng", (1224, 816))],
)
def test_a_camera_raw_file_is_developed_and_not_its_thumbnail(name: str, size: tuple[int, int]) -> None:
    decoded = decode((_RAW / name).read_bytes(), SETTINGS)
    assert (decoded.width, decoded.height) == size
    assert decoded.image.shape[1] >= min(size[0], 800)
    assert decoded.image.std() > 10


@needs_raw_files
def test_a_broken_camera_raw_file_is_unreadable() -> None:
    broken = sorted((_RAW / "broken").iterdir())
    assert broken
    for path in broken:
        assert reason(path.read_bytes()).endswith("camera raw")


@needs_raw_files
@pytest.mark.parametrize("name", ["P003911.KDC", "DC0011M.KDC", "canon_eos_6d.dng"])
@pytest.mark.parametrize("part", [0.5, 0.95, 0.999])
def test_a_camera_raw_file_that_is_cut_off_is_truncated(name: str, part: float) -> None:
    data = (_RAW / name).read_bytes()
    assert reason(data[: int(part * len(data))]) == "truncated camera raw"


@needs_raw_files
def test_every_sound_camera_raw_file_is_read() -> None:
    for path in _RAW.iterdir():
        if path.is_file():
            assert decode(path.read_bytes(), SETTINGS).width > 700


@needs_raw_files
def test_the_pixels_of_a_raw_file_are_limited_by_its_header() -> None:
    limit = DetectorSettings(max_megapixels=1)
    assert reason((_RAW / "CRW_0113.CRW").read_bytes(), limit) == "4.1 megapixels, at most 1 allowed"


def test_a_tiff_whose_first_picture_is_a_thumbnail_is_not_taken_for_it() -> None:
    thumbnail = encoded(Image.new("RGB", (16, 16)), "TIFF", tiffinfo={254: 1})
    assert reason(thumbnail) == "camera raw of an unknown kind, or damaged"


def test_the_plugin_for_heic_is_at_work() -> None:
    assert pillow_heif.libheif_info()["decoders"]
