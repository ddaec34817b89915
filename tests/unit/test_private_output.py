"""What holds faces or vectors is for its owner only, whatever the umask says; what is replaced keeps its mode."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.files.whole_output import new_folder, new_text, write
from services.standalone.report import write_map
from shared.atomic_output import replace_folder, whole_file
from tests.support.synthetic_faces import embeddings


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


def fill(out: Path, source: Path) -> None:
    with new_folder(out, source) as folder:
        write(folder / "anna" / "1.png", b"crop")


def test_a_new_folder_of_crops_is_for_its_owner_only(tmp_path: Path, source: Path) -> None:
    fill(tmp_path / "crops", source)
    assert mode_of(tmp_path / "crops") == 0o700


def test_while_it_is_filled_a_folder_is_for_its_owner_only(tmp_path: Path, source: Path) -> None:
    with new_folder(tmp_path / "crops", source) as folder:
        scratch = next(above for above in (folder, *folder.parents) if above.parent == tmp_path)
        assert mode_of(scratch) == 0o700


def test_a_folder_that_is_replaced_keeps_its_mode(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "crops"
    out.mkdir()
    for mode in (0o750, 0o755):
        out.chmod(mode)
        fill(out, source)
        assert mode_of(out) == mode


def test_a_new_table_is_for_its_owner_only_and_one_that_is_replaced_keeps_its_mode(tmp_path: Path) -> None:
    table = tmp_path / "embeddings.csv"
    for expected in (0o600, 0o640):
        with new_text(table) as file:
            file.write("a row")
        assert mode_of(table) == expected
        table.chmod(0o640)


def test_a_map_is_for_its_owner_only(tmp_path: Path) -> None:
    write_map(list("abcde"), embeddings([5]), tmp_path / "map.png", list("abcde"))
    assert mode_of(tmp_path / "map.png") == 0o600


def test_what_is_for_everyone_on_purpose_is_as_the_umask_says(tmp_path: Path) -> None:
    with whole_file(tmp_path / "model.h5", private=False) as scratch:
        scratch.write_bytes(b"weights")
    assert mode_of(tmp_path / "model.h5") == 0o644


def test_a_folder_that_is_put_in_place_is_for_its_owner_only(tmp_path: Path) -> None:
    finished = tmp_path / "finished"
    finished.mkdir()
    replace_folder(finished, tmp_path / "people")
    assert mode_of(tmp_path / "people") == 0o700
