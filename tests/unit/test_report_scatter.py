"""Maps of embeddings as files of their own."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from services.standalone.report import write_map
from shared.errors import InvalidInput
from tests.support.report_page import Reader, check_private

VECTORS = np.eye(6, 16, dtype=np.float32)
LABELS = ["anna", "anna", "_bob", "$x^{", "", "<b>\u4eba"]
NAMES = ["</script><script>alert(1)</script>", "a & b", "c", "d", "e", "f"]


@pytest.mark.parametrize("name", ["map.html", "map.png"])
def test_the_same_input_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_map(LABELS, VECTORS, tmp_path / folder / name, NAMES)
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert [file.name for file in (tmp_path / "one").iterdir()] == [name]


def page_of(path: Path, labels: list[str] = LABELS, names: list[str] = NAMES) -> Reader:
    write_map(labels, VECTORS[: len(labels)], path, names)
    return Reader(path.read_text(encoding="utf-8"))


def test_the_page_may_load_nothing_and_run_nothing_but_its_own_scripts(tmp_path: Path) -> None:
    check_private(page_of(tmp_path / "map.html"))


def test_labels_and_names_are_text(tmp_path: Path) -> None:
    harmless = page_of(tmp_path / "harmless.html", ["a", "a", "b", "c", "d", "e"], list("abcdef"))
    page = page_of(tmp_path / "map.html")
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in harmless.tags]
    assert [text.strip() for text in page.inside["li"]] == [
        "(no label) 1 face",
        "$x^{ 1 face",
        "<b>\u4eba 1 face",
        "_bob 1 face",
        "anna 2 faces",
    ]


def test_the_page_places_each_name_with_its_label(tmp_path: Path) -> None:
    (data,) = page_of(tmp_path / "map.html").data("data")
    assert isinstance(data, dict)
    of_label = {
        section["title"]: data["photos"][section["first"] : section["first"] + section["count"]]
        for section in data["sections"]
    }
    assert of_label == {"(no label)": ["e"], "$x^{": ["d"], "<b>\u4eba": ["f"], "_bob": ["c"], "anna": NAMES[:2]}
    places = list(zip(data["x"], data["y"], strict=True))
    assert len(set(places)) == len(NAMES)
    assert {min(data["x"]), max(data["x"])} == {0, data["side"]} or {min(data["y"]), max(data["y"])} == {
        0,
        data["side"],
    }


def test_a_label_and_a_name_that_are_not_unicode_are_written(tmp_path: Path) -> None:
    page = page_of(tmp_path / "map.html", ["\udcff"], ["\udcfe.png"])
    assert page.inside["li"] == ["\\udcff 1 face"]
    (data,) = page.data("data")
    assert isinstance(data, dict)
    assert data["photos"] == ["\udcfe.png"]


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
