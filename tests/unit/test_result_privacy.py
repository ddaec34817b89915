"""Who may read what is in a result."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from cli.jobs.activation import activate_in_folder
from services.standalone.result.lock import locked
from shared.adapters.sqlite.repository import SqliteRepository
from tests.support.small_results import make_result


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "2024").mkdir(parents=True)
    (folder / "2024" / "a.jpg").write_bytes(b"a photograph")
    return folder


def permissions(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}


def fill(out: Path, photos: Path | None = None) -> None:
    """Make all that a run makes; the crops come first, from another process."""
    with locked(out, photos):
        (out / "crops").mkdir(exist_ok=True)
        with SqliteRepository(out / "facestream.db") as repository:
            repository.save_images([])
            for ending in ("-wal", "-shm"):
                assert stat.S_IMODE((out / f"facestream.db{ending}").stat().st_mode) & 0o077 <= 0o044
    template = make_result(out.parent / f"{out.name} template")
    with locked(out, photos):
        shutil.copyfile(template / "facestream.db", out / "facestream.db")
        for crop in (template / "crops").iterdir():
            shutil.copyfile(crop, out / "crops" / crop.name)
    activate_in_folder(out, 1)


def test_a_new_result_is_its_owners_alone(photos: Path, tmp_path: Path) -> None:
    photos.chmod(0o755)
    out = tmp_path / "new" / "result"
    fill(out, photos)
    modes = permissions(out)
    assert {
        "crops",
        "people",
        "unknown",
        "facestream.db",
        "report.html",
        "medoids.csv",
        "embeddings.csv",
    } < modes.keys()
    assert modes["."] == 0o700, "nobody else enters"
    assert {mode & 0o077 for mode in modes.values()} == {0}


@pytest.mark.parametrize(
    ("of_photos", "of_out", "expected"),
    [
        (0o700, 0o755, (0o600, 0o700)),
        (0o750, 0o755, (0o640, 0o750)),
        (0o755, 0o750, (0o640, 0o750)),
        (0o755, 0o755, (0o644, 0o755)),
    ],
)
def test_in_a_folder_that_was_there_files_are_read_by_those_who_may_read_it_and_the_photographs(
    of_photos: int, of_out: int, expected: tuple[int, int], photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(of_out)
    photos.chmod(of_photos)
    before = os.umask(0o022)
    try:
        fill(out, photos)
        assert os.umask(0o022) == 0o022, "the process has its own mask again"
    finally:
        os.umask(before)
    modes = permissions(out)
    assert modes.pop(".") == of_out
    del modes[".lock"]  # its owner's alone
    folders = {path for path in modes if (out / path).is_dir()}
    of_files = {mode for path, mode in modes.items() if path not in folders}
    assert (of_files, {modes[path] for path in folders}) == ({expected[0]}, {expected[1]})
