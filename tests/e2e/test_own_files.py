"""`facestream run` and the files that a person has: the real command, in this process."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.command_line import Command, facestream_in_process
from tests.support.small_results import contents
from tools.samples import PEOPLE, link_photos, sample_photos

pytestmark = pytest.mark.slow


def run(photos: Path, out: Path, *more: str) -> Command:
    return facestream_in_process("run", photos, "--out", out, "--min-cluster-size", "3", "--processes", "1", *more)


def refused(photos: Path, out: Path, *more: str) -> str:
    """Run a command that is to be refused: nothing at all is written."""
    before = contents(photos.parent)
    done = run(photos, out, *more)
    assert done.status != 0
    assert "\n" not in done.error.strip()
    assert contents(photos.parent) == before
    return done.error


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with six photographs and their result."""
    folder = tmp_path_factory.mktemp("made")
    for person in PEOPLE[:2]:
        link_photos(folder / "photos", *sample_photos(person)[:4])
    done = run(folder / "photos", folder / "result")
    assert (done.status, done.error) == (0, "")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy, free to be changed."""
    copy = Path(shutil.copytree(made, tmp_path / "copy", symlinks=True))
    origin = copy / "result" / "run.json"
    origin.write_text(origin.read_text().replace(str(made.resolve()), str(copy.resolve())))
    return copy


def test_own_folders_of_the_same_names_are_not_taken_for_a_result(tmp_path: Path) -> None:
    pictures = tmp_path / "Pictures"
    link_photos(pictures / "album", sample_photos(PEOPLE[0])[0])
    for name in ("people/grandmother.jpg", "unknown/letter.txt", "report.html", "embeddings.csv"):
        (pictures / name).parent.mkdir(exist_ok=True)
        (pictures / name).write_bytes(b"mine")
    for photos in (pictures / "album", pictures / "people"):
        assert f"the photographs lie inside {pictures}" in refused(photos, pictures)
    link_photos(tmp_path / "photos", sample_photos(PEOPLE[0])[0])
    assert f"{pictures}: expected a new or empty folder, or the result of an earlier run" in (
        refused(tmp_path / "photos", pictures)
    )


def test_photographs_in_the_result_are_refused(folder: Path) -> None:
    person = next((folder / "result" / "people").iterdir())
    assert "the photographs lie inside" in refused(person, folder / "result")


def test_a_file_put_into_a_person_folder_and_a_folder_given_a_name_stay(folder: Path) -> None:
    result = folder / "result"
    person = next((result / "people").iterdir())
    (person / "own.txt").write_bytes(b"mine")
    person.rename(result / "people" / "Anna")
    before = contents(result / "people" / "Anna")
    for more in ([], ["--recluster"]):
        done = run(folder / "photos", result, *more)
        assert (done.status, done.error) == (0, "")
        assert contents(result / "people" / "Anna") == before
    assert person.is_dir(), "the database's own name is there as well"


@pytest.mark.parametrize("name", ["report.html", "assignments.jsonl", "embeddings.csv", "medoids.csv"])
def test_an_own_file_of_the_name_of_a_result_stops_the_run_before_it_writes(name: str, folder: Path) -> None:
    (folder / "result" / name).write_bytes(b"mine")
    shutil.rmtree(folder / "photos" / PEOPLE[0])  # there would be something to do
    with closing(sqlite3.connect(folder / "result" / "facestream.db")) as database:
        before = database.execute("SELECT count(*) FROM images").fetchall()
    done = run(folder / "photos", folder / "result")
    assert done.status != 0
    assert f"expected {name} as an earlier command wrote it" in done.error
    assert (folder / "result" / name).read_bytes() == b"mine"
    with closing(sqlite3.connect(folder / "result" / "facestream.db")) as database:
        assert database.execute("SELECT count(*) FROM images").fetchall() == before


def test_an_own_run_json_stops_the_run(folder: Path) -> None:
    (folder / "result" / "run.json").write_text(json.dumps({"marathon": "4:12"}))
    done = run(folder / "photos", folder / "result")
    assert "run.json: expected the file of an earlier run, found something else" in done.error
    assert json.loads((folder / "result" / "run.json").read_text()) == {"marathon": "4:12"}


def test_what_was_edited_is_told_at_the_end_of_the_run(folder: Path) -> None:
    entry = min((folder / "result").glob("people/*/*.png"))
    entry.unlink()
    entry.write_bytes(b"mine")
    done = run(folder / "photos", folder / "result")
    assert done.status == 0
    name = entry.relative_to(folder / "result")
    assert f"{name} was kept as it is, since no command wrote it; the crop is not shown there" in done.lines
    assert entry.read_bytes() == b"mine"


def test_a_new_result_is_its_owners_alone(made: Path) -> None:
    modes = {path: path.stat().st_mode & 0o077 for path in [made / "result", *(made / "result").rglob("*")]}
    assert set(modes.values()) == {0}, modes


def test_a_full_run_leaves_nothing_that_is_hidden_but_the_lock_and_the_notes(made: Path) -> None:
    hidden = {path.name for path in (made / "result").rglob(".*")}
    assert hidden == {".lock", ".facestream-made.db"}
