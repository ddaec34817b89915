"""A file that cannot be used, whatever the reason, is told in a line, and the others are done."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cli.files.output_names import flat_names, stems
from cli.jobs import cluster, cr2_to_jpg
from cli.jobs.chinese_whispers import ClusteringOptions
from cli.jobs.detect import crop_folder
from cli.jobs.preprocess import copy_sharp_crops
from services.detector.settings import DetectorSettings
from shared.errors import Unreadable
from tools.samples import sample_photos

LONGEST = "é" * 125 + "a.jpg"  # 255 bytes


def draw(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    path.write_bytes(cv2.imencode(".png", noise)[1].tobytes())
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_photograph_of_the_longest_name_has_its_crops_beside_those_of_the_others(tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "crops"
    photos.mkdir()
    for name in (LONGEST, "b.jpg"):
        (photos / name).write_bytes(sample_photos("mindy_kaling")[0].read_bytes())
    assert crop_folder(photos, out, landmarks=None, face_width=160, processes=1) == f"2 photographs: 2 faces in {out}"
    short, long = names_in(out)
    assert short == "b_1.png"
    assert long.startswith("é" * 100)
    assert long.endswith("_1.png")
    assert len(os.fsencode(long)) <= 255


def test_names_that_differ_only_where_they_are_cut_off_stay_different_and_the_same_in_every_run() -> None:
    paths = [Path("x", "é" * 120 + f"{number}.jpg") for number in range(9)]
    found = stems(paths)
    assert len(set(found)) == 9
    assert found == stems(paths)
    assert found[::-1] == stems(paths[::-1])
    assert all(len(os.fsencode(f"{stem.name}_1234.png")) <= 255 for stem in found)
    assert stems([found[0].with_suffix(".jpg"), paths[0]]) != [found[0], found[0]], "also where a file has that name"


def test_in_one_folder_long_names_stay_different_short_enough_and_of_their_kind() -> None:
    name = "é" * 120 + ".png"
    names = flat_names([Path(folder, name) for folder in "abcd"] + [Path("x" * 255), Path("y", "x" * 255)])
    assert len(set(names)) == 6
    assert names[0] == name
    assert all(len(os.fsencode(one)) <= 255 for one in names)
    assert all(one.endswith(".png") for one in names[:4])


@pytest.fixture
def refusing_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that cannot hold a name with a question mark, as those of Windows."""
    write = Path.write_bytes

    def write_bytes(path: Path, data: bytes) -> int:
        if "?" in path.name:
            raise OSError(errno.EINVAL, "Invalid argument", str(path))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)


def test_a_crop_whose_name_the_disk_cannot_hold_is_told_and_the_others_are_kept(
    tmp_path: Path, refusing_disk: None, capsys: pytest.CaptureFixture[str]
) -> None:
    del refusing_disk
    crops = tmp_path / "crops"
    draw(crops / "who.png").rename(crops / "who?.png")
    draw(crops / "b.png")
    line = copy_sharp_crops(crops, tmp_path / "sharp", 0)
    assert names_in(tmp_path / "sharp") == ["b.png"]
    assert line.startswith("1 crops (1 more could not be read): 1 sharp ones")
    told = capsys.readouterr().err
    assert told == f"{crops}/who?.png: its result cannot be written under the name who?.png: invalid argument\n"


def test_crops_that_vanish_or_cannot_be_written_are_told_and_the_others_are_copied(
    tmp_path: Path, refusing_disk: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del refusing_disk
    crops, out = tmp_path / "crops", tmp_path / "people"
    for name in ("a.png", "b.png", "c.png"):
        draw(crops / name)
    (crops / "c.png").rename(crops / "c?.png")

    def embedded(_folder: Path, names: list[Path], *_: object) -> Iterator[tuple[Path, NDArray[np.float32]]]:
        for name in names:
            yield name, np.array([1, 0], np.float32)
        (crops / "a.png").unlink()

    monkeypatch.setattr(cluster, "embedded", embedded)
    monkeypatch.setattr(cluster, "load_model", lambda *_: None)
    options = ClusteringOptions(threshold=0.7, iterations=50, min_cluster_size=2)
    line = cluster.cluster_folder(crops, out, model=tmp_path, batch_size=4, options=options)
    assert names_in(out) == ["1/b.png"]
    assert line == f"3 crops (2 more could not be read): 1 clusters of 1 crops in {out}, 0 crops in none"
    told = capsys.readouterr().err.splitlines()
    assert told[0] == f"{crops}/a.png: no such file or directory"
    assert told[1].startswith(f"{crops}/c?.png: its result cannot be written")


def test_a_raw_file_that_vanishes_while_it_is_developed_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = tmp_path / "a.dng"
    photo.write_bytes(b"raw")

    def develop(_data: bytes, _settings: DetectorSettings) -> SimpleNamespace:
        photo.unlink()
        return SimpleNamespace(image=np.zeros((8, 8, 3), np.uint8))

    monkeypatch.setattr(cr2_to_jpg, "develop", develop)
    with pytest.raises(Unreadable, match="no such file"):
        cr2_to_jpg._jpeg(cr2_to_jpg._Task(photo, DetectorSettings()))
