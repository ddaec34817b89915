import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cli.files.whole_output import new_file, new_folder, new_text, write
from shared.errors import InvalidInput, Transient, Unreadable


def fill(out: Path, source: Path, *names: str, content: bytes = b"crop") -> None:
    with new_folder(out, source) as folder:
        for name in names:
            write(folder / name, content)


def everything_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def test_a_folder_appears_when_all_of_it_is_written(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "not" / "there" / "out"
    with new_folder(out, source) as folder:
        write(folder / "anna" / "1.png", b"crop")
        assert not out.exists()
    assert everything_in(out) == {"anna", "anna/1.png"}


def test_after_an_error_there_is_no_folder_and_no_file(tmp_path: Path, source: Path) -> None:
    def failing_folder() -> None:
        with new_folder(tmp_path / "out", source) as folder:
            write(folder / "1.png", b"crop")
            raise KeyError

    def failing_file() -> None:
        with new_text(tmp_path / "out.csv") as file:
            file.write("half a row")
            raise KeyError

    for failing in (failing_folder, failing_file):
        with pytest.raises(KeyError):
            failing()
    assert everything_in(tmp_path) == {"source"}


def test_after_an_error_the_earlier_result_is_still_there(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out"
    fill(out, source, "1.png")

    def failing() -> None:
        with new_folder(out, source) as folder:
            write(folder / "2.png", b"crop")
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert everything_in(out) == {"1.png"}


def test_an_earlier_result_is_replaced_as_a_whole(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out"
    fill(out, source, "anna/1.png", "2.png")
    fill(out, source, "3.png")
    assert everything_in(out) == {"3.png"}
    assert everything_in(tmp_path) == {"source", "out", "out/3.png", ".out.facestream"}


def test_an_empty_folder_is_filled(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    fill(out, source, "1.png")
    assert everything_in(out) == {"1.png"}


def test_what_a_link_leads_to_is_filled(tmp_path: Path, source: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    out = tmp_path / "out"
    out.symlink_to(disk)
    fill(out, source, "1.png")
    assert out.is_symlink()
    assert everything_in(disk) == {"1.png"}


def add_a_file(out: Path) -> None:
    (out / "mine.png").write_bytes(b"")


def change_a_file(out: Path) -> None:
    (out / "1.png").write_bytes(b"mine")


def remove_a_file(out: Path) -> None:
    (out / "1.png").unlink()


def add_a_folder(out: Path) -> None:
    (out / "mine").mkdir()


@pytest.mark.parametrize("touch", [add_a_file, change_a_file, remove_a_file, add_a_folder])
def test_a_result_that_a_person_touched_is_never_replaced(tmp_path: Path, source: Path, touch: object) -> None:
    out = tmp_path / "out"
    fill(out, source, "1.png", "2.png")
    assert callable(touch)
    touch(out)
    before = everything_in(out)
    with pytest.raises(InvalidInput, match="found other files in it"):
        fill(out, source, "3.png")
    assert everything_in(out) == before


def test_an_edit_that_keeps_size_and_time_is_seen(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out"
    fill(out, source, "1.png")
    times = (out / "1.png").stat()
    (out / "1.png").write_bytes(b"mine")  # as long as b"crop"
    os.utime(out / "1.png", ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(InvalidInput, match="found other files in it"):
        fill(out, source, "2.png")
    assert (out / "1.png").read_bytes() == b"mine"


def test_a_link_and_a_pipe_inside_are_looked_at_and_not_followed(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out"
    fill(out, source, "1.png")
    os.mkfifo(out / "pipe")
    (out / "link").symlink_to(tmp_path)
    with pytest.raises(InvalidInput, match="found other files in it"):
        fill(out, source, "2.png")


@pytest.mark.parametrize("name", [".out.new", ".out.old", ".out.facestream-old"])
def test_a_neighbour_of_any_name_stays_as_it_is(tmp_path: Path, source: Path, name: str) -> None:
    fill(tmp_path / "out", source, "1.png")
    (tmp_path / name).mkdir()
    (tmp_path / name / "mine.txt").write_text("mine")
    fill(tmp_path / "out", source, "2.png")
    assert (tmp_path / name / "mine.txt").read_text() == "mine"
    assert everything_in(tmp_path / "out") == {"2.png"}


def test_a_link_of_a_name_that_a_command_could_want_leads_to_nothing_lost(tmp_path: Path, source: Path) -> None:
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "mine.txt").write_text("mine")
    for name in (".out.new", ".out.old"):
        (tmp_path / name).symlink_to(tmp_path / "album")
    fill(tmp_path / "out", source, "1.png")
    assert everything_in(tmp_path / "album") == {"mine.txt"}
    assert not (tmp_path / "out").is_symlink()


@pytest.mark.parametrize("kind", ["a text", "a folder", "a link", "an empty file", "a pipe"])
def test_what_has_the_name_of_the_note_and_is_none_stays_and_the_command_says_so(
    tmp_path: Path, source: Path, kind: str
) -> None:
    note, other = tmp_path / ".out.facestream", tmp_path / "mine.txt"
    other.write_text("mine")
    match kind:
        case "a text":
            note.write_text("my notes on faces")
        case "a folder":
            note.mkdir()
        case "a link":
            note.symlink_to(other)
        case "an empty file":
            note.touch()
        case "a pipe":
            os.mkfifo(note)
    mode = note.lstat().st_mode
    with pytest.raises(InvalidInput, match="expected the note of an earlier command, or nothing"):
        fill(tmp_path / "out", source, "1.png")
    assert (note.lstat().st_mode, other.read_text()) == (mode, "mine")
    assert kind != "a text" or note.read_text() == "my notes on faces"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("earlier", ["nothing", "an empty folder", "a result"])
@pytest.mark.parametrize("came", ["a file in it", "a file of that name"])
def test_what_comes_there_while_a_command_works_stays_and_the_result_gets_another_name(
    tmp_path: Path, source: Path, earlier: str, came: str
) -> None:
    out = tmp_path / "out"
    if earlier == "an empty folder":
        out.mkdir()
    elif earlier == "a result":
        fill(out, source, "1.png")
    (tmp_path / "out-2").mkdir()

    def fill_slowly() -> None:
        with new_folder(out, source) as folder:
            write(folder / "2.png", b"crop")
            if came == "a file in it":
                out.mkdir(exist_ok=True)
                (out / "mine.txt").write_text("mine")
            else:
                if out.exists():
                    out.rename(tmp_path / "elsewhere")
                out.write_text("mine")

    with pytest.raises(InvalidInput, match=r"left as they are, and the result is in .*/out-3"):
        fill_slowly()
    assert (out if out.is_file() else out / "mine.txt").read_text() == "mine"
    assert everything_in(tmp_path / "out-3") == {"2.png"}
    assert everything_in(tmp_path / "out-2") == set()
    fill(tmp_path / "out-3", source, "3.png")


def test_a_name_that_leaves_no_room_for_more_has_its_note_under_a_shortened_one(tmp_path: Path, source: Path) -> None:
    out = tmp_path / ("ü" * 127)
    fill(out, source, "1.png")
    fill(out, source, "2.png")
    assert everything_in(out) == {"2.png"}
    with new_text(tmp_path / ("ü" * 125 + ".csv")) as file:
        file.write("a row")


def test_a_file_in_a_new_folder_of_a_name_that_cannot_be_is_told_as_that_file_s_fault(
    tmp_path: Path, source: Path
) -> None:
    with new_folder(tmp_path / "out", source) as folder:
        with pytest.raises(Unreadable, match=r"cannot be written under the name a{300}: file name too long"):
            write(folder / ("a" * 300), b"crop")
        write(folder / "1.png", b"crop")
    assert everything_in(tmp_path / "out") == {"1.png"}


def test_a_pipe_is_no_file_to_replace(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="neither a file nor a folder"), new_text(tmp_path / "pipe"):
        pytest.fail("it must not begin")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_folder_of_other_files_is_refused_before_any_work(tmp_path: Path, source: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_bytes(b"photo")
    with (
        pytest.raises(InvalidInput, match="expected a new or empty folder"),
        new_folder(tmp_path / "photos", source),
    ):
        pytest.fail("it must not begin")
    assert everything_in(tmp_path) == {"source", "photos", "photos/holiday.jpg"}


@pytest.mark.parametrize("out", ["source", "source/out", "."])
def test_a_folder_is_never_written_into_or_over_the_one_that_is_read(tmp_path: Path, source: Path, out: str) -> None:
    with pytest.raises(InvalidInput, match="expected a folder outside"):
        fill(tmp_path / out, source, "1.png")


def test_a_file_is_no_folder_and_a_folder_no_file(tmp_path: Path, source: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="expected a folder to write to, found a file"):
        fill(tmp_path / "file", source)
    with pytest.raises(InvalidInput, match="expected the name of a file"), new_file(source):
        pytest.fail("it must not begin")
    with pytest.raises(InvalidInput, match="expected a path that can be written"):
        fill(tmp_path / "file" / "below", source)


def test_a_mounted_disk_is_refused_since_it_cannot_be_renamed(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda _path: True)
    with pytest.raises(InvalidInput, match="choose a folder inside it"):
        fill(tmp_path / "out", source)


def test_a_full_disk_is_no_fault_of_the_person(tmp_path: Path, source: Path) -> None:
    def full() -> None:
        with new_folder(tmp_path / "out", source):
            raise OSError(28, "No space left on device")

    with pytest.raises(Transient, match="no space left"):
        full()


def test_two_commands_never_fill_one_folder_at_once(tmp_path: Path, source: Path) -> None:
    with new_folder(tmp_path / "out", source) as folder:
        write(folder / "1.png", b"first")
        with pytest.raises(InvalidInput, match="another command is writing"):
            fill(tmp_path / "out", source, "2.png")
    assert everything_in(tmp_path / "out") == {"1.png"}


def test_what_a_killed_command_left_is_no_result_and_is_cleared_by_the_next(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out"
    script = """
        import os, signal, sys
        from pathlib import Path
        from cli.files.whole_output import new_folder, write
        with new_folder(Path(sys.argv[1]), Path(sys.argv[2])) as folder:
            write(folder / "half" / "1.png", b"crop")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script), out, source], check=False, cwd=root)
    assert killed.returncode == -9
    assert not out.exists()
    fill(out, source, "2.png")
    assert everything_in(tmp_path) == {"source", "out", "out/2.png", ".out.facestream"}


def test_a_file_that_is_there_is_replaced_and_keeps_its_ending_while_it_is_made(tmp_path: Path) -> None:
    out = tmp_path / "map.png"
    out.write_bytes(b"old")
    with new_file(out) as scratch:
        assert scratch.suffix == ".png"
        scratch.write_bytes(b"new")
        assert out.read_bytes() == b"old"
    assert out.read_bytes() == b"new"
    assert everything_in(tmp_path) == {"map.png"}
