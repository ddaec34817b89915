"""`facestream run` on a library of real photographs that is copied, renamed, away, edited, cut and put back."""

import csv
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from tests.support.command_line import facestream_in_process
from tools.samples import PEOPLE, link_photos, sample_photos

pytestmark = pytest.mark.slow

Faces = dict[str, str | None]


@dataclass(frozen=True)
class Library:
    """A folder of photographs and its result."""

    photos: Path
    out: Path

    def run(self, *options: str) -> list[str]:
        """Run and return the last lines, those without progress."""
        done = facestream_in_process("run", self.photos, "--out", self.out, "--min-cluster-size", "4", *options)
        assert done.status == 0, done.error
        return [line for line in done.lines if "━" not in line]

    def events(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.out / "assignments.jsonl").read_text().splitlines()]

    def people(self) -> Faces:
        """Return the person of each face."""
        return {str(event["face_id"]): event["cluster_id"] for event in self.events()}  # type: ignore[misc]

    def keys(self) -> dict[str, str]:
        """Return the photograph of each face."""
        return {str(event["face_id"]): str(event["key"]) for event in self.events()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Thirty photographs of three people."""
    folder = tmp_path_factory.mktemp("made")
    for person in PEOPLE[:3]:
        link_photos(folder / "photos", *sample_photos(person)[:10])
    library = Library(folder / "photos", folder / "result")
    library.run()
    return library


@pytest.fixture
def library(made: Library, tmp_path: Path) -> Iterator[Library]:
    """The same, free to be changed; it lies where it was made, since a result belongs to a folder."""
    kept = made.photos.with_name("kept")
    made.photos.rename(kept)
    shutil.copytree(kept, made.photos, copy_function=shutil.copy2)
    shutil.copytree(made.out, tmp_path / "result")
    try:
        yield Library(made.photos, tmp_path / "result")
    finally:
        shutil.rmtree(made.photos)
        kept.rename(made.photos)


def test_the_same_photographs_of_another_time_change_nothing(library: Library) -> None:
    before = (library.out / "assignments.jsonl").read_bytes()
    for path in library.photos.rglob("*.jpg"):
        os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 3_600_000_000_000))
    library.run("--recluster")
    assert (library.out / "assignments.jsonl").read_bytes() == before


def test_the_library_in_another_place_is_the_same_library(library: Library, tmp_path: Path) -> None:
    before = (library.out / "assignments.jsonl").read_bytes()
    shutil.copytree(library.photos, tmp_path / "elsewhere", copy_function=shutil.copy)
    Library(tmp_path / "elsewhere", library.out).run()
    assert (library.out / "assignments.jsonl").read_bytes() == before


def test_a_renamed_folder_keeps_faces_and_people_and_is_told_of_under_its_new_name(library: Library) -> None:
    people, keys = library.people(), library.keys()
    (library.photos / PEOPLE[0]).rename(library.photos / "holidays")
    library.run()
    assert library.people() == people
    assert library.keys() == {face: key.replace(PEOPLE[0], "holidays") for face, key in keys.items()}


def test_a_folder_that_is_away_for_a_run_is_kept_and_told_of(library: Library, tmp_path: Path) -> None:
    before = library.people()
    (library.photos / PEOPLE[0]).rename(tmp_path / "unplugged")
    lines = library.run("--recluster")
    assert library.people() == before
    assert any("10 photographs missing, and kept" in line and "--forget-missing" in line for line in lines), lines
    (tmp_path / "unplugged").rename(library.photos / PEOPLE[0])
    lines = library.run("--recluster")
    assert library.people() == before
    assert lines[-1] == "The faces were not grouped again: no face came or went; the people would be the same."


def test_a_folder_that_a_person_gave_up_is_forgotten_with_all_that_was_derived_from_it(library: Library) -> None:
    vectors = {tuple(row[1:]) for row in csv.reader((library.out / "medoids.csv").read_text().splitlines())}
    gone = {face for face, key in library.keys().items() if key.startswith(PEOPLE[0])}
    shutil.rmtree(library.photos / PEOPLE[0])
    library.run("--forget-missing")
    assert gone.isdisjoint(library.people())
    assert gone.isdisjoint(path.stem for path in library.out.rglob("*.png"))
    left = {tuple(row[1:]) for row in csv.reader((library.out / "medoids.csv").read_text().splitlines())}
    assert left < vectors


def test_photographs_that_were_deleted_and_come_back_are_who_they_were(library: Library, tmp_path: Path) -> None:
    before = library.people()
    for path in sorted((library.photos / PEOPLE[1]).iterdir())[:5]:
        path.rename(tmp_path / path.name)
    library.run()
    assert len(library.people()) == len(before) - 5
    for path in tmp_path.glob("*.jpg"):
        path.rename(library.photos / PEOPLE[1] / path.name)
    library.run()
    assert library.people() == before
    library.run("--recluster")
    assert library.people() == before


def test_an_orientation_that_was_set_in_place_is_seen(library: Library) -> None:
    path = library.photos / PEOPLE[2] / "turned.jpg"
    with Image.open(sample_photos(PEOPLE[2])[11]) as image:
        exif = image.getexif()
        exif[0x0112] = 1
        image.convert("RGB").save(path, exif=exif)
    library.run()
    faces = {face for face, key in library.keys().items() if key.endswith("turned.jpg")}
    assert len(faces) == 1
    times, data = path.stat(), path.read_bytes()
    tag = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00"
    assert data.count(tag + b"\x01") == 1
    path.write_bytes(data.replace(tag + b"\x01", tag + b"\x02"))  # mirrored
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    library.run()
    after = {face for face, key in library.keys().items() if key.endswith("turned.jpg")}
    assert len(after) == 1
    assert after != faces


def test_what_was_over_a_limit_is_read_when_the_limit_rises(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    with Image.open(sample_photos(PEOPLE[2])[11]) as image:
        image.resize((image.width * 2000 // image.height, 2000)).save(library.photos / "large.jpg")
    monkeypatch.setenv("FACESTREAM_DETECTOR_MAX_MEGAPIXELS", "1.5")
    lines = library.run()
    assert "large.jpg" not in library.keys().values()
    assert "unreadable" in lines[0]
    monkeypatch.delenv("FACESTREAM_DETECTOR_MAX_MEGAPIXELS")
    library.run()
    assert "large.jpg" in library.keys().values()


def test_a_link_is_read_when_its_target_is_there_again(library: Library, tmp_path: Path) -> None:
    (library.photos / "late.jpg").symlink_to(tmp_path / "target.jpg")
    library.run()
    assert "late.jpg" not in library.keys().values()
    shutil.copy(sample_photos(PEOPLE[2])[11], tmp_path / "target.jpg")
    library.run()
    assert "late.jpg" in library.keys().values()


def test_a_first_run_over_five_photographs_does_not_decide_who_there_is(tmp_path: Path) -> None:
    library = Library(tmp_path / "photos", tmp_path / "result")
    link_photos(library.photos, *sample_photos(PEOPLE[0])[:3])
    assert library.run()[1].startswith("No people yet")
    for person in PEOPLE[:2]:
        link_photos(library.photos, *sample_photos(person)[3:11])
    library.run()
    assert len(set(library.people().values()) - {None}) == 2


def test_a_folder_without_faces_ends_with_sentences(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    library = Library(tmp_path / "photos", tmp_path / "result")
    assert library.run() == ["There is no photograph in this folder."]
    Image.new("RGB", (300, 200), "green").save(tmp_path / "photos" / "meadow.jpg")
    assert library.run() == ["1 photograph: 0 faces", "No face was found on it."]


def test_copies_and_links_count_once(library: Library) -> None:
    before = library.people()
    first = min((library.photos / PEOPLE[0]).iterdir())
    shutil.copy(first, library.photos / "copy.jpg")
    os.link(first, library.photos / "hard.jpg")
    (library.photos / "soft.jpg").symlink_to(first)
    lines = library.run()
    assert library.people() == before
    assert any(line.startswith("1 file was passed over: 1 link") for line in lines), lines
    assert any(line.startswith("2 files with the bytes of another photograph") for line in lines), lines
