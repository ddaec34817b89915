"""What becomes of the folders of people when a person has been there."""

import errno
import os
from pathlib import Path

import pytest

from cli.jobs.activation import activate_in_folder
from shared.adapters.sqlite.repository import SqliteRepository
from tests.support.small_results import (
    all_entries,
    contents,
    copied,
    entries,
    expected_entries,
    leave_out_what_takes_long,
    make_result,
    of_the_first_generation,
    person_of_four,
)


@pytest.fixture(autouse=True)
def _without_what_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out_what_takes_long(monkeypatch)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_result(tmp_path_factory.mktemp("made") / "result")


@pytest.fixture
def result(made: Path, tmp_path: Path) -> Path:
    return of_the_first_generation(made, tmp_path / "result")


def test_the_folders_follow_the_generations_and_crops_are_links(result: Path) -> None:
    for number in (2, 1, 2):
        told = activate_in_folder(result, number)
        assert told.count("\n") == 0, "nothing is in the way"
        assert all_entries(result) == expected_entries(result)
        assert len(list((result / "people").iterdir())) == number, "an empty folder of ours goes"
        assert all((result / path).samefile(result / "crops" / Path(path).name) for path in all_entries(result))


def test_a_file_in_a_person_folder_stays(result: Path) -> None:
    activate_in_folder(result, 2)
    other = next(folder for folder in (result / "people").iterdir() if folder != person_of_four(result))
    for folder in (other, person_of_four(result), result / "people", result / "unknown", result / "crops"):
        (folder / "own.png").write_bytes(b"mine")
    assert "kept as it is" not in activate_in_folder(result, 1)
    assert [path.name for path in other.iterdir()] == ["own.png"], "the person is gone, the file is there"
    assert len(list(result.rglob("own.png"))) == 5
    assert all_entries(result) - {str(path.relative_to(result)) for path in result.rglob("own.png")} == (
        expected_entries(result)
    )


def test_a_folder_that_was_given_a_name_stays_with_its_files(result: Path) -> None:
    folder = person_of_four(result)
    folder.rename(result / "people" / "Anna")
    before = contents(result / "people" / "Anna")
    for number in (2, 1):
        activate_in_folder(result, number)
        assert contents(result / "people" / "Anna") == before
        assert len(list(folder.iterdir())) == 4, "and the person has a folder again"


def test_a_crop_that_was_edited_stays_and_is_told_once_more_in_every_run(result: Path) -> None:
    entry = next(iter(sorted(entries(result))))
    (result / entry).unlink()
    (result / entry).write_bytes(b"mine")
    for number in (2, 1):
        assert activate_in_folder(result, number).splitlines()[1:] == [
            f"{entry} was kept as it is, since no command wrote it; the crop is not shown there"
        ]
        assert (result / entry).read_bytes() == b"mine"


def test_a_crop_that_was_edited_in_place_stays_when_its_face_is_erased(result: Path) -> None:
    entry = next(iter(sorted(entries(result))))
    (result / entry).write_bytes(b"mine")  # and so is the crop, which is the same file
    with SqliteRepository(result / "facestream.db") as repository:
        face = repository.faces_named([Path(entry).stem])[Path(entry).stem]
        repository.remove_images([face.image_id])
    (result / face.crop_key).unlink()
    activate_in_folder(result, 2)
    assert (result / entry).read_bytes() == b"mine"


def test_the_crop_of_an_erased_face_goes(result: Path) -> None:
    entry = next(iter(sorted(entries(result))))
    with SqliteRepository(result / "facestream.db") as repository:
        face = repository.faces_named([Path(entry).stem])[Path(entry).stem]
        repository.remove_images([face.image_id])
    (result / face.crop_key).unlink()
    activate_in_folder(result, 2)
    assert not (result / entry).exists()
    assert all_entries(result) == expected_entries(result)


def test_a_crop_that_a_person_moved_to_another_person_stays_there(result: Path) -> None:
    activate_in_folder(result, 2)
    folder = person_of_four(result)
    other = next(path for path in (result / "people").iterdir() if path != folder)
    moved = next(iter(folder.iterdir()))
    moved.rename(other / moved.name)
    for number in (1, 2):
        activate_in_folder(result, number)
        assert (other / moved.name).is_file()
        assert moved.is_file(), "where the database has it, it is as well"


def test_a_crop_that_was_made_anew_is_put_in_the_place_of_the_one_before(result: Path) -> None:
    entry = next(iter(sorted(entries(result))))
    crop = result / "crops" / Path(entry).name
    crop.unlink()
    crop.write_bytes(b"the same face, cut out by a newer version")
    activate_in_folder(result, 2)
    assert (result / entry).read_bytes() == crop.read_bytes()
    activate_in_folder(result, 1)
    assert all_entries(result) == expected_entries(result)


@pytest.mark.parametrize("depth", ["people", "person"])
def test_nothing_is_made_or_removed_where_a_link_leads_out_of_the_result(
    depth: str, result: Path, tmp_path: Path
) -> None:
    activate_in_folder(result, 2)
    folder = result / "people" if depth == "people" else person_of_four(result)
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    before = contents(tmp_path / "moved")
    lines = activate_in_folder(result, 1).splitlines()[1:]
    assert lines == [
        f"{folder.relative_to(result)} was kept as it is, since no command wrote it; the crop is not shown there"
    ]
    assert contents(tmp_path / "moved") == before
    activate_in_folder(result, 2)
    assert contents(tmp_path / "moved") == before


def test_much_that_is_in_the_way_is_told_in_few_lines(result: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.standalone.result.person_folders._REPORTED", 2)
    for entry in all_entries(result):
        (result / entry).unlink()
        (result / entry).write_bytes(b"mine")
    lines = activate_in_folder(result, 2).splitlines()[1:]
    assert len(lines) == 3
    assert lines[-1].endswith("more such paths were kept as they are")


def test_where_no_links_can_be_made_crops_are_copied(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_arguments: object, **_named: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuses)
    result = copied(made, tmp_path / "result")
    for number in (1, 2, 1):
        activate_in_folder(result, number)
        assert all_entries(result) == expected_entries(result)
    assert not any((result / path).samefile(result / "crops" / Path(path).name) for path in all_entries(result))
    (result / min(entries(result))).write_bytes(b"mine")
    assert min(entries(result)) in activate_in_folder(result, 2)
