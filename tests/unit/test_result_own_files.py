"""The law of a result's folder: whatever a person puts, changes or renames there is there after every command."""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from numpy.typing import NDArray

from cli.jobs.activation import activate_in_folder
from shared.adapters.sqlite.repository import SqliteRepository
from shared.errors import InvalidInput
from tests.support.reclustering import Killed
from tests.support.small_results import active_number, contents, killed_at, make_result

# What a person may well have, and all that the product uses or has ever used.
_FOLDERS = ["", "people/", "unknown/", "crops/", "album/", ".people.new/", ".people.old/", ".unknown.new/"]
_FILES = ["report.html", "assignments.jsonl", "embeddings.csv", "medoids.csv", "run.json", ".lock", "IMG_1.jpg"]
_FILES += [".report.new.html", ".run.new.json", ".medoids.new.csv", ".people.old", "people", "unknown", "Anna.png"]
NAMES = st.tuples(st.sampled_from(_FOLDERS), st.sampled_from(_FILES)).map("".join)
TEXTS = st.sampled_from([b"", b"mine", b"also mine" * 1000])
PICKS = st.integers(0, 1000)
KILLS = st.integers(0, 30)


def _no_map(vectors: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Stand for t-SNE, which takes most of the time of a report."""
    del seed
    return vectors[:, :2]


def _is_ours(path: str) -> bool:
    """Say whether nobody but the product uses this name."""
    name = path.rpartition("/")[2]
    return name.startswith(("facestream.db", ".facestream-")) or _is_crop(path)


def _is_crop(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return folder == "crops" and len(name) == len("0" * 32 + ".png")


class AFolderThatTwoUse(RuleBasedStateMachine):
    """A person and commands take turns in one result; some commands are killed on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.result, self.elsewhere = self.folder / "result", self.folder / "elsewhere"
        self.theirs: dict[str, bytes | str | None] = {}
        self.patched = mock.patch("services.standalone.report.page.embed_2d", _no_map)
        self.patched.start()

    def teardown(self) -> None:
        self.patched.stop()
        shutil.rmtree(self.folder)

    @initialize(grouped=st.booleans())
    def begin(self, *, grouped: bool) -> None:
        make_result(self.result)
        (self.elsewhere / "album").mkdir(parents=True)
        for name in ("a.jpg", "album/b.jpg", "report.html"):
            (self.elsewhere / name).write_bytes(f"a picture of a person's: {name}".encode())
        self.outside = contents(self.elsewhere)
        if grouped:
            self.command()

    @rule()
    def command(self) -> None:
        """Another generation is gone to, and all files are made anew."""
        with suppress(InvalidInput):  # a file of theirs is where one of ours was to be
            activate_in_folder(self.result, 3 - active_number(self.result))

    @rule(step=KILLS)
    def killed_command(self, step: int) -> None:
        with suppress(Killed), killed_at(step):
            self.command()

    @rule(pick=PICKS)
    def erased_photograph(self, pick: int) -> None:
        """Do what a run does for a photograph that is gone."""
        with SqliteRepository(self.result / "facestream.db") as repository:
            images = list(repository.images())
            if len(images) > 2:
                for face in repository.remove_images([images[pick % len(images)].image_id]):
                    (self.result / face.crop_key).unlink(missing_ok=True)

    @rule(name=NAMES, text=TEXTS)
    def puts_a_file(self, name: str, text: bytes) -> None:
        if self._is_free(name):
            (self.result / name).parent.mkdir(exist_ok=True)
            (self.result / name).write_bytes(text)
            self._own(name)

    @rule(name=NAMES, to=st.sampled_from(["a.jpg", "album", "report.html", "nowhere"]))
    def puts_a_link(self, name: str, to: str) -> None:
        if self._is_free(name):
            (self.result / name).parent.mkdir(exist_ok=True)
            (self.result / name).symlink_to(self.elsewhere / to)
            self._own(name)

    @rule(pick=PICKS)
    def puts_a_file_among_the_crops_of_a_person(self, pick: int) -> None:
        folders = [path for path in self._paths() if path.startswith("people/") and path.count("/") == 1]
        if folders and (folder := self.result / folders[pick % len(folders)]).is_dir() and not folder.is_symlink():
            own = folder / "own.png"
            own.write_bytes(b"a better picture")
            self._own(str(own.relative_to(self.result)))

    @rule(pick=PICKS, in_place=st.booleans())
    def edits(self, pick: int, *, in_place: bool) -> None:
        files = [path for path in self._paths() if self._is_file(path)]
        if files:
            path = self.result / files[pick % len(files)]
            text = path.read_bytes() + b" and a word of mine"
            if not in_place:
                path.unlink()
            path.write_bytes(text)
            self._own(files[pick % len(files)])

    @rule(pick=PICKS, name=st.sampled_from(["Anna", "people/Anna", "people/Anna.png", "unknown/Berta", "Christa.html"]))
    def renames(self, pick: int, name: str) -> None:
        paths = self._paths()
        if paths and self._is_free(name):
            path = paths[pick % len(paths)]
            if name.startswith(f"{path}/"):
                return
            (self.result / name).parent.mkdir(exist_ok=True)
            (self.result / path).rename(self.result / name)
            self.theirs = {
                (name + own.removeprefix(path) if own == path or own.startswith(f"{path}/") else own): content
                for own, content in self.theirs.items()
            }
            self._own(name)

    @rule(pick=PICKS)
    def removes(self, pick: int) -> None:
        paths = [path for path in self._paths() if self._is_file(path)]
        if paths:
            path = paths[pick % len(paths)]
            (self.result / path).unlink()
            self.theirs.pop(path, None)

    @invariant()
    def all_that_is_a_persons_is_there(self) -> None:
        if not self.result.exists():
            return
        there = contents(self.result)
        assert {path: there.get(path, "is gone") for path in self.theirs} == self.theirs
        assert contents(self.elsewhere) == self.outside

    def _own(self, path: str) -> None:
        """From now on this is a person's, with all that is in it; links may have changed the rest together with it."""
        there = contents(self.result)
        own = {name for name in there if name == path or name.startswith(f"{path}/")}
        own -= {name for name in own if _is_ours(name) or there[name] is None}
        self.theirs = {name: there[name] for name in self.theirs.keys() | own}

    def _paths(self) -> list[str]:
        return sorted(path for path in contents(self.result) if not _is_ours(path) and path != "crops")

    def _is_file(self, path: str) -> bool:
        return (self.result / path).is_file() and not (self.result / path).is_symlink()

    def _lies(self, path: str) -> bool:
        return (self.result / path).exists() or (self.result / path).is_symlink()

    def _is_free(self, name: str) -> bool:
        folder = (self.result / name).parent
        taken = folder.is_symlink() or (folder.exists() and not folder.is_dir())
        return not taken and not self._lies(name)


@pytest.mark.slow
def test_whatever_a_person_puts_changes_or_renames_in_a_result_is_there_after_every_command() -> None:
    run_state_machine_as_test(
        AFolderThatTwoUse,
        settings=settings(max_examples=40, stateful_step_count=15, suppress_health_check=[HealthCheck.too_slow]),
    )
