"""Whatever is around and inside a place that is written to, and whenever a command dies: a person's bytes stay."""

import os
import shutil
import stat
import sys
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cli.files.whole_output import new_folder, new_text, write
from shared.errors import FacestreamError

Entry = tuple[str, bytes | str]

# Names that a command could want for itself, and names of a person's own.
NEIGHBOURS = (".out.new", ".out.old", ".out.facestream", ".facestream-new", "out-2", ".table.new.csv", "album")
KINDS = ("a file", "a folder", "a link to a folder", "a link to a file", "nothing")
_CHANGING = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.truncate", "shutil.rmtree")


def entries_of(root: Path) -> dict[str, Entry]:
    """Return all that is below a folder, links not followed."""
    found: dict[str, Entry] = {}
    for where, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = Path(where, name)
            mode = path.lstat().st_mode
            key = str(path.relative_to(root))
            if stat.S_ISLNK(mode):
                found[key] = ("link", str(path.readlink()))
            else:
                found[key] = ("folder", b"") if stat.S_ISDIR(mode) else ("file", path.read_bytes())
    return found


def killed(command: Callable[[], None], after: int) -> bool:
    """Run a command in a process that is gone, without any cleaning up, before its so many-th change to the disk.

    Return whether it was killed, and did not end by itself before.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on: the child does nothing with threads
        child = os.fork()
    if child == 0:
        left = [after]

        def count(event: str, _arguments: object) -> None:
            if event in _CHANGING:
                left[0] -= 1
                if left[0] < 0:
                    os._exit(9)

        try:
            sys.addaudithook(count)
            with suppress(FacestreamError):
                command()
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] != 0


class Disk(RuleBasedStateMachine):
    """A folder in which a person and commands work in turns, and at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp())
        self.root = self.top / "disk"
        self.out, self.source, self.table = (self.root / name for name in ("out", "source", "table.csv"))
        self.persons: dict[str, Entry] = {}
        self.numbers = iter(range(1_000_000))

    def teardown(self) -> None:
        shutil.rmtree(self.top)

    @initialize(kinds=st.lists(st.sampled_from(KINDS), min_size=len(NEIGHBOURS), max_size=len(NEIGHBOURS)))
    def furnish(self, kinds: list[str]) -> None:
        for folder in (self.source, self.root / "elsewhere" / "inner"):
            folder.mkdir(parents=True)
            (folder / "mine.txt").write_bytes(b"mine")
        for name, kind in zip(NEIGHBOURS, kinds, strict=True):
            path = self.root / name
            match kind:
                case "a file":
                    path.write_bytes(f"my {name}".encode())
                case "a folder":
                    (path / "inner").mkdir(parents=True)
                    (path / "inner" / "mine.txt").write_bytes(b"mine")
                case "a link to a folder":
                    path.symlink_to("elsewhere")
                case "a link to a file":
                    path.symlink_to("elsewhere/inner/mine.txt")
        self.persons = entries_of(self.root)

    def note(self, *paths: Path) -> None:
        found = entries_of(self.root)
        for path in paths:
            key = str(path.relative_to(self.root))
            self.persons |= {name: entry for name, entry in found.items() if name == key or name.startswith(f"{key}/")}

    def visible(self, kind: str) -> list[Path]:
        """Return what a person may come across: not what commands are working in."""
        hidden = (".facestream-", ".out.facestream")
        found = sorted(entries_of(self.root).items())
        own = [name for name, (of, _) in found if of == kind and (name in self.persons or not name.startswith(hidden))]
        return [self.root / name for name in own]

    @rule(number=st.integers(0, 99), inside=st.booleans())
    def add_a_file(self, number: int, *, inside: bool) -> None:
        folders = self.visible("folder")
        folder = self.out if inside and self.out.is_dir() else folders[number % len(folders)]
        path = folder / f"mine-{next(self.numbers)}.txt"
        path.write_bytes(b"a person's")
        self.note(path)

    @rule(number=st.integers(0, 99))
    def add_a_link(self, number: int) -> None:
        folders = self.visible("folder")
        path = folders[number % len(folders)] / f"link-{next(self.numbers)}"
        path.symlink_to(self.root / "elsewhere")
        self.note(path)

    @rule(number=st.integers(0, 99), keep_time=st.booleans(), inside=st.booleans())
    def edit_a_file(self, number: int, *, keep_time: bool, inside: bool) -> None:
        files = self.visible("file")
        files = [path for path in files if path.is_relative_to(self.out)] or files if inside else files
        path = files[number % len(files)]
        times = path.stat()
        data = path.read_bytes()
        path.write_bytes(bytes(byte ^ 1 for byte in data))  # of the same size
        if keep_time:
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        self.note(path)

    @rule()
    def remove_the_output(self) -> None:
        shutil.rmtree(self.out, ignore_errors=True)
        self.persons = {name: entry for name, entry in self.persons.items() if f"{name}/".split("/")[0] != "out"}

    @rule()
    def make_an_empty_folder(self) -> None:
        if not self.out.exists():
            self.out.mkdir()

    @rule()
    def copy_all_that_commands_have_left(self) -> None:
        for path in [*self.root.glob(".facestream-*"), self.out]:
            copy = self.root / f".facestream-{next(self.numbers)}"
            if path.is_dir() and not path.is_symlink() and path.name not in self.persons:
                shutil.copytree(path, copy, symlinks=True)
                self.note(copy)

    @rule(
        names=st.lists(st.sampled_from(["1.png", "2.png", "anna/1.png"]), max_size=3),
        ends=st.sampled_from(["well", "well", "with an error", "killed"]),
        after=st.integers(0, 60),
        meddle=st.sampled_from(["", "", "add", "edit", "link"]),
    )
    def fill(self, names: list[str], ends: str, after: int, meddle: str) -> None:
        def command() -> None:
            with new_folder(self.out, self.source) as folder:
                for name in names:
                    write(folder / name, b"crop")
                if meddle == "add":
                    self.out.mkdir(exist_ok=True)
                    self.add_a_file(0, inside=True)
                elif meddle == "edit":
                    self.edit_a_file(0, keep_time=True, inside=True)
                elif meddle == "link" and self.out.is_dir():
                    self.add_a_link(0)
                if ends == "with an error":
                    raise KeyError

        self.run(command, after if ends == "killed" and not meddle else None)

    @rule(
        ends=st.sampled_from(["well", "with an error", "killed"]),
        after=st.integers(0, 30),
        name=st.sampled_from(["table.csv", "album/table.csv"]),
    )
    def write_a_table(self, ends: str, after: int, name: str) -> None:
        path = self.root / name

        def command() -> None:
            with new_text(path) as file:
                file.write("a row\n")
                if ends == "with an error":
                    raise KeyError

        if path.parent.is_dir():
            self.persons.pop(str(path.resolve().relative_to(self.root.resolve())), None)  # named on purpose
            self.run(command, after if ends == "killed" else None)

    def run(self, command: Callable[[], None], kill_after: int | None) -> None:
        was_there = self.out.is_dir()
        if kill_after is None:
            with suppress(FacestreamError, KeyError):
                command()
        else:
            killed(command, kill_after)
            with suppress(FacestreamError, KeyError), new_folder(self.out, self.source):
                raise KeyError  # the next command, which fails
            assert self.out.is_dir() >= was_there, "what a person looks at is there again"

    @invariant()
    def all_that_a_person_made_is_as_it_was(self) -> None:
        found = entries_of(self.root)
        for name, entry in self.persons.items():
            assert found.get(name) == entry, f"{name} is gone or is another one"


Disk.TestCase.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)
TestNothingOfAPersonIsEverRemoved = Disk.TestCase


@pytest.mark.parametrize("earlier", [False, True])
def test_killed_at_any_point_a_command_loses_nothing_of_what_was_there_and_leaves_nothing_behind_the_next(
    tmp_path: Path, *, earlier: bool
) -> None:
    seen = set()
    for after in range(200):
        disk = tmp_path / str(after)
        out, source = disk / "out", disk / "source"
        source.mkdir(parents=True)

        def fill(name: str, out: Path = out, source: Path = source) -> None:
            with new_folder(out, source) as folder:
                write(folder / name, b"crop")

        if earlier:
            fill("old.png")
        died = killed(lambda fill=fill: fill("new.png"), after)  # type: ignore[misc]
        with suppress(KeyError), new_folder(out, source):
            raise KeyError  # the next command; it fails for another reason
        names = tuple(path.name for path in out.iterdir()) if out.exists() else ()
        seen.add(names)
        assert names in ({("old.png",), ("new.png",)} if earlier else {(), ("new.png",)})
        fill("third.png")
        # Killed before it could write its note, it leaves a folder without a byte in it, which could be anyone's.
        left = {str(path.relative_to(disk)) for path in disk.rglob("*") if path.is_dir() or path.stat().st_size}
        assert {name for name in left if not name.startswith(".facestream-") or "/" in name} == {
            "source",
            "out",
            "out/third.png",
            ".out.facestream",
        }
        assert len(left) <= 5
        if not died:
            break
    else:
        pytest.fail("it never ended by itself")
    assert len(seen) == 2, "it was killed before and after"
