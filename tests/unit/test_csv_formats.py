import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from cli.files import csv_formats as formats
from shared import embedding_tables
from shared.errors import InvalidInput

# No surrogates: UTF-8 has none. A mark at the very start of a file is a spreadsheet's, not a label's.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff"), min_size=1)
names = st.lists(texts, min_size=1, max_size=5, unique=True)
numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)


def directions(count: int, width: int) -> st.SearchStrategy[NDArray[np.float32]]:
    rows = hnp.arrays(np.float32, (count, width), elements=numbers)
    return rows.filter(lambda vectors: bool(vectors.any(axis=1).all()))


@st.composite
def named_vectors(draw: st.DrawFn) -> tuple[list[str], NDArray[np.float32]]:
    paths = draw(names)
    return paths, draw(directions(len(paths), draw(st.integers(1, 6))))


@given(named=named_vectors(), data=st.data())
def test_embeddings_that_were_written_are_read_back_bit_by_bit(
    named: tuple[list[str], NDArray[np.float32]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    paths, vectors = named
    labels = data.draw(st.lists(texts, min_size=len(paths), max_size=len(paths)))
    file = tmp_path_factory.getbasetemp() / "embeddings.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        embedding_tables.write_header(out, vectors.shape[1])
        embedding_tables.write_embeddings(out, zip(paths, labels, vectors, strict=True))
    found = formats.read_embeddings(file)
    assert found.paths == tuple(paths)
    assert found.labels == tuple(labels)
    assert found.vectors.astype(np.float32).tobytes() == vectors.tobytes()


@given(named=named_vectors())
def test_medoids_that_were_written_are_read_back(
    named: tuple[list[str], NDArray[np.float32]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    labels, vectors = named
    file = tmp_path_factory.getbasetemp() / "medoids.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        embedding_tables.write_medoids(
            out, ((f"of {label}", vector) for label, vector in zip(labels, vectors, strict=True))
        )
    found = formats.read_medoids(file)
    assert found.labels == tuple(f"of {label}" for label in labels)
    assert found.vectors.astype(np.float32).tobytes() == vectors.tobytes()


@pytest.mark.parametrize(("width", "last"), [(128, "129"), (512, "513")])
def test_the_header_numbers_the_columns_of_path_label_and_values(tmp_path: Path, width: int, last: str) -> None:
    file = tmp_path / "header.csv"
    with file.open("w") as out:
        embedding_tables.write_header(out, width)
    header = file.read_text().strip().split(",")
    assert (header[0], header[-1], len(header)) == ("0", last, width + 2)


@pytest.mark.parametrize(
    ("written", "read"),
    [("0.0", "0"), ("12.00", "12"), ("7.", "7"), ("7", "7"), ("1.5", "1.5"), ("v2.0", "v2.0"), ("anna", "anna")],
)
def test_a_whole_number_as_a_label_loses_its_decimals(tmp_path: Path, written: str, read: str) -> None:
    file = tmp_path / "medoids.csv"
    file.write_text(f"{written},0.6,0.8\n")
    assert formats.read_medoids(file).labels == (read,)


def test_only_so_many_rows_are_read_as_are_wanted(tmp_path: Path) -> None:
    file = tmp_path / "path_last.csv"
    file.write_text("1,2,3\n1,0,a\n0,1,b\n")
    assert formats.read_path_last(file, 1).paths == ("a",)
    assert formats.read_path_last(file, 9).paths == ("a", "b")
    assert formats.read_path_last(file).vectors.tolist() == [[1, 0], [0, 1]]


def test_the_mark_and_the_line_ends_of_a_spreadsheet_are_understood(tmp_path: Path) -> None:
    file = tmp_path / "spreadsheet.csv"
    file.write_bytes(b"\xef\xbb\xbfpath,label,0,1\r\na.png,anna,0.6,0.8\r\n\r\n")
    found = formats.read_embeddings(file)
    assert (found.paths, found.labels) == (("a.png",), ("anna",))


HEADER = "0,1,2,3\n"
BAD_EMBEDDINGS = {
    "empty": ("", "", "expected a header and rows of path, label, values; found no such row"),
    "only a header": (HEADER, "", "expected a header and rows of path, label, values; found no such row"),
    "no header": ("a,x,0.5,0.5\n", "row 1", "expected a header; found values"),
    "missing column": (HEADER + "a,x\n", "row 2", "at least 3 columns; found 2"),
    "other separator": ("0;1;2\na;x;1\n", "row 1", "at least 3 columns; found 1"),
    "not a number": (HEADER + "a,x,1,2\nb,x,1,two\n", "row 3", "expected a number in column 4; found 'two'"),
    "empty number": (HEADER + "a,x,1,\n", "row 2", "expected a number in column 4; found ''"),
    "not finite": (HEADER + "a,x,nan,1\n", "row 2", "expected a number in column 3; found 'nan'"),
    "endless": (HEADER + "a,x,1,inf\n", "row 2", "expected a number in column 4; found 'inf'"),
    "other width": (HEADER + "a,x,1,2\nb,x,1\n", "row 3", "expected 2 values, as in the first row; found 1"),
    "no direction": (HEADER + "a,x,0,0.0\n", "row 2", "expected a vector with a direction; found zeros only"),
    "same path": (HEADER + "a,x,1,2\nb,x,1,2\na,x,2,1\n", "row 4", "each path once; found 'a' again, from row 2"),
    "no path": (HEADER + ",x,1,2\n", "row 2", "expected path and label; found an empty one"),
    "no label": (HEADER + "a,,1,2\n", "row 2", "expected path and label; found an empty one"),
    "open quotes": (HEADER + '"a,x,1,2\n', "row 2", "expected comma separated path, label, values; found something"),
}


@pytest.mark.parametrize(("content", "row", "message"), BAD_EMBEDDINGS.values(), ids=BAD_EMBEDDINGS)
def test_bad_embeddings_are_refused_in_one_line_with_file_row_and_reason(
    tmp_path: Path, content: str, row: str, message: str
) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(content)
    with pytest.raises(InvalidInput) as error:
        formats.read_embeddings(file)
    line = str(error.value)
    assert line.startswith(f"{file}, {row}:" if row else f"{file}:")
    assert message in line
    assert "\n" not in line


@pytest.mark.parametrize("read", [formats.read_embeddings, formats.read_path_last, formats.read_medoids])
def test_a_binary_file_a_folder_and_no_file_are_refused(read: Callable[[Path], object], tmp_path: Path) -> None:
    binary = tmp_path / "photo.jpg"
    binary.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF")
    with pytest.raises(InvalidInput, match=r"photo\.jpg, row 1: expected text in UTF-8; found byte 0xff"):
        read(binary)
    with pytest.raises(InvalidInput, match="expected a file that can be read; found is a directory"):
        read(tmp_path)
    with pytest.raises(InvalidInput, match="expected a file that can be read; found no such file"):
        read(tmp_path / "nothing.csv")


def test_bytes_that_are_not_utf8_are_told_with_a_row_near_them(tmp_path: Path) -> None:
    file = tmp_path / "latin.csv"
    file.write_bytes(b"0,1,2\nJos\xe9.png,x,1\n")
    with pytest.raises(InvalidInput, match="expected text in UTF-8; found byte 0xe9"):
        formats.read_embeddings(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected rows of label, values; found no such row"),
        ("anna\n", "row 1: expected label, values: at least 2 columns; found 1"),
        ("anna,1,2\nbert,1\n", "row 2: expected 2 values, as in the first row; found 1"),
        ("anna,1,x\n", "row 1: expected a number in column 3; found 'x'"),
        ("anna,0,0\n", "row 1: expected a vector with a direction; found zeros only"),
    ],
)
def test_bad_medoids_are_refused(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "medoids.csv"
    file.write_text(content)
    with pytest.raises(InvalidInput) as error:
        formats.read_medoids(file)
    assert message in str(error.value)


def test_embeddings_with_the_path_first_are_refused_where_it_must_be_last(tmp_path: Path) -> None:
    file = tmp_path / "path_first.csv"
    file.write_text("0,1,2,3\na.png,anna,0.6,0.8\n")
    with pytest.raises(InvalidInput, match=r"row 2: expected a number in column 1; found 'a\.png'"):
        formats.read_path_last(file)


# What pandas writes where it is not told to leave out its index, and other tables whose columns are not the expected
# ones: (reader, content, what is said). Labels are numbers, so that each of them could be computed with.
SHIFTED = {
    "index without a name": (
        "embeddings",
        ",0,1,2,3\n0,a.png,1,0.6,0.8\n1,b.png,2,0.8,0.6\n",
        "without a name in position 1",
    ),
    "index that was read again": (
        "embeddings",
        "Unnamed: 0,0,1,2,3\n0,a.png,1,0.6,0.8\n",
        "'Unnamed: 0' in position 1",
    ),
    "index with a name": ("embeddings", "nr,0,1,2,3\n0,a.png,1,0.6,0.8\n", "either names or numbers"),
    "index before names": (
        "embeddings",
        "nr,path,label,0,1\n0,a.png,1,0.6,0.8\n",
        "'path' in position 1; found it in position 2",
    ),
    "index before other names": ("embeddings", "nr,file,person,0,1\n0,a,1,0.6,0.8\n", "in column 3, such as 0 or v0"),
    "index called so": ("embeddings", "index,label,0,1\n0,1,0.6,0.8\n", "'index' in position 1"),
    "label before path": (
        "embeddings",
        "label,path,0,1\n1,2,0.6,0.8\n",
        "'label' in position 2; found it in position 1",
    ),
    "header shorter than the rows": (
        "embeddings",
        "0,1,2,3\n0,1,5,0.6,0.8\n",
        "expected 4 columns, as the header names them; found 5",
    ),
    "header longer than the rows": (
        "embeddings",
        "0,1,2,3,4\na,1,0.6,0.8\n",
        "expected 5 columns, as the header names them; found 4",
    ),
    "a column is missing": ("embeddings", "path,label,0,2\na,1,0.6,0.8\n", "expected '1' as the name of column 4"),
    "the first values are missing": (
        "embeddings",
        "path,label,5,6\na,1,0.6,0.8\n",
        "numbered from 0 or 1 or 2 on; found '5'",
    ),
    "a column more": (
        "embeddings",
        "path,label,0,1,cluster\na,1,0.6,0.8,7\n",
        "in column 5, such as 0 or v0; found 'cluster'",
    ),
    "a name twice": ("embeddings", "path,label,0,0\na,1,0.6,0.8\n", "each name once; found '0' again"),
    "the header twice": (
        "embeddings",
        "0,1,2,3\n0,1,2,3\na,1,0.6,0.8\n",
        "row 2: expected path, label, values; found a header again",
    ),
    "no header": ("embeddings", "0,1,0.6,0.8\n1,1,0.8,0.6\n", "expected a header; found values"),
    "semicolons": ("embeddings", "path;label;0;1\na;1;0.6;0.8\n", "with semicolons; they are separated by commas"),
    "path last, index without a name": (
        "path_last",
        ",1,2,path\n0,0.6,0.8,a\n1,0.8,0.6,b\n",
        "without a name in position 1",
    ),
    "path last, index read again": ("path_last", "Unnamed: 0,1,2,path\n0,0.6,0.8,a\n", "'Unnamed: 0' in position 1"),
    "path last, index with a name": (
        "path_last",
        "nr,1,2,path\n0,0.6,0.8,a\n",
        "in column 1, such as 0 or v0; found 'nr'",
    ),
    "path last, a column cut off": ("path_last", "2,3,path\n0.6,0.8,a\n", "numbered from 0 or 1 on; found '2'"),
    "path last, header shorter": (
        "path_last",
        "1,2,path\n0,0.6,0.8,a\n",
        "expected 3 columns, as the header names them; found 4",
    ),
    "medoids with a header": ("medoids", "0,1,2\n1,0.6,0.8\n", "row 1: expected label, values and no header"),
    "medoids with an index": ("medoids", "0,4,0.6,0.8\n1,7,0.8,0.6\n", "numbers of rows before them"),
    "medoids with index and header": ("medoids", ",0,1,2\n0,4,0.6,0.8\n", "an empty one"),
}


@pytest.mark.parametrize(("reader", "content", "message"), SHIFTED.values(), ids=SHIFTED)
def test_a_table_whose_columns_are_not_the_expected_ones_is_refused_and_not_computed_with(
    tmp_path: Path, reader: str, content: str, message: str
) -> None:
    file = tmp_path / "table.csv"
    file.write_text(content)
    with pytest.raises(InvalidInput) as error:
        getattr(formats, f"read_{reader}")(file)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "header",
    [
        "0,1,2,3",
        "1,2,3,4",
        "path,label,0,1",
        "path,label,1,2",
        "path,label,2,3",
        "Path,Label,v0,v1",
        "file,person,e_1,e_2",
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_header_of_numbers_or_names_is_read(tmp_path: Path, header: str, mark: str) -> None:
    file = tmp_path / "table.csv"
    file.write_text(f"{mark}{header}\na.png,1,0.6,0.8\n", encoding="utf-8")
    found = formats.read_embeddings(file)
    assert (found.paths, found.labels, found.vectors.tolist()) == (("a.png",), ("1",), [[0.6, 0.8]])


@pytest.mark.parametrize("header", ["0,1,2", "1,2,3", "0,1,path", "1,2,path", "v0,v1,file"])
def test_a_header_with_the_path_last_is_read(tmp_path: Path, header: str) -> None:
    file = tmp_path / "table.csv"
    file.write_text(f"{header}\n0.6,0.8,a.png\n")
    assert formats.read_path_last(file).vectors.tolist() == [[0.6, 0.8]]


@pytest.mark.parametrize("path", ["=1+1.png", "+1.png", "-1.png", "@x.png", "\tx.png", "\rx.png"])
def test_a_path_that_looks_like_a_formula_is_written_as_one_of_a_file_and_read_back_as_it_was(
    tmp_path: Path, path: str
) -> None:
    file = tmp_path / "table.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        embedding_tables.write_header(out, 1)
        embedding_tables.write_embeddings(out, [(path, "x", np.ones(1)), (f"./{path}", "x", np.ones(1))])
    with file.open(encoding="utf-8", newline="") as rows:
        cells = [row[0] for row in csv.reader(rows)]
    assert cells[1:] == [f"./{path}", f"././{path}"]
    assert formats.read_embeddings(file).paths == (path, f"./{path}")
    with file.open("w", encoding="utf-8", newline="") as out:
        embedding_tables.write_labels(out, [(path, "-1")])
    assert file.read_text().startswith(("./", '"./'))


@pytest.mark.parametrize("path", ["a=b.png", "./a.png", "photos/=x.png", "./photos/a.png", "a-1.png"])
def test_any_other_path_is_written_as_it_is(tmp_path: Path, path: str) -> None:
    file = tmp_path / "table.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        embedding_tables.write_labels(out, [(path, "=label")])
    assert file.read_text() == f"{path},=label\n"
