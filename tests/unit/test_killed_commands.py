"""A command over a result that ends at any step of its way."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.jobs.activation import activate_in_folder
from services.standalone.result.made_files import MadeFiles
from tests.support.reclustering import Killed
from tests.support.small_results import (
    active_number,
    copied,
    killed_at,
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


class Notes:
    """Kills the process before or after any note is taken, as `killed_at` does for all else."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, made: list[str], step: int) -> None:
        for name in ("begin", "note", "replace", "forget_folders", "scratch"):
            monkeypatch.setattr(MadeFiles, name, self._dying(name, getattr(MadeFiles, name), made, step))

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
    activate_in_folder(copied(result, tmp_path / "undisturbed"), 2)
    undisturbed = seen(tmp_path / "undisturbed")
    crops = seen(result / "crops")
    if adopting:
        made_without_manifest(result)
    step, whole = 0, False
    while not whole:
        out = copied(result, tmp_path / f"killed at {step}")
        with monkeypatch.context() as patched:
            try:
                with killed_at(step) as made:
                    Notes(patched, made, step)
                    activate_in_folder(out, 2)
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
            activate_in_folder(out, 2)
        assert seen(out) == undisturbed
        assert not [path for path in out.iterdir() if path.name.startswith(".facestream-") and path.suffix != ".db"]
        activate_in_folder(out, 1)
        assert seen(out) == seen(result), "and everything that is ours is still known to be"
        shutil.rmtree(out)
        step += 1
    assert step > 15
