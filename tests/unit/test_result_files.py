"""What becomes of the single files of a result, and of results of a version that took no notes."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.jobs.activation import activate_in_folder
from shared.adapters.sqlite.repository import SqliteRepository
from shared.errors import InvalidInput, Transient
from tests.support.small_results import (
    active_number,
    all_entries,
    contents,
    entries,
    expected_entries,
    leave_out_what_takes_long,
    made_without_manifest,
    make_result,
    of_the_first_generation,
    person_of_four,
    seen,
    write_again,
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


FILES = ["report.html", "assignments.jsonl", "embeddings.csv", "medoids.csv"]


def edit(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"a word of mine")


def edit_and_keep_size_and_time(path: Path) -> None:
    before = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_by_a_link(path: Path) -> None:
    own = path.parent.with_name("own.html")
    own.write_bytes(b"mine")
    path.unlink()
    path.symlink_to(own)


def replace_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "own").write_bytes(b"mine")


def replace_by_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", [edit, replace_by_a_link, replace_by_a_folder])
def test_a_file_that_a_person_changed_stops_the_command_before_anything_is_written(
    name: str, change: Callable[[Path], None], result: Path
) -> None:
    change(result / name)
    before, beside = contents(result), contents(result.parent)
    with pytest.raises(InvalidInput, match=rf"expected {name} as an earlier command wrote it, .* move it away"):
        activate_in_folder(result, 2)
    assert active_number(result) == 1
    assert seen(result) == {path: data for path, data in before.items() if path in seen(result)}
    assert {path: beside[path] for path in beside if "/" not in path} == {
        path: data for path, data in contents(result.parent).items() if "/" not in path
    }


def test_a_pipe_in_the_place_of_a_file_stops_the_command_too(result: Path) -> None:
    replace_by_a_pipe(result / "medoids.csv")
    with pytest.raises(InvalidInput, match=r"expected medoids\.csv as"):
        activate_in_folder(result, 2)
    assert (result / "medoids.csv").is_fifo()


def test_all_files_that_are_a_persons_are_named_at_once(result: Path) -> None:
    for name in ("medoids.csv", "report.html"):
        edit(result / name)
    with pytest.raises(InvalidInput, match=r"expected medoids\.csv, report\.html as .* move them away"):
        activate_in_folder(result, 2)


@pytest.mark.parametrize("name", FILES)
def test_a_change_that_keeps_size_and_time_is_not_written_over(name: str, result: Path) -> None:
    edit_and_keep_size_and_time(result / name)
    changed = (result / name).read_bytes()
    with pytest.raises(InvalidInput, match=f"expected {name} as"):
        activate_in_folder(result, 2)
    assert (result / name).read_bytes() == changed
    assert all_entries(result) == expected_entries(result), "all else is made"
    (result / name).unlink()
    activate_in_folder(result, 1)
    activate_in_folder(result, 2)
    assert set(FILES) <= seen(result).keys()


def test_after_the_persons_file_is_moved_away_the_command_goes_on(result: Path) -> None:
    edit(result / "report.html")
    (result / "report.html").rename(result / "my report.html")
    activate_in_folder(result, 2)
    assert (result / "report.html").is_file()
    assert (result / "my report.html").read_bytes().endswith(b"a word of mine")


def test_a_copy_of_a_result_is_as_good_as_the_result(result: Path, tmp_path: Path) -> None:
    shutil.copytree(result, tmp_path / "copy", copy_function=shutil.copyfile)  # other times, and no links
    expected = seen(result)
    activate_in_folder(tmp_path / "copy", 2)
    activate_in_folder(tmp_path / "copy", 1)
    assert seen(tmp_path / "copy") == expected


def test_a_command_that_changes_nothing_writes_no_file_anew(result: Path) -> None:
    def times() -> dict[str, int]:
        return {name: (result / name).stat().st_mtime_ns for name in [*FILES, *all_entries(result)]}

    before, entry = times(), min(entries(result))
    with SqliteRepository(result / "facestream.db") as repository:
        repository.activate(2, 1)
        repository.activate(1, 2)
    (result / entry).unlink()
    write_again(result)
    assert times() == before


def test_a_full_disk_is_told_in_a_line_and_all_is_as_it_was(result: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = seen(result)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(Transient, match="no space left"):
            activate_in_folder(result, 2)
    assert seen(result) == before
    assert not list(result.glob(".facestream-?" + "[0-9a-f]" * 31)), "what was half written is gone"


def test_a_result_without_notes_is_taken_over(result: Path) -> None:
    activate_in_folder(result, 2)
    made_without_manifest(result)
    (person_of_four(result) / "own.png").write_bytes(b"mine")
    (result / "people" / "Anna").mkdir()
    assert activate_in_folder(result, 1).count("\n") == 0
    assert all_entries(result) == expected_entries(result) | {f"people/{person_of_four_with_own(result).name}/own.png"}
    assert {path.name for path in (result / "people").iterdir()} == {person_of_four_with_own(result).name, "Anna"}


def person_of_four_with_own(result: Path) -> Path:
    return next((result / "people").glob("*/own.png")).parent


def test_in_a_result_without_notes_what_differs_from_the_database_is_a_persons(result: Path) -> None:
    made_without_manifest(result)
    edit(result / "report.html")
    entry = min(entries(result))
    (result / entry).unlink()
    (result / entry).write_bytes(b"mine")
    with pytest.raises(InvalidInput, match=r"expected report\.html as an earlier command wrote it"):
        activate_in_folder(result, 2)
    (result / "report.html").rename(result / "mine.html")
    assert f"{entry} was kept as it is" in activate_in_folder(result, 2)
    assert (result / entry).read_bytes() == b"mine"
