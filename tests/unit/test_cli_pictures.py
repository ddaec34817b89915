import errno
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.files.input_files import content, files_in, text_of
from cli.files.output_names import flat_names, stems
from cli.output.file_progress import FileProgress
from shared.errors import InvalidInput, Unreadable
from shared.photos.photo_names import is_raw_name

words = st.sampled_from(["a", "a_1", "b", "a.jpg", "a.png", "a.jpg.png", "A.JPG", "a_1.png", "a_a.png", "a~2.png"])
longest = "é" * 124
words |= st.sampled_from([f"{longest}{end}" for end in ("", "1.jpg", "2.jpg", "2.png", ".jpg")])
paths = st.lists(st.lists(words, min_size=1, max_size=2).map(lambda parts: Path(*parts)), unique=True)


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_photographs_are_found_in_all_subfolders_whatever_the_case_of_their_extension(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    touch(tmp_path, "b/c/3.Png", "1.JPG", "b/2.jpeg", "notes.txt", "film.mp4", ".hidden.jpg", ".thumbs/4.jpg")
    assert files_in(tmp_path, FileProgress()) == [Path("1.JPG"), Path("b/2.jpeg"), Path("b/c/3.Png")]
    assert capsys.readouterr().err == "2 files were passed over: 1 video, 1 document\n"


def test_raw_files_of_every_camera_are_found_and_those_in_a_waste_bin_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    touch(tmp_path, "1.CR2", "2.cr3", "3.Nef", "4.dng", "5.jpg", "#recycle/6.dng", "#recycle/7.jpg", "8")
    assert [path.stem for path in files_in(tmp_path, FileProgress(), is_raw_name)] == ["1", "2", "3", "4"]
    assert capsys.readouterr().err == "1 file was passed over: 1 file kept by another program\n"


def test_a_linked_folder_is_read_and_a_link_to_what_is_there_itself_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    touch(tmp_path, "photos/1.jpg", "elsewhere/2.jpg")
    (tmp_path / "photos" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos" / "loop").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / "again.jpg").symlink_to("1.jpg")
    assert files_in(tmp_path / "photos", FileProgress()) == [Path("1.jpg"), Path("linked/2.jpg")]
    assert capsys.readouterr().err == "2 files were passed over: 2 links to what is there itself\n"


def test_a_name_that_says_nothing_is_decided_by_the_first_bytes(tmp_path: Path) -> None:
    names = ("2020.01.02 12.30.45", "photo.jpg(1)", "photo.jpg_large", "plain")
    for name in names:
        (tmp_path / name).write_bytes(cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    (tmp_path / "README").write_text("no picture")
    (tmp_path / "data.bin").write_bytes(bytes(100))
    assert files_in(tmp_path, FileProgress()) == [Path(name) for name in names]


def test_names_that_are_not_text_are_found_as_they_are(tmp_path: Path) -> None:
    name = os.fsdecode(b"Jos\xe9 \\1.jpg")
    touch(tmp_path, name)
    assert files_in(tmp_path, FileProgress()) == [Path(name)]


def test_a_folder_that_cannot_be_read_is_told_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    touch(tmp_path, "a.jpg", "closed/b.jpg", "lost+found/c.jpg")
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if path.name in {"closed", "lost+found"}:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    watch = FileProgress()
    assert files_in(tmp_path, watch) == [Path("a.jpg")]
    assert watch.refusals == 1
    assert capsys.readouterr().err == (
        f"{tmp_path}/closed: permission denied\n1 file was passed over: 1 file kept by another program\n"
    )


def test_no_folder_and_no_fitting_file_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    for folder, message in (
        (tmp_path / "nothing", "expected a folder, found nothing"),
        (tmp_path / "notes.txt", "expected a folder, found a file"),
        (tmp_path, "subfolders, found none; 1 file was passed over: 1 document"),
    ):
        with pytest.raises(InvalidInput, match=message):
            files_in(folder, FileProgress())


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "large.jpg").write_bytes(bytes(11))
    (tmp_path / "leads_nowhere.jpg").symlink_to(tmp_path / "gone.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    for name, reason in (
        ("large.jpg", "11 bytes, at most 10 allowed"),
        ("leads_nowhere.jpg", "no such file"),
        ("pipe.jpg", "not a regular file"),
    ):
        with pytest.raises(Unreadable, match=reason):
            content(tmp_path / name, 10)


def test_a_name_that_is_not_utf8_becomes_text() -> None:
    assert text_of(Path(os.fsdecode(b"Jos\xe9.jpg"))) == r"Jos\xe9.jpg"
    assert text_of(Path("José.jpg")) == "José.jpg"


def test_two_photographs_of_one_name_keep_their_extensions() -> None:
    names = [Path("a/x.jpg"), Path("a/x.png"), Path("a/y.jpg"), Path("b/x.jpg")]
    assert stems(names) == [Path("a/x.jpg"), Path("a/x.png"), Path("a/y"), Path("b/x")]


@given(paths=paths)
def test_no_two_photographs_ever_give_crops_of_one_name(paths: list[Path]) -> None:
    crops = [stem.with_name(f"{stem.name}_{number}.png") for stem in stems(paths) for number in range(1, 12)]
    assert len(set(crops)) == 11 * len(paths)
    assert all(len(os.fsencode(crop.name)) <= 255 for crop in crops)
    assert [stem.parent for stem in stems(paths)] == [path.parent for path in paths]


@given(paths=paths)
def test_no_two_files_in_one_folder_ever_have_one_name(paths: list[Path]) -> None:
    names = flat_names(paths)
    assert len(set(names)) == len(paths)
    assert not any("/" in name or len(os.fsencode(name)) > 255 for name in names)


def test_a_name_stays_as_it_is_where_nothing_is_in_its_way() -> None:
    assert flat_names([Path("a/1.png"), Path("a/2.png"), Path("b/1.png")]) == ["1.png", "2.png", "b_1.png"]
