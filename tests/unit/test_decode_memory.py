"""Decoding takes no more memory than its bound, which is known before; beyond the allowance it ends as an outcome."""

import os
import struct
from functools import lru_cache
from pathlib import Path

import pytest

from bench.memory import peak_of
from services.detector.decoder_memory import of_service
from services.detector.decoding import jpeg, webp
from services.detector.decoding import memory_needed as needs
from services.detector.decoding.decode import decode
from services.detector.decoding.limits import OverLimit
from services.detector.photo_pool import PhotoPool
from services.detector.settings import DetectorSettings
from shared.errors import Undecoded, Unreadable
from tests.support.crashing_tasks import fill_memory, fill_memory_with_a_picture
from tools.large_pictures import KINDS, size_of

MB = 1_000_000
MEGAPIXELS = 12.0
SMALL = size_of(0.5)


@lru_cache(maxsize=4)
def made(kind: str, megapixels: float) -> bytes:
    """Return a file of a kind; to encode one takes longer than to decode it."""
    return KINDS[kind](*size_of(megapixels))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_decoding_takes_no_more_than_its_bound(kind: str) -> None:
    data, small = made(kind, 8), made(kind, 0.5)
    free, bound = peak_of(small, data)
    assert free <= bound
    # With the bound as its limit the process has room enough, and so it has with nothing to spare beside the bound.
    held, _ = peak_of(small, data, memory=max(bound, 64 * 1024 * 1024))
    assert held <= bound


@pytest.mark.parametrize("kind", KINDS)
def test_what_needs_more_than_is_allowed_is_refused_before_any_of_it_is_taken(kind: str) -> None:
    data = KINDS[kind](*size_of(2))
    with pytest.raises(OverLimit) as refusal:
        decode(data, allowed(1))
    assert not isinstance(refusal.value, Undecoded)
    assert str(refusal.value).startswith("needs about ")
    assert str(refusal.value).endswith(" megapixels), 1 MB allowed (FACESTREAM_DETECTOR_MEMORY)")
    assert decode(data, allowed(1000)).width == size_of(2)[0] or kind == "TIFF turned"


def allowed(megabytes: int) -> DetectorSettings:
    return DetectorSettings().model_copy(update={"memory": megabytes * MB})


def test_the_reason_tells_kind_size_and_what_to_raise() -> None:
    data = KINDS["JPEG 2000"](*size_of(12))
    with pytest.raises(OverLimit) as refusal:
        decode(data, allowed(100))
    expected = "needs about 332 MB to decode (JPEG 2000, 13 megapixels), 100 MB allowed (FACESTREAM_DETECTOR_MEMORY)"
    assert str(refusal.value) == expected
    limits = DetectorSettings().model_copy(update={"memory": 1_500_000_000})
    with (
        pytest.raises(OverLimit, match=r"needs about 3\.9 GB .* 1\.5 GB allowed"),
        needs.within(needs.Need(3.85e9, 0, "JPEG 2000", 200, 1), limits),
    ):
        pytest.fail("nothing is to be decoded")


@pytest.mark.slow
def test_a_jpeg_of_256_megapixels_is_read_in_the_container_of_the_detector() -> None:
    """Its header says so, and libjpeg fills up what is missing of the pixels."""
    data = bytearray(KINDS["JPEG"](640, 480))
    struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, 13_856, 18_475)  # height and width
    settings = of_service(DetectorSettings(), 1, in_hand=3, there=2 << 30)
    with PhotoPool(1, 300, _ready, settings.memory) as pool:
        assert pool.call(_decoded, (bytes(data), settings)) == (18_475, 13_856)


@pytest.mark.parametrize(
    ("kind", "bytes_of_pixel"), [("JPEG", 0), ("JPEG progressive", 3), ("JPEG progressive 4:4:4", 6)]
)
def test_coefficients_that_a_decoder_keeps_are_counted(kind: str, bytes_of_pixel: int) -> None:
    assert jpeg.coefficients(KINDS[kind](640, 480)) == 640 * 480 * bytes_of_pixel


def test_a_jpeg_of_components_in_scans_of_their_own_keeps_its_coefficients() -> None:
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, 16, 16, 3) + bytes((1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0))
    scan = b"\xff\xda" + struct.pack(">HB", 8, 1) + bytes((1, 0, 0, 63, 0))
    assert jpeg.coefficients(b"\xff\xd8" + frame + scan + bytes(9)) == 16 * 16 * 3 * 2
    assert jpeg.coefficients(b"\xff\xd8" + frame[:-4] + scan) == 0
    assert jpeg.coefficients(b"\xff\xd8" + scan) == 0


@pytest.mark.slow
def test_a_photograph_beyond_the_allowance_is_an_outcome_and_the_next_one_is_read_by_the_same_process() -> None:
    settings = DetectorSettings(memory=100 * MB)
    large, small = KINDS["JPEG 2000"](*size_of(12)), KINDS["JPEG 2000"](*SMALL)
    with PhotoPool(1, 300, _ready, settings.memory) as pool:
        number = pool.call(_pid, None)
        outcomes = [outcome for _, outcome in pool.each(_decoded, [(large, settings), (small, settings)], Unreadable)]
        assert pool.call(_pid, None) == number
    assert isinstance(outcomes[0], OverLimit)
    assert outcomes[1] == SMALL


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [20, 40])
@pytest.mark.parametrize(
    "kind",
    [
        *("JPEG progressive", "PNG", "TIFF one strip", "TIFF F", "WebP", "WebP lossless, alpha", "AVIF", "HEIC"),
        *("JPEG 2000", "JPEG XL", "JPEG XL lossless", "DNG", "DNG monochrome"),
    ],
)
def test_a_decoder_that_has_no_memory_does_not_pass_for_a_damaged_file(kind: str, megabytes: int) -> None:
    """The bound is taken for nothing, so that the decoder meets the limit itself."""
    data, small = made(kind, MEGAPIXELS), made(kind, 0.5)
    settings = allowed(len(data) // MB + megabytes)
    with PhotoPool(1, 300, _ready, settings.memory) as pool:
        number = pool.call(_pid, None)
        with pytest.raises(Undecoded) as refusal:
            pool.call(_decoded_unbounded, (data, settings))
        assert pool.call(_pid, None) == number
        assert pool.call(_decoded_unbounded, (small, settings.model_copy(update={"memory": None}))) == SMALL
    assert str(refusal.value).startswith("not enough memory to decode it: ")
    assert str(refusal.value).endswith(" MB allowed (FACESTREAM_DETECTOR_MEMORY)")


@pytest.mark.slow
def test_work_that_takes_more_than_its_process_may_is_undecoded_and_the_process_lives() -> None:
    with PhotoPool(1, 300, memory=100 * MB) as pool:
        number = pool.call(_pid, None)
        for work in (fill_memory, fill_memory_with_a_picture):
            with pytest.raises(Undecoded, match="not enough memory to decode it: 100 MB allowed"):
                pool.call(work, 200 * MB)
        assert pool.call(fill_memory, 50 * MB) == 50 * MB
        # The task itself travels whatever its size.
        assert pool.call(len, bytes(300 * MB)) == 300 * MB
        assert pool.call(_pid, None) == number


def _ready() -> None:
    """Importing this is all that is needed."""


def _pid(_: object) -> int:
    return os.getpid()


def _decoded(task: tuple[bytes, DetectorSettings]) -> tuple[int, int]:
    found = decode(*task)
    return found.width, found.height


def _decoded_unbounded(task: tuple[bytes, DetectorSettings]) -> tuple[int, int]:
    needs._ALWAYS = -(10**12)
    return _decoded(task)


@pytest.mark.parametrize("kind", ["WebP", "WebP lossless", "WebP lossless, alpha"])
def test_the_size_of_a_webp_is_known_before_the_library_takes_memory_for_it(kind: str) -> None:
    data = KINDS[kind](640, 448)
    assert webp.header(data) == (640, 448, kind.endswith("alpha"))
    assert webp.header(data[:22]) is None
    assert webp.header(data[:12]) is None
    extended = b"RIFF" + bytes(4) + b"WEBPVP8X" + struct.pack("<LB3x", 10, 0x10) + b"\xff\x3f\0\0\1\0"
    assert webp.header(extended) == (16_384, 257, True)
    assert webp.header(extended[:-1]) is not None
    with pytest.raises(OverLimit, match=r"\d+ megapixels, at most 1 allowed"):
        decode(KINDS[kind](*size_of(12)), DetectorSettings(max_megapixels=1))


def test_what_was_measured_of_a_process_is_told_by_the_kernel() -> None:
    assert 0 < needs._resident("VmRSS") <= needs._resident("VmHWM")
    assert needs._resident("VmNothing") == 0
    assert Path(needs._HIGH_WATER[0]).exists()
