"""What becomes of the folders of people, and of the files beside them, when a person has been there."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.jobs.switching import go_back
from services.standalone.manifest import Manifest
from services.standalone.report.page import Text
from shared.adapters.sqlite import SqliteRepository
from shared.errors import InvalidInput, Transient
from shared.ports import FaceRepository
from tests.regrouping import Killed
from tests.small_results import active_number, contents, copied, killed_at, make_result


@pytest.fixture(autouse=True)
def _without_what_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    def write_page(repository: FaceRepository, _objects: object, file: Text, **_looks: object) -> None:
        active = repository.active_generation()
        file.write(f"the report of generation {active and active.number}")

    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setattr("services.standalone.contents.write_page", write_page)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_result(tmp_path_factory.mktemp("made") / "result")


@pytest.fixture
def result(made: Path, tmp_path: Path) -> Path:
    """A result with generation 1 active: one person of 4, and 4 that are unknown."""
    result = copied(made, tmp_path / "result")
    go_back(result, 1)
    return result


def seen(result: Path) -> dict[str, bytes | str | None]:
    """All that a person reads, and nothing hidden."""
    return {path: data for path, data in contents(result).items() if path[0] != "." and "facestream.db" not in path}


def entries(result: Path, folder: str = "people/*") -> set[str]:
    return {str(path.relative_to(result)) for path in result.glob(f"{folder}/*.png")}


def expected_entries(result: Path) -> set[str]:
    with SqliteRepository(result / "facestream.db") as repository:
        members = list(repository.memberships(active_number(result)))
    return {
        f"people/{member.cluster_id}/{member.face_id}.png" if member.cluster_id else f"unknown/{member.face_id}.png"
        for member in members
    }


def all_entries(result: Path) -> set[str]:
    return entries(result) | entries(result, "unknown")


def person_of_four(result: Path) -> Path:
    return next(folder for folder in sorted((result / "people").iterdir()) if len(list(folder.iterdir())) == 4)


def test_the_folders_follow_the_generations_and_crops_are_links(result: Path) -> None:
    for number in (2, 1, 2):
        told = go_back(result, number)
        assert told.count("\n") == 0, "nothing is in the way"
        assert all_entries(result) == expected_entries(result)
        assert len(list((result / "people").iterdir())) == number, "an empty folder of ours goes"
        assert all((result / path).samefile(result / "crops" / Path(path).name) for path in all_entries(result))


def test_a_file_in_a_person_folder_stays(result: Path) -> None:
    go_back(result, 2)
    other = next(folder for folder in (result / "people").iterdir() if folder != person_of_four(result))
    for folder in (other, person_of_four(result), result / "people", result / "unknown", result / "crops"):
        (folder / "own.png").write_bytes(b"mine")
    assert "left as it is" not in go_back(result, 1)
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
        go_back(result, number)
        assert contents(result / "people" / "Anna") == before
        assert len(list(folder.iterdir())) == 4, "and the person has a folder again"


def test_a_crop_that_was_edited_stays_and_is_told_once_more_in_every_run(result: Path) -> None:
    entry = next(iter(sorted(entries(result))))
    (result / entry).unlink()
    (result / entry).write_bytes(b"mine")
    for number in (2, 1):
        assert go_back(result, number).splitlines()[1:] == [
            f"{entry} was left as it is: no command wrote it, so that no crop is put there"
        ]
        assert (result / entry).read_bytes() == b"mine"


def test_a_crop_that_was_edited_in_place_stays_when_its_face_is_erased(result: Path) -> None:
    entry = next(iter(sorted(entries(result))))
    (result / entry).write_bytes(b"mine")  # and so is the crop, which is the same file
    with SqliteRepository(result / "facestream.db") as repository:
        face = repository.faces_named([Path(entry).stem])[Path(entry).stem]
        repository.remove_images([face.image_id])
    (result / face.crop_key).unlink()
    go_back(result, 2)
    assert (result / entry).read_bytes() == b"mine"


def test_the_crop_of_an_erased_face_goes(result: Path) -> None:
    entry = next(iter(sorted(entries(result))))
    with SqliteRepository(result / "facestream.db") as repository:
        face = repository.faces_named([Path(entry).stem])[Path(entry).stem]
        repository.remove_images([face.image_id])
    (result / face.crop_key).unlink()
    go_back(result, 2)
    assert not (result / entry).exists()
    assert all_entries(result) == expected_entries(result)


def test_a_crop_that_a_person_moved_to_another_person_stays_there(result: Path) -> None:
    go_back(result, 2)
    folder = person_of_four(result)
    other = next(path for path in (result / "people").iterdir() if path != folder)
    moved = next(iter(folder.iterdir()))
    moved.rename(other / moved.name)
    for number in (1, 2):
        go_back(result, number)
        assert (other / moved.name).is_file()
        assert moved.is_file(), "where the database has it, it is as well"


def test_a_crop_that_was_made_anew_is_put_in_the_place_of_the_one_before(result: Path) -> None:
    entry = next(iter(sorted(entries(result))))
    crop = result / "crops" / Path(entry).name
    crop.unlink()
    crop.write_bytes(b"the same face, cut out by a newer version")
    go_back(result, 2)
    assert (result / entry).read_bytes() == crop.read_bytes()
    go_back(result, 1)
    assert all_entries(result) == expected_entries(result)


@pytest.mark.parametrize("depth", ["people", "person"])
def test_nothing_is_made_or_removed_where_a_link_leads_out_of_the_result(
    depth: str, result: Path, tmp_path: Path
) -> None:
    go_back(result, 2)
    folder = result / "people" if depth == "people" else person_of_four(result)
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    before = contents(tmp_path / "moved")
    lines = go_back(result, 1).splitlines()[1:]
    assert lines == [
        f"{folder.relative_to(result)} was left as it is: no command wrote it, so that no crop is put there"
    ]
    assert contents(tmp_path / "moved") == before
    go_back(result, 2)
    assert contents(tmp_path / "moved") == before


def test_much_that_is_in_the_way_is_told_in_few_lines(result: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.standalone.person_folders._ENTRIES_TOLD", 2)
    for entry in all_entries(result):
        (result / entry).unlink()
        (result / entry).write_bytes(b"mine")
    lines = go_back(result, 2).splitlines()[1:]
    assert len(lines) == 3
    assert lines[-1].endswith("more such places were left as they are")


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
    with pytest.raises(InvalidInput, match=rf"expected in {name} what an earlier command wrote .* move it away"):
        go_back(result, 2)
    assert active_number(result) == 1
    assert seen(result) == {path: data for path, data in before.items() if path in seen(result)}
    assert {path: beside[path] for path in beside if "/" not in path} == {
        path: data for path, data in contents(result.parent).items() if "/" not in path
    }


def test_a_pipe_in_the_place_of_a_file_stops_the_command_too(result: Path) -> None:
    replace_by_a_pipe(result / "medoids.csv")
    with pytest.raises(InvalidInput, match=r"expected in medoids\.csv"):
        go_back(result, 2)
    assert (result / "medoids.csv").is_fifo()


def test_all_files_that_are_a_persons_are_named_at_once(result: Path) -> None:
    for name in ("medoids.csv", "report.html"):
        edit(result / name)
    with pytest.raises(InvalidInput, match=r"expected in medoids\.csv, report\.html what .* move them away"):
        go_back(result, 2)


@pytest.mark.parametrize("name", FILES)
def test_a_change_that_keeps_size_and_time_is_not_written_over(name: str, result: Path) -> None:
    edit_and_keep_size_and_time(result / name)
    changed = (result / name).read_bytes()
    with pytest.raises(InvalidInput, match=f"expected in {name}"):
        go_back(result, 2)
    assert (result / name).read_bytes() == changed
    assert all_entries(result) == expected_entries(result), "all else is made"
    (result / name).unlink()
    go_back(result, 1)
    go_back(result, 2)
    assert set(FILES) <= seen(result).keys()


def test_after_the_persons_file_is_moved_away_the_command_goes_on(result: Path) -> None:
    edit(result / "report.html")
    (result / "report.html").rename(result / "my report.html")
    go_back(result, 2)
    assert (result / "report.html").is_file()
    assert (result / "my report.html").read_bytes().endswith(b"a word of mine")


def test_a_copy_of_a_result_is_as_good_as_the_result(result: Path, tmp_path: Path) -> None:
    shutil.copytree(result, tmp_path / "copy", copy_function=shutil.copyfile)  # other times, and no links
    expected = seen(result)
    go_back(tmp_path / "copy", 2)
    go_back(tmp_path / "copy", 1)
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


def write_again(result: Path) -> None:
    """Make the files of the active generation anew, as a run does that found nothing new."""
    from services.quality.settings import QualitySettings  # noqa: PLC0415  here as in the command
    from services.standalone.result_folder import held  # noqa: PLC0415
    from services.standalone.results import ResultFiles  # noqa: PLC0415
    from shared.adapters.folder import FolderStore  # noqa: PLC0415
    from shared.matching import AssignerSettings  # noqa: PLC0415
    from shared.settings import BucketSettings  # noqa: PLC0415

    buckets, assigner, quality = BucketSettings(), AssignerSettings(), QualitySettings()
    crops = FolderStore({buckets.faces: result})
    with held(result), SqliteRepository(result / "facestream.db") as repository:
        files = ResultFiles(repository, crops, repository.file_index(), result, buckets, assigner, quality)
        files.check()
        files.write()


def test_where_no_links_can_be_made_crops_are_copied(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_arguments: object, **_named: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuses)
    result = copied(made, tmp_path / "result")
    for number in (1, 2, 1):
        go_back(result, number)
        assert all_entries(result) == expected_entries(result)
    assert not any((result / path).samefile(result / "crops" / Path(path).name) for path in all_entries(result))
    (result / min(entries(result))).write_bytes(b"mine")
    assert min(entries(result)) in go_back(result, 2)


def test_a_full_disk_is_told_in_a_line_and_all_is_as_it_was(result: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = seen(result)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(Transient, match="no space left"):
            go_back(result, 2)
    assert seen(result) == before
    assert not list(result.glob(".facestream-?" + "[0-9a-f]" * 31)), "what was half written is gone"


def made_without_notes(result: Path) -> Path:
    """Make it what a version left that took no notes."""
    (result / ".facestream-made.db").unlink()
    return result


def test_a_result_without_notes_is_taken_over(result: Path) -> None:
    go_back(result, 2)
    made_without_notes(result)
    (person_of_four(result) / "own.png").write_bytes(b"mine")
    (result / "people" / "Anna").mkdir()
    assert go_back(result, 1).count("\n") == 0
    assert all_entries(result) == expected_entries(result) | {f"people/{person_of_four_with_own(result).name}/own.png"}
    assert {path.name for path in (result / "people").iterdir()} == {person_of_four_with_own(result).name, "Anna"}


def person_of_four_with_own(result: Path) -> Path:
    return next((result / "people").glob("*/own.png")).parent


def test_in_a_result_without_notes_what_differs_from_the_database_is_a_persons(result: Path) -> None:
    made_without_notes(result)
    edit(result / "report.html")
    entry = min(entries(result))
    (result / entry).unlink()
    (result / entry).write_bytes(b"mine")
    with pytest.raises(InvalidInput, match=r"expected in report\.html what an earlier command wrote"):
        go_back(result, 2)
    (result / "report.html").rename(result / "mine.html")
    assert f"{entry} was left as it is" in go_back(result, 2)
    assert (result / entry).read_bytes() == b"mine"


class Notes:
    """Kills the process before or after any note is taken, as `killed_at` does for all else."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, made: list[str], step: int) -> None:
        for name in ("begin", "note", "settle", "forget_folders", "scratch"):
            monkeypatch.setattr(Manifest, name, self._dying(name, getattr(Manifest, name), made, step))

    @staticmethod
    def _dying(name: str, real: Callable[..., object], made: list[str], step: int) -> Callable[..., object]:
        def take(*arguments: object, **named: object) -> object:
            if len(made) >= step:
                raise Killed
            result = real(*arguments, **named)
            made.append(name)
            return result

        return take


@pytest.mark.slow
@pytest.mark.parametrize("adopting", [False, True])
def test_killed_at_any_step_nothing_is_lost_and_the_next_command_ends_as_if_nothing_had_been(
    result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, adopting: bool
) -> None:
    (result / "people" / "own.png").write_bytes(b"mine")
    (person_of_four(result) / "own.png").write_bytes(b"mine")
    go_back(copied(result, tmp_path / "undisturbed"), 2)
    undisturbed = seen(tmp_path / "undisturbed")
    crops = seen(result / "crops")
    if adopting:
        made_without_notes(result)
    step, whole = 0, False
    while not whole:
        out = copied(result, tmp_path / f"killed at {step}")
        with monkeypatch.context() as patched:
            try:
                with killed_at(step) as made:
                    Notes(patched, made, step)
                    go_back(out, 2)
                whole = True
            except Killed:
                pass
        there = seen(out)
        for path, data in there.items():
            assert data in (seen(result).get(path), undisturbed.get(path)), "whole, the old one or the new one"
        assert seen(out / "crops") == crops
        if active_number(out) == 2:
            write_again(out)
        else:
            go_back(out, 2)
        assert seen(out) == undisturbed
        assert not [path for path in out.iterdir() if path.name.startswith(".facestream-") and path.suffix != ".db"]
        go_back(out, 1)
        assert seen(out) == seen(result), "and everything that is ours is still known to be"
        shutil.rmtree(out)
        step += 1
    assert step > 15
