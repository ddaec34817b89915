"""The photographs among the files of a real folder: which they are, and that nothing is opened without need."""

from pathlib import Path

import pytest

from cli.files.input_files import files_in
from cli.output.file_progress import FileProgress
from shared.adapters.folder.store import FolderStore
from shared.errors import ObjectMissing, ObjectRefused
from shared.photos.photo_files import passed_over_by_bytes, sorted_files
from shared.photos.photo_names import PassedOver, Reason
from shared.photos.photo_rule import PhotoRule, PhotoSettings
from tests.support.photo_folder import make_photo_folder


class Counting(FolderStore):
    """Remembers which files were opened; some fail."""

    def __init__(self, folder: Path, **failures: Exception) -> None:
        super().__init__({"photos": folder})
        self.opened: list[str] = []
        self._failures = failures

    def head(self, bucket: str, key: str, size: int) -> bytes:
        self.opened.append(key)
        if key in self._failures:
            raise self._failures[key]
        return super().head(bucket, key, size)


def test_each_photograph_is_found_once_among_all_that_programs_keep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESTREAM_PHOTOS_IGNORE", "Memes")
    keys = make_photo_folder(tmp_path)
    found = list(sorted_files(FolderStore({"photos": tmp_path}), "photos", PhotoRule.of(PhotoSettings())))
    assert [file.info.key for file in found if not file.passed_over] == sorted(keys)
    assert [str(path) for path in files_in(tmp_path, FileProgress())] == sorted(keys), "the other tools say the same"
    told = {file.info.key: str(file.passed_over) for file in found if file.passed_over}
    assert len(told) == 17
    assert told["@eaDir/photo.jpg/SYNOPHOTO_THUMB_XL.jpg"] == "kept by another program (Synology: @eaDir)"
    assert told["Memes/funny.jpg"] == "left out by a setting (Memes)"
    assert told["LICENSE"] == "not a picture (text)"
    assert told["best.jpg"] == told["all/"] == "link to what is there itself"


def test_only_files_whose_names_say_nothing_are_opened(tmp_path: Path) -> None:
    make_photo_folder(tmp_path)
    store = Counting(tmp_path)
    assert list(sorted_files(store, "photos", PhotoRule()))
    assert store.opened == ["2020.01.02 12.30.45", "LICENSE", "album/photo.jpg(1)", "album/photo.jpg_large"]


def test_what_cannot_be_opened_is_not_passed_over_and_what_is_gone_is(tmp_path: Path) -> None:
    for name in ("closed", "gone", "plain"):
        (tmp_path / name).write_text("no picture")
    (tmp_path / "lost").symlink_to("nowhere")
    store = Counting(tmp_path, closed=ObjectRefused("permission denied"), gone=ObjectMissing("gone"))
    found = {file.info.key: file.passed_over for file in sorted_files(store, "photos", PhotoRule())}
    assert found.keys() == {"closed", "lost", "plain"}
    assert found["closed"] is found["lost"] is None
    assert found["plain"] == PassedOver(Reason.NOT_A_PICTURE, "text")


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        (b"", "empty file"),
        (b"BMW is a make of cars", "text"),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isommp42", "video"),
        (b"\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00qt  ", "video"),
        (b"RIFF\x00\x00\x00\x00AVI ", "video or sound"),
        (b"PK\x03\x04", "ZIP archive"),
        (bytes(64), "unknown kind of file"),
    ],
)
def test_what_is_no_picture_by_its_bytes_says_what_it_is(beginning: bytes, kind: str) -> None:
    assert passed_over_by_bytes(beginning) == PassedOver(Reason.NOT_A_PICTURE, kind)


@pytest.mark.parametrize(
    "beginning",
    [
        b"\xff\xd8\xff\xe1",
        b"\x89PNG\r\n\x1a\n",
        b"II*\x00",
        b"MM\x00+",
        b"BM" + bytes(12) + b"\x28\x00\x00\x00",
        b"GIF89a",
        b"RIFF\x00\x00\x00\x00WEBP",
        b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
        b"\x00\x00\x00\x18ftypMiHB\x00\x00\x00\x00mif1heic",
        b"\x00\x00\x00\x18ftypcrx \x00\x00\x00\x01crx isom",
        b"\x00\x00\x00\x0cjP  \r\n\x87\n",
        b"\x00\x00\x00\x0cJXL \r\n\x87\n",
        b"FUJIFILMCCD-RAW 0201",
        b"IIU\x00",
    ],
)
def test_every_kind_of_picture_is_known_by_its_bytes(beginning: bytes) -> None:
    assert passed_over_by_bytes(beginning) is None
