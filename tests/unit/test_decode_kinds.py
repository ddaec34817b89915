"""Kinds of files beyond the common ones, and that every reason is true."""

import io
import pickle
import struct
import zlib

import cv2
import numpy as np
import pylibjxl
import pytest
from PIL import Image, PngImagePlugin

from services.detector.decoding import decode as decoding
from services.detector.decoding.decode import decode
from services.detector.decoding.limits import OverLimit, check_bytes
from services.detector.scale import detection_size, smallest_face
from services.detector.settings import DetectorSettings
from shared.errors import Undecoded, Unreadable
from shared.photos.file_kinds import kind_of
from tools.fuzz.seeds import ARITHMETIC_JPEG

SETTINGS = DetectorSettings()
RED, WHITE = (0, 0, 255), (255, 255, 255)  # BGR


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def picture() -> Image.Image:
    image = Image.new("RGB", (60, 40), (255, 0, 0))
    image.paste((0, 0, 255), (0, 0, 30, 20))
    return image


def reason(data: bytes, settings: DetectorSettings = SETTINGS) -> str:
    with pytest.raises(Unreadable) as refusal:
        decode(data, settings)
    return str(refusal.value)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_jpeg_xl_keeps_its_pixels(mode: str) -> None:
    image = picture().convert(mode)
    decoded = decode(pylibjxl.encode(np.asarray(image).copy(), lossless=True), SETTINGS)
    assert (decoded.width, decoded.height) == (60, 40)
    assert np.array_equal(decoded.image, np.asarray(image.convert("RGB"))[:, :, ::-1])


def test_transparent_parts_of_jpeg_xl_become_white() -> None:
    clear = np.zeros((40, 60, 4), np.uint8)
    assert (decode(pylibjxl.encode(clear, lossless=True), SETTINGS).image == 255).all()


def test_jpeg_xl_made_of_a_jpeg_is_read_and_exif_in_it_does_not_turn_it() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    boxed = pylibjxl.encode(np.asarray(picture()).copy(), exif=exif.tobytes()[6:], lossless=True)
    assert boxed[4:8] == b"JXL "
    assert decode(boxed, SETTINGS).width == 60
    made = pylibjxl.jpeg_to_jxl(encoded(picture(), "JPEG"))
    assert (decode(made, SETTINGS).width, decode(made, SETTINGS).height) == (60, 40)


def test_the_pixels_of_jpeg_xl_are_limited_by_its_header() -> None:
    large = pylibjxl.encode(np.zeros((1100, 1000, 3), np.uint8))
    assert reason(large[:30], DetectorSettings(max_megapixels=1)) == "1.1 megapixels, at most 1 allowed"
    assert reason(large[:-4]) == "damaged JPEG XL"


def test_a_jpeg_with_arithmetic_coding_is_read_and_one_that_is_cut_off_is_truncated() -> None:
    data = ARITHMETIC_JPEG
    decoded = decode(data, SETTINGS)
    assert (decoded.width, decoded.height) == (24, 16)
    assert decoded.image[8, 23, 2] > 200
    assert decoded.image[8, 0, 0] > 200
    assert np.array_equal(decode(data[:-2], SETTINGS).image, decoded.image)
    assert reason(data[:-60]) == "truncated JPEG"


def _with_text(size: int, *, international: bool) -> bytes:
    info = PngImagePlugin.PngInfo()
    if international:
        info.add_itxt("XML:com.adobe.xmp", "x" * size, zip=True)
    else:
        info.add_text("Comment", "x" * size, zip=True)
    return encoded(picture(), "PNG", pnginfo=info)


@pytest.mark.parametrize("international", [True, False])
def test_a_png_with_much_text_is_read(international: bool) -> None:  # noqa: FBT001
    data = _with_text(3_000_000, international=international)
    assert np.array_equal(decode(data, SETTINGS).image, np.asarray(picture())[:, :, ::-1])


def test_a_png_with_a_large_profile_is_read_with_its_transparency_and_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new("P", (60, 40), 0)
    image.putpalette([255, 0, 0, 0, 0, 0])
    data = encoded(image, "PNG", transparency=0, exif=exif.tobytes(), icc_profile=bytes(3_000_000))
    decoded = decode(data, SETTINGS)
    assert (decoded.width, decoded.height) == (40, 60)
    assert (decoded.image == 255).all()


def test_a_png_whose_text_is_damaged_is_read_and_one_whose_pixels_are_is_not() -> None:
    data = _with_text(3_000_000, international=False)
    at = data.index(b"zTXt") + 20
    assert decode(data[:at] + b"\0\0\0" + data[at + 3 :], SETTINGS).width == 60
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 9, (40, 60, 3), dtype=np.uint8))
    data = encoded(noise, "PNG")
    at = data.index(b"IDAT") + 100
    assert reason(data[:at] + b"\xff" * 900 + data[at + 900 :]) == "damaged PNG"


def bmp(alpha: int) -> bytes:
    pixels = np.full((4, 4, 4), (10, 20, 200, alpha), np.uint8).tobytes()
    head = struct.pack("<IiiHHIIiiII", 108, 4, 4, 1, 32, 3, len(pixels), 2835, 2835, 0, 0)
    head += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(48)
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(pixels), 0, 0, 14 + len(head)) + head + pixels


def test_a_bmp_whose_alpha_was_never_filled_in_is_opaque() -> None:
    for alpha in (0, 255):
        assert decode(bmp(alpha), SETTINGS).image[0, 0].tolist() == [10, 20, 200]
    assert decode(bmp(128), SETTINGS).image[0, 0].tolist() == [132, 137, 227]


_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


def test_an_avif_whose_xmp_alone_names_an_orientation_is_not_turned() -> None:
    assert decode(encoded(picture(), "AVIF", xmp=_XMP), SETTINGS).width == 60
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(picture(), "AVIF", xmp=_XMP, exif=exif.tobytes()), SETTINGS).width == 40


@pytest.mark.parametrize("colour", ["grey", "grey and alpha", "colour", "colour and alpha"])
def test_png_of_sixteen_bits(colour: str) -> None:
    code, samples = {"grey": (0, 1), "grey and alpha": (4, 2), "colour": (2, 3), "colour and alpha": (6, 4)}[colour]
    values = np.full((8, 8, samples), 0x80FF, ">u2")
    if samples % 2 == 0:
        values[:, :, -1] = 65535
    rows = b"".join(b"\0" + row.tobytes() for row in values)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, code, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert np.abs(decode(data, SETTINGS).image.astype(int) - 128).max() <= 1


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_png_of_few_bits(bits: int) -> None:
    most = (1 << bits) - 1
    values = np.tile(np.arange(8) * most // 7, (8, 1))
    packed = np.packbits((values[..., None] >> np.arange(bits)[::-1] & 1).astype(np.uint8).reshape(8, -1), axis=1)
    _, data = cv2.imencode(".png", np.zeros((8, 8), np.uint8))
    rows = b"".join(b"\0" + row.tobytes() for row in packed)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, bits, 0, 0, 0, 0))
    made = data.tobytes()[:8] + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert decode(made, SETTINGS).image[:, :, 0].tolist() == (values * 255 // most).tolist()


def test_inverted_cmyk_in_a_jpeg_of_photoshop_is_read_in_its_colours() -> None:
    cmyk = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    data = encoded(cmyk, "JPEG", quality=100)  # Pillow writes these inverted, with Adobe's mark, as Photoshop does
    assert b"Adobe" in data
    blue, green, red = decode(data, SETTINGS).image[16, 16].tolist()
    assert red > 245
    assert max(blue, green) < 10


@pytest.mark.parametrize(
    ("beginning", "name"),
    [
        (b"\x00\x00\x00\x18ftypheic", "HEIC"),
        (b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1heic", "HEIC"),
        (b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1avif", "AVIF"),
        (b"\x00\x00\x00\x18ftypavis", "AVIF"),
        (b"\x00\x00\x00\x18ftypcrx ", "camera raw"),
        (b"\x00\x00\x00\x18ftypqt  ", "video"),
        (b"\xff\x0a\xfa\x00", "JPEG XL"),
        (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"II\xbc\x01\x08\x00\x00\x00", "JPEG XR"),
        (b"8BPS\x00\x01", "Photoshop document"),
        (b"gimp xcf v011\x00", "GIMP document"),
        (b"\x76\x2f\x31\x01\x02\x00", "OpenEXR"),
        (b"\x00\x00\x01\x00\x01\x00", "icon"),
        (b"ID3\x04\x00", "sound"),
        (b"II+\x00\x08\x00\x00\x00", "TIFF"),
    ],
)
def test_a_kind_is_named_as_people_name_it(beginning: bytes, name: str) -> None:
    assert kind_of(beginning + bytes(40)).name == name


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError("out of memory when reading image file"),
        cv2.error("(-4:Insufficient memory) Failed to allocate 9 bytes"),
    ],
)
def test_a_want_of_memory_says_nothing_of_the_bytes(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(error, cv2.error):
        error.code = cv2.Error.StsNoMem

    def wanting(*_: object) -> None:
        raise error

    data = encoded(picture(), "PNG")
    monkeypatch.setattr(decoding, "_finished", wanting)
    with pytest.raises(Undecoded, match="not enough memory to decode it") as refusal:
        decode(data, SETTINGS)
    again = pickle.loads(pickle.dumps(refusal.value))  # noqa: S301  its own
    assert (type(again), str(again)) == (Undecoded, "not enough memory to decode it")


def test_what_a_decoder_refuses_to_allocate_is_a_matter_of_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        msg = "Memory allocation error: Security limit exceeded: image too large"
        raise RuntimeError(msg)

    monkeypatch.setattr(decoding, "_finished", refused)
    with pytest.raises(Unreadable, match="damaged PNG") as refusal:
        decode(encoded(picture(), "PNG"), SETTINGS)
    assert not isinstance(refusal.value, Undecoded)


def test_what_is_over_a_limit_says_so_and_survives_the_way_between_processes() -> None:
    with pytest.raises(OverLimit) as refusal:
        check_bytes(9, DetectorSettings(max_bytes=8))
    again = pickle.loads(pickle.dumps(refusal.value))  # noqa: S301  its own
    assert (type(again), str(again)) == (OverLimit, "9 bytes, at most 8 allowed")
    with pytest.raises(OverLimit):
        decode(encoded(picture(), "PNG"), DetectorSettings(max_megapixels=0.001))


def test_the_picture_of_a_phone_of_two_hundred_megapixels_is_within_the_limit() -> None:
    assert SETTINGS.max_megapixels >= 16384 * 12288 / 1e6


@pytest.mark.parametrize(
    ("size", "smallest"),
    [((250, 250), 20), ((400, 300), 20), ((1600, 1200), 80), ((4000, 3000), 200), ((20_000, 4000), 1000)],
)
def test_the_smallest_face_that_can_be_found_is_told(size: tuple[int, int], smallest: int) -> None:
    assert smallest_face(*size, SETTINGS) == smallest
    across, _ = detection_size(*size, SETTINGS)
    assert round(smallest * across / size[0]) >= 80
