"""Maps of embeddings as files of their own."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from services.standalone.report import write_map
from shared.errors import InvalidInput

VECTORS = np.eye(6, 16, dtype=np.float32)
LABELS = ["anna", "anna", "_bob", "$x^{", "", "<b>\u4eba"]
NAMES = ["</script><script>alert(1)</script>", "a & b", "c", "d", "e", "f"]


@pytest.mark.parametrize("name", ["map.html", "map.png"])
def test_the_same_input_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_map(LABELS, VECTORS, tmp_path / folder / name, NAMES)
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert [file.name for file in (tmp_path / "one").iterdir()] == [name]


def test_the_page_needs_no_network_and_names_are_text(tmp_path: Path) -> None:
    write_map(LABELS, VECTORS, tmp_path / "map.html", NAMES)
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert 'src="http' not in page
    assert "anna" in page


def test_the_picture_shows_a_colour_for_every_label_and_names_no_software(tmp_path: Path) -> None:
    write_map(LABELS, VECTORS, tmp_path / "map.PNG", NAMES)
    with Image.open(tmp_path / "map.PNG") as picture:
        assert not {"Software", "Creation Time"} & picture.info.keys()
        colours, counts = np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0, return_counts=True)
    vivid = colours[(counts > 40) & (np.ptp(colours.astype(int), axis=1) > 60)]
    assert len(vivid) >= len(set(LABELS)) - 1  # one of the palette is grey


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_vectors_give_a_map(count: int, tmp_path: Path) -> None:
    for name in ("map.html", "map.png"):
        write_map(LABELS[:count], VECTORS[:count], tmp_path / name, NAMES[:count])
        assert (tmp_path / name).stat().st_size > 0


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"ends in \.html or \.png"):
        write_map(LABELS, VECTORS, tmp_path / "map.pdf", NAMES)


def test_labels_that_do_not_match_the_vectors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="6 vectors, 1 labels and 6 names"):
        write_map(LABELS[:1], VECTORS, tmp_path / "map.png", NAMES)
