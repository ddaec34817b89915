"""Which folder may be a result, who may be in it, and who may read it."""

import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cli.jobs.activation import activate_in_folder
from cli.main import main
from services.standalone.result.folder import check_folders
from services.standalone.result.lock import locked
from shared.errors import InvalidInput, Transient
from tests.support.small_results import contents, make_result


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "2024").mkdir(parents=True)
    (folder / "2024" / "a.jpg").write_bytes(b"a photograph")
    return folder


def refusal(photos: Path, out: Path) -> str:
    """Return why a command is refused, having checked that it is in one line and that nothing is written."""
    before = contents(photos.parent)
    with pytest.raises(InvalidInput) as refused:
        check_folders(photos, out)
    assert contents(photos.parent) == before
    assert "\n" not in str(refused.value)
    return str(refused.value)


def write_text_named_as_the_database(out: Path) -> None:
    (out / "facestream.db").write_text("people who face the stream")


def write_another_programs_database(out: Path) -> None:
    with closing(sqlite3.connect(out / "facestream.db")) as database:
        database.execute("CREATE TABLE notes (text)")


def write_settings_of_another_program(out: Path) -> None:
    (out / "run.json").write_text("{}")


def write_text_named_as_the_lock(out: Path) -> None:
    (out / ".lock").write_text("1234")


def link_to_the_database_of_a_result(out: Path) -> None:
    (out / "facestream.db").symlink_to(make_result(out.parent / "another") / "facestream.db")


def make_folders_of_people(out: Path) -> None:
    for name in ("people", "unknown"):
        (out / name).mkdir()


@pytest.mark.parametrize(
    "fill",
    [
        write_text_named_as_the_database,
        write_another_programs_database,
        write_settings_of_another_program,
        write_text_named_as_the_lock,
        link_to_the_database_of_a_result,
        make_folders_of_people,
    ],
)
def test_a_folder_that_is_neither_new_nor_empty_nor_a_result_is_refused(
    fill: Callable[[Path], None], photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    fill(out)
    assert f"{out}: expected a new or empty folder, or the result of an earlier run; found other" in refusal(
        photos, out
    )


def test_a_new_folder_an_empty_one_and_a_result_are_accepted(photos: Path, tmp_path: Path) -> None:
    check_folders(photos, tmp_path / "new" / "result")
    assert not (tmp_path / "new").exists()
    (tmp_path / "empty").mkdir()
    check_folders(photos, tmp_path / "empty")
    result = make_result(tmp_path / "result")
    (result / "album").mkdir()
    (result / "holiday.jpg").write_bytes(b"mine")
    check_folders(photos, result)


@pytest.mark.parametrize("left", [[".lock"], [".lock", ".facestream-made.db"], [".lock", "facestream.db"]])
def test_what_a_run_leaves_that_is_killed_at_its_very_beginning_is_gone_on_with(
    left: list[str], photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in left:
        (out / name).touch()
    check_folders(photos, out)
    with locked(out, photos):
        pass
    check_folders(photos, out)


def test_a_result_whose_database_a_person_has_replaced_is_refused(photos: Path, tmp_path: Path) -> None:
    with locked(tmp_path / "out"):
        pass
    (tmp_path / "out" / "facestream.db").write_text("mine")
    assert "facestream.db: expected the database of a result, found something else" in refusal(photos, tmp_path / "out")


def test_a_file_where_the_notes_are_to_be_stays(photos: Path, tmp_path: Path) -> None:
    result = make_result(tmp_path / "result")
    (result / ".facestream-made.db").write_text("mine")
    check_folders(photos, result)
    expected = r"facestream-made\.db: expected the list of files that facestream has made, .* move it away"
    with pytest.raises(InvalidInput, match=expected):
        activate_in_folder(result, 1)
    assert (result / ".facestream-made.db").read_text() == "mine"


@pytest.mark.parametrize("place", ["", "album", "people/x"])
def test_photographs_inside_the_result_are_refused(place: str, tmp_path: Path) -> None:
    result = make_result(tmp_path / "result")
    (result / place).mkdir(parents=True, exist_ok=True)
    (tmp_path / "link").symlink_to(result / place)
    for photos in (result / place, tmp_path / "link"):
        assert "inside" in refusal(photos, result)


def test_a_result_inside_the_photographs_is_refused(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(photos)
    for out in (photos, photos / "result", photos / "2024" / "new" / "result", tmp_path / "link" / "result"):
        assert "the result lies inside the photographs" in refusal(photos, out)


@pytest.mark.parametrize("target", ["", "crops", ".."])
@pytest.mark.parametrize("exists", [True, False])
def test_photographs_that_lead_to_the_result_by_a_link_are_refused(
    target: str, photos: Path, tmp_path: Path, *, exists: bool
) -> None:
    out = tmp_path / "disk" / "result"
    (tmp_path / "disk").mkdir()
    if exists:
        make_result(out)
    (photos / "2024" / "more").symlink_to(out / target if target != ".." else out.parent)
    assert f"lead to the result by {photos / '2024' / 'more'}" in refusal(photos, out)


def test_links_that_lead_elsewhere_and_in_a_circle_are_no_reason(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (photos / "disk").symlink_to(tmp_path / "disk")
    (photos / "circle").symlink_to(photos)
    (photos / "itself").symlink_to(photos / "itself")
    (photos / "gone").symlink_to(tmp_path / "gone")
    check_folders(photos, tmp_path / "result")


@pytest.mark.parametrize("kind", ["a link", "a file"])
def test_crops_go_to_a_folder_of_the_result_only(kind: str, photos: Path, tmp_path: Path) -> None:
    result = make_result(tmp_path / "result")
    (result / "crops").rename(tmp_path / "crops")
    if kind == "a link":
        (result / "crops").symlink_to(tmp_path / "crops")
    else:
        (result / "crops").write_bytes(b"mine")
    assert "crops: expected a folder for the crops, found a " in refusal(photos, result)


def test_a_lock_that_is_a_link_is_refused_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    result = make_result(tmp_path / "result")
    (tmp_path / "mine").write_text("mine")
    (result / ".lock").symlink_to(tmp_path / "mine")
    with (
        pytest.raises(InvalidInput, match=r"\.lock: expected a lock file, found a link"),
        locked(result),
    ):
        pytest.fail("held")
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_file_named_as_the_lock_keeps_its_bytes(tmp_path: Path) -> None:
    result = make_result(tmp_path / "result")
    (result / ".lock").write_text("mine")
    with locked(result), pytest.raises(InvalidInput, match="another command is working"), locked(result):
        pytest.fail("held twice")
    assert (result / ".lock").read_text() == "mine"


def raising(error: int) -> Callable[..., object]:
    def failing(*_arguments: object, **_named: object) -> object:
        raise OSError(error, os.strerror(error))

    return failing


@pytest.mark.parametrize("error", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told_in_a_line(
    error: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", raising(error))
    with (
        pytest.raises(
            InvalidInput, match=r"expected a file system with locks, .*; choose a folder on another file system"
        ),
        locked(tmp_path / "out"),
    ):
        pytest.fail("held")


@pytest.mark.parametrize("function", ["open", "mkdir"])
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errno.EACCES, InvalidInput),
        (errno.EPERM, InvalidInput),
        (errno.EROFS, InvalidInput),
        (errno.ENOSPC, Transient),
        (errno.EDQUOT, Transient),
    ],
)
def test_a_folder_that_cannot_be_made_or_written_is_told_in_a_line(
    function: str, error: int, kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, function, raising(error))
    with pytest.raises(kind) as told, locked(tmp_path / "out"):
        pytest.fail("held")
    monkeypatch.undo()
    assert str(told.value).startswith(f"{tmp_path / 'out'}: ")
    assert os.strerror(error).lower() in str(told.value)


@pytest.mark.parametrize(
    "out",
    ["/proc/result", "{tmp}/file/result", "{tmp}/" + "n" * 300, "{tmp}/nowhere", "{tmp}/file"],
    ids=["where nothing can be made", "below a file", "too long a name", "a link that leads nowhere", "a file"],
)
def test_the_command_ends_with_a_line_where_no_folder_can_be(
    out: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    monkeypatch.setattr("services.standalone.run.located", lambda model: tmp_path / model.name)
    monkeypatch.setattr("sys.argv", ["facestream", "run", str(photos), "--out", out.format(tmp=tmp_path)])
    with pytest.raises(SystemExit) as exit_of:
        main()
    printed, error = capsys.readouterr()
    assert (exit_of.value.code, printed, error[:7], error.count("\n")) == (2, "", "error: ", 1), error
    assert (tmp_path / "file").read_text() == "mine"
