import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from shared.atomic_output import replace_folder, whole_file
from shared.errors import InvalidInput

ROOT = Path(__file__).parents[2]


def test_a_file_is_there_when_all_of_it_is_written_and_the_earlier_one_until_then(tmp_path: Path) -> None:
    path = tmp_path / "map.png"
    path.write_text("old")
    with whole_file(path) as scratch:
        scratch.write_text("new")
        assert (path.read_text(), scratch.suffix, scratch.name[0]) == ("old", ".png", ".")
    assert path.read_text() == "new"
    assert [found.name for found in tmp_path.iterdir()] == ["map.png"]


def test_after_an_error_the_earlier_file_is_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("old")

    def failing() -> None:
        with whole_file(path) as scratch:
            scratch.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("run.json", "old")]


def killed_while_writing(path: Path) -> None:
    script = """
        import os, signal, sys
        from pathlib import Path
        from shared.atomic_output import whole_file
        with whole_file(Path(sys.argv[1])) as scratch:
            scratch.write_text("half of a longer text")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script), path], check=False, cwd=ROOT)
    assert done.returncode == -signal.SIGKILL


def test_what_a_killed_process_left_is_removed_by_the_next_that_writes_the_same_file(tmp_path: Path) -> None:
    path, other = tmp_path / "run.json", tmp_path / "other.json"
    killed_while_writing(path)
    killed_while_writing(other)
    assert not path.exists()
    (left,) = (found for found in tmp_path.iterdir() if "other.json" in (found / ".note").read_text())
    with whole_file(path) as scratch:
        scratch.write_text("new")
    assert sorted(tmp_path.iterdir()) == sorted([path, left]), "and none that another command may still write to"


def test_two_who_write_at_the_same_time_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "faces.csv"
    with whole_file(path) as first, whole_file(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first", "it was finished last"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "file")
    with whole_file(tmp_path / "link") as scratch:
        scratch.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "file").read_text() == "new"


def test_what_is_no_folder_is_not_replaced_by_one(tmp_path: Path) -> None:
    (tmp_path / "people").write_text("mine")
    (tmp_path / "finished").mkdir()
    with pytest.raises(InvalidInput, match="found something else; it was not changed"):
        replace_folder(tmp_path / "finished", tmp_path / "people")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["finished", "people"]
    assert (tmp_path / "people").read_text() == "mine"
