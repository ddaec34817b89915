"""TIFF files of many kinds, each with pixels that are known."""

import io
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from services.detector.decoding.decode import decode
from services.detector.settings import DetectorSettings
from shared.errors import Unreadable
from tools.fuzz.tiffs import ASCII, LONG, SHORT, Page, packed, page, tiff

SETTINGS = DetectorSettings()
W, H = 60, 40
_Y, _X = np.mgrid[0:H, 0:W]
RGB: NDArray[np.uint8] = np.stack([_X * 255 // 59, _Y * 255 // 39, 255 - _X * 255 // 59], -1).astype(np.uint8)
GREY: NDArray[np.uint8] = (_X * 255 // 59).astype(np.uint8)
_BACK = {"<": "<u2", ">": ">u2"}


def shown(data: bytes) -> NDArray[np.uint8]:
    """The pixels, RGB."""
    return decode(data, SETTINGS).image[:, :, ::-1]


def reason(data: bytes) -> str:
    with pytest.raises(Unreadable) as refusal:
        decode(data, SETTINGS)
    return str(refusal.value)


def grey(values: NDArray[np.generic], bits: int, **more: object) -> bytes:
    return tiff(page([values.tobytes()], W, H, bits=bits, **more))  # type: ignore[arg-type]


def planes(values: NDArray[np.generic], compression: int = 1, predictor: int = 1) -> list[bytes]:
    parts = []
    for plane in range(values.shape[2]):
        one = np.ascontiguousarray(values[:, :, plane])
        if predictor == 2:
            one = np.diff(one, axis=1, prepend=one.dtype.type(0)).astype(one.dtype)
        parts.append(zlib.compress(one.tobytes()) if compression == 8 else one.tobytes())
    return parts


def libtiff(values: NDArray[np.uint8], compression: str) -> bytes:
    """The only strip of what libtiff writes of bytes."""
    file = io.BytesIO()
    Image.fromarray(values).save(file, "TIFF", compression=compression)
    with Image.open(io.BytesIO(file.getvalue())) as image:
        tags = image.tag_v2  # type: ignore[attr-defined]
        assert len(tags[273]) == 1
        return file.getvalue()[tags[273][0] : tags[273][0] + tags[279][0]]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("compression", "predictor"), [(1, 1), (8, 1), (8, 2)])
def test_sixteen_bits_in_planes(order: str, compression: int, predictor: int) -> None:
    values = (RGB.astype(np.uint16) * 257).astype(_BACK[order])
    data = tiff(
        page(
            planes(values, compression, predictor),
            W,
            H,
            bits=16,
            samples=3,
            photometric=2,
            compression=compression,
            more={284: (SHORT, [2]), 317: (SHORT, [predictor])},
        ),
        order=order,
    )
    assert np.array_equal(shown(data), RGB)


@pytest.mark.parametrize("bits", [8, 16])
def test_planes_in_tiles(bits: int) -> None:
    values = RGB if bits == 8 else RGB.astype("<u2") * 257
    padded = np.zeros((48, 64, 3), values.dtype)
    padded[:H, :W] = values
    parts = [
        np.ascontiguousarray(padded[y : y + 16, x : x + 16, plane]).tobytes()
        for plane in range(3)
        for y in range(0, 48, 16)
        for x in range(0, 64, 16)
    ]
    more = {284: (SHORT, [2])}
    data = tiff(page(parts, W, H, bits=bits, samples=3, photometric=2, tile=(16, 16), more=more))
    assert np.array_equal(shown(data), RGB)


def test_cmyk_of_sixteen_bits_in_planes() -> None:
    inks = np.dstack([255 - RGB, np.zeros((H, W), np.uint8)]).astype("<u2") * 257
    data = tiff(page(planes(inks), W, H, bits=16, samples=4, photometric=5, more={284: (SHORT, [2])}))
    assert np.array_equal(shown(data), RGB)


@pytest.mark.parametrize("compression", [1, 5])
@pytest.mark.parametrize("bits", [8, 16])
def test_white_may_be_zero(bits: int, compression: int) -> None:
    values = 255 - GREY if bits == 8 else 65535 - GREY.astype("<u2") * 257
    raw = np.frombuffer(values.tobytes(), np.uint8).reshape(H, -1)
    part = raw.tobytes() if compression == 1 else libtiff(raw, "tiff_lzw")
    data = tiff(page([part], W, H, bits=bits, photometric=0, compression=compression))
    assert np.array_equal(shown(data)[:, :, 0], GREY)


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 10, 12, 14])
def test_packed_grey_is_as_bright_as_it_should_be(bits: int) -> None:
    most = (1 << bits) - 1
    values = GREY.astype(np.uint32) * most // 255
    data = tiff(page([packed(values, bits)], W, H, bits=bits))
    expected = values * 255 // most
    assert np.abs(shown(data)[:, :, 1].astype(int) - expected).max() <= 1


@pytest.mark.parametrize("bits", [2, 4, 10, 12, 14])
def test_packed_colour(bits: int) -> None:
    most = (1 << bits) - 1
    values = RGB.astype(np.uint32) * most // 255
    data = tiff(page([packed(values.reshape(H, -1), bits)], W, H, bits=bits, samples=3, photometric=2))
    assert np.abs(shown(data).astype(int) - (values * 255 // most).astype(int)).max() <= 1


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("alpha", [0, 255])
def test_grey_with_transparency(bits: int, alpha: int) -> None:
    values = np.dstack([GREY, np.full_like(GREY, alpha)])
    raw = values if bits == 8 else values.astype("<u2") * 257
    data = tiff(page([raw.tobytes()], W, H, bits=bits, samples=2, more={338: (SHORT, [2])}))
    assert np.array_equal(shown(data)[:, :, 0], GREY if alpha else np.full_like(GREY, 255))


@pytest.mark.parametrize(("kind", "scale"), [("<f2", 1), ("<f4", 1), ("<f8", 1), ("<u4", 16843009)])
@pytest.mark.parametrize("samples", [1, 3])
def test_values_that_have_no_agreed_white_are_stretched(kind: str, scale: int, samples: int) -> None:
    picture = RGB if samples == 3 else GREY
    values = (picture / 255).astype(kind) if "f" in kind else (picture.astype(np.uint64) * scale).astype(kind)
    photometric = 2 if samples == 3 else 1
    more = {339: (SHORT, [3 if "f" in kind else 1] * samples)}
    bits = values.dtype.itemsize * 8
    data = tiff(page([values.tobytes()], W, H, bits=bits, samples=samples, photometric=photometric, more=more))
    assert np.abs(shown(data).astype(int) - (picture if samples == 3 else GREY[:, :, None])).max() <= 1


@pytest.mark.parametrize("kind", ["i1", "<i2", "<i4"])
def test_values_with_a_sign_are_stretched(kind: str) -> None:
    bits = np.dtype(kind).itemsize * 8
    values = ((GREY.astype(np.int64) - 128) << (bits - 8)).astype(kind)
    data = grey(values, bits, more={339: (SHORT, [2])})
    assert np.abs(shown(data)[:, :, 0].astype(int) - GREY).max() <= 1


def test_values_that_are_no_numbers_do_not_spoil_the_others() -> None:
    values = (RGB / 255).astype("<f4")
    values[0, 0] = (np.nan, np.inf, -np.inf)
    data = tiff(page([values.tobytes()], W, H, bits=32, samples=3, photometric=2, more={339: (SHORT, [3, 3, 3])}))
    assert np.abs(shown(data)[1:].astype(int) - RGB[1:]).max() <= 1


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "zstd", "tiff_adobe_deflate"])
def test_floats_in_compression_of_every_common_kind(compression: str) -> None:
    number = {"tiff_lzw": 5, "packbits": 32773, "zstd": 50000, "tiff_adobe_deflate": 8}[compression]
    raw = np.frombuffer((RGB / 255).astype("<f4").tobytes(), np.uint8).reshape(H, -1)
    more = {339: (SHORT, [3, 3, 3])}
    data = tiff(
        page([libtiff(raw, compression)], W, H, bits=32, samples=3, photometric=2, compression=number, more=more)
    )
    assert np.abs(shown(data).astype(int) - RGB).max() <= 1


@pytest.mark.parametrize("bits", [8, 16])
def test_lab(bits: int) -> None:
    lab = np.zeros((H, W, 3), np.int32)
    lab[:] = (54.29 * 255 / 100, 81, 70)  # red
    raw = lab.astype(np.uint8).tobytes() if bits == 8 else (lab * 256).astype("<u2").tobytes()
    red, green, blue = shown(tiff(page([raw], W, H, bits=bits, samples=3, photometric=8)))[3, 3].tolist()
    assert red > 240
    assert max(green, blue) < 20


def test_luma_and_chroma() -> None:
    raw = np.asarray(Image.fromarray(RGB).convert("YCbCr")).tobytes()
    more = {530: (SHORT, [1, 1])}
    data = tiff(page([raw], W, H, samples=3, photometric=6, more=more))
    assert np.abs(shown(data).astype(int) - RGB).max() <= 4


def test_a_palette() -> None:
    colours = [one * 257 for channel in range(3) for one in (np.arange(256) * (channel + 1) % 256).tolist()]
    data = tiff(page([GREY.tobytes()], W, H, photometric=3, more={320: (SHORT, colours)}))
    expected = np.stack([GREY.astype(int) * (channel + 1) % 256 for channel in range(3)], -1)
    assert np.array_equal(shown(data), expected)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_what_is_read_without_the_library_is_upright_too(orientation: int) -> None:
    turns = {1: 0, 3: 2, 6: 1, 8: 3}  # quarters against the clock, as the camera was held
    stored = np.ascontiguousarray(np.rot90(RGB, turns[orientation]))
    values = stored.astype("<u2") * 257
    height, width, _ = stored.shape
    more = {284: (SHORT, [2]), 274: (SHORT, [orientation])}
    data = tiff(page(planes(values), width, height, bits=16, samples=3, photometric=2, more=more))
    assert np.array_equal(shown(data), RGB)


def _flat(width: int, height: int, colour: tuple[int, int, int], kind: int | None = None) -> Page:
    raw = bytes(colour) * (width * height)
    return page([raw], width, height, samples=3, photometric=2, more={} if kind is None else {254: (LONG, [kind])})


RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


@pytest.mark.parametrize("maker", [False, True])
def test_a_tiff_that_begins_with_a_reduced_copy_is_read_from_its_picture(maker: bool) -> None:  # noqa: FBT001
    small, large = _flat(16, 12, RED, 1), _flat(320, 240, BLUE, 0)
    if maker:
        large = Page({**large.tags, 271: (ASCII, b"Canon\0"), 272: (ASCII, b"Canon EOS 5D\0")}, large.parts)
    decoded = decode(tiff(small, large), SETTINGS)
    assert (decoded.width, decoded.height) == (320, 240)
    assert decoded.image[0, 0, ::-1].tolist() == list(BLUE)
    child = Page({**small.tags}, small.parts, children=[large])
    assert decode(tiff(child), SETTINGS).width == 320


def test_of_many_pages_the_largest_picture_counts_and_of_equal_ones_the_first() -> None:
    mask = _flat(640, 480, WHITE, 4)
    pages = [_flat(32, 24, RED), _flat(320, 240, BLUE), _flat(320, 240, RED), mask]
    assert shown(tiff(*pages))[0, 0].tolist() == list(BLUE)
    assert decode(tiff(*pages, order=">"), SETTINGS).width == 320


def test_the_pixels_of_the_page_that_counts_are_limited() -> None:
    wide = page([b"\0"], 60_000, 60_000, bits=16, samples=3, photometric=2, more={284: (SHORT, [2])})
    for pages in ([wide], [_flat(16, 12, RED, 1), wide]):
        assert reason(tiff(*pages)) == "3,600 megapixels, at most 256 allowed"


def test_sound_files_of_kinds_that_nobody_here_decodes_are_not_called_damaged() -> None:
    for compression in (50001, 34887, 50002, 34712, 33003):  # WebP, LERC, JPEG XL, JPEG 2000
        data = tiff(page([bytes(500)], W, H, samples=3, photometric=2, compression=compression))
        assert reason(data) == "a kind of TIFF that is not supported"
    for photometric in (10, 32844, 32845):  # ITULAB, two kinds of LogLuv
        data = tiff(page([bytes(W * H * 6)], W, H, bits=16, samples=3, photometric=photometric))
        assert reason(data) == "a kind of TIFF that is not supported"


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_tiff_that_is_cut_off_is_truncated(bits: int) -> None:
    rows = [packed(RGB[at : at + 1].reshape(1, -1).astype(np.uint32), bits) for at in range(H)]
    data = tiff(page([b"".join(rows)], W, H, bits=bits, samples=3, photometric=2))
    for part in (0.95, 0.6):  # here the directory is what is missing
        assert reason(data[: int(len(data) * part)]).startswith("truncated TIFF")
    directory_first = _with_directory_first(data, sum(map(len, rows)))
    assert decode(directory_first, SETTINGS).width == W
    for part in (0.95, 0.6):
        assert reason(directory_first[: int(len(directory_first) * part)]).startswith("truncated TIFF")


def _with_directory_first(data: bytes, size: int) -> bytes:
    place = int.from_bytes(data[4:8], "little")
    directory = bytearray(data[place:])
    entries = int.from_bytes(directory[:2], "little")
    for at in range(2, 2 + 12 * entries, 12):
        tag, kind, count, value = (
            int.from_bytes(directory[at + low : at + high], "little") for low, high in ((0, 2), (2, 4), (4, 8), (8, 12))
        )
        if tag == 273:
            value = 8 + len(directory)
        elif count * {3: 2, 4: 4}[kind] > 4:
            value += 8 - place
        directory[at + 8 : at + 12] = (
            value.to_bytes(4, "little") if kind == 4 or count > 2 else directory[at + 8 : at + 12]
        )
    return data[:4] + (8).to_bytes(4, "little") + bytes(directory) + data[8 : 8 + size]
