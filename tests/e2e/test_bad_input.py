"""Bad input ends well: every file of a hostile folder has a recorded outcome, and every wrong command says so."""

import io
import os
import sqlite3
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.command_line import main_in_process
from tools.samples import FACESTREAM, PEOPLE, link_photos, run_facestream, sample_photos

pytestmark = pytest.mark.slow


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises a picture of any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one good photograph and all the bad ones."""
    folder = tmp_path_factory.mktemp("hostile")
    good = sample_photos(PEOPLE[0])[0]
    link_photos(folder, good)
    face = Image.open(good)
    files = {
        "truncated.jpg": good.read_bytes()[: good.stat().st_size // 2],
        "empty.jpg": b"",
        "text.jpg": b"these are words, not a picture\n" * 20,
        "bomb.png": png_that_claims(60_000, 60_000),
        "tiny.png": encoded(Image.new("RGB", (1, 1)), "PNG"),
        "deep.png": encoded(Image.fromarray(np.full((40, 40), 40_000, np.uint16)), "PNG"),
        "cmyk.jpg": encoded(face.convert("CMYK"), "JPEG"),
        "palette.png": encoded(face.convert("P"), "PNG"),
        "animated.webp": encoded(
            face.convert("RGB"), "WEBP", save_all=True, append_images=[face.convert("RGB").rotate(90)]
        ),
        "really-a-jpeg.png": good.read_bytes() + b"1",  # what is behind the end makes it another file
        "same-content.jpg": good.read_bytes(),
        "broken.cr2": b"II*\x00\x10\x00\x00\x00CR\x02\x00" + bytes(2000),
        "sidecar.xmp": b"<x:xmpmeta/>",
        "KEEP.JPG": good.read_bytes() + b"2",
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes(good.read_bytes() + b"3")
    (folder / "loop").symlink_to(folder)
    (folder / "dangling.jpg").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe.jpg")
    return folder


@pytest.fixture(scope="module")
def images(hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str | None, int]]:
    """Outcome, reason and number of faces of each photograph, by key."""
    out = tmp_path_factory.mktemp("out") / "result"
    done = main_in_process("run", hostile, "--out", out)
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(out / "facestream.db") as database:
        rows = database.execute(
            "SELECT key, outcome, reason, (SELECT count(*) FROM faces WHERE faces.image_id = images.image_id)"
            " FROM images"
        ).fetchall()
    database.close()
    return {key: (outcome, reason, faces) for key, outcome, reason, faces in rows}


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("truncated.jpg", "truncated"),
        ("empty.jpg", "empty"),
        ("text.jpg", "not an image"),
        ("bomb.png", "megapixels"),
        ("broken.cr2", "raw"),
        ("dangling.jpg", ""),
        ("pipe.jpg", "not a regular file"),
    ],
)
def test_a_photograph_that_cannot_be_read_is_recorded_with_the_reason(
    images: dict[str, tuple[str, str | None, int]], key: str, reason: str
) -> None:
    outcome, recorded, faces = images[key]
    assert (outcome, faces) == ("unreadable", 0)
    assert recorded
    assert reason in recorded.lower()


@pytest.mark.parametrize(
    ("key", "faces"),
    [
        ("tiny.png", 0),
        ("deep.png", 0),
        ("cmyk.jpg", 1),
        ("palette.png", 1),
        ("animated.webp", 1),
        ("really-a-jpeg.png", 1),
        ("KEEP.JPG", 1),
        ("caf\\xe9.jpg", 1),
    ],
)
def test_an_unusual_photograph_is_read_like_any_other(
    images: dict[str, tuple[str, str | None, int]], key: str, faces: int
) -> None:
    assert images[key] == ("detected", None, faces)


def test_a_file_with_the_bytes_of_another_one_is_no_photograph_of_its_own(
    images: dict[str, tuple[str, str | None, int]],
) -> None:
    assert "same-content.jpg" not in images


def test_a_loop_of_links_is_walked_once_and_other_files_are_passed_over(
    images: dict[str, tuple[str, str | None, int]],
) -> None:
    assert not [key for key in images if key.startswith("loop/") or key.endswith(".xmp")]


def test_a_folder_without_read_permission_is_recorded(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    link_photos(photos, sample_photos(PEOPLE[0])[0])
    locked = photos / "locked"
    locked.mkdir()
    locked.chmod(0)
    unprivileged: list[str] = []
    if os.geteuid() == 0:  # permissions do not hold root back: give up that right of root's in the command alone
        unprivileged = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    done = subprocess.run(
        [*unprivileged, FACESTREAM, "run", photos, "--out", tmp_path / "result"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(tmp_path / "result" / "facestream.db") as database:
        recorded = database.execute("SELECT key, reason FROM images WHERE outcome = 'unreadable'").fetchall()
    database.close()
    assert [key for key, _ in recorded] == ["locked/"]
    assert "permission" in recorded[0][1].lower()


def test_a_full_disk_stops_the_run_with_one_line_and_the_next_run_goes_on(tmp_path: Path) -> None:
    photos, disk = tmp_path / "photos", tmp_path / "disk"
    link_photos(photos, *sample_photos(PEOPLE[0])[:6])
    disk.mkdir()
    undisturbed = tmp_path / "undisturbed"
    assert main_in_process("run", photos, "--out", undisturbed).returncode == 0
    inside = f"""
        mount -t tmpfs -o size=256k none {disk}
        {FACESTREAM} run {photos} --out {disk}/result; echo "first: $?"
        mount -o remount,size=64m {disk}
        {FACESTREAM} run {photos} --out {disk}/result; echo "second: $?"
        head -c 64M /dev/zero > {disk}/other 2> /dev/null; truncate -s -48K {disk}/other
        {FACESTREAM} run {photos} --out {disk}/result; echo "third: $?"
        cmp {disk}/result/assignments.jsonl {undisturbed}/assignments.jsonl && echo same
    """
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "bash", "-c", inside], check=False, capture_output=True, text=True
    )
    assert "first: 1" in done.stdout, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(errors) == 2, "the crops did not fit at first, and in the end the results did not"
    assert all("no space left" in error for error in errors)
    assert "second: 0" in done.stdout
    assert "third: 1" in done.stdout
    assert done.stdout.endswith("same\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{tmp}/nowhere", "--out", "{tmp}/result"], ["{tmp}/nowhere", "expected a folder of photographs"]),
        (["{photos}", "--out", "{photos}/result"], ["inside the photographs"]),
        (["{photos}", "--out", "{tmp}/result", "--model", "{tmp}/nowhere"], ["{tmp}/nowhere", "expected"]),
        (["{photos}", "--out", "{tmp}/result", "--model", "{tmp}/wrong.h5"], ["wrong.h5", "expected"]),
    ],
)
def test_a_wrong_command_ends_with_one_line_that_says_what_to_do(
    tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    photos = tmp_path / "photos"
    link_photos(photos, sample_photos(PEOPLE[0])[0])
    (tmp_path / "wrong.h5").write_bytes(b"no model")
    places = {"tmp": tmp_path, "photos": photos}
    done = main_in_process("run", *(word.format(**places) for word in arguments))
    assert done.returncode in (1, 2)
    assert len(done.stderr.splitlines()) == 1, done.stderr
    for word in words:
        assert word.format(**places) in done.stderr


def test_a_second_run_in_the_same_folder_is_refused_while_the_first_works(tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "result"
    link_photos(photos, *sample_photos(PEOPLE[0])[:4])
    with subprocess.Popen([FACESTREAM, "run", photos, "--out", out], stdout=subprocess.DEVNULL) as first:
        while not (out / "facestream.db").exists():
            assert first.poll() is None
        second = run_facestream("run", photos, "--out", out)
        assert first.wait() == 0
    assert second.returncode == 2
    assert second.stdout == ""
    assert len(second.stderr.splitlines()) == 1, second.stderr
    assert "another command" in second.stderr
