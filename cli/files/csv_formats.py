"""Readers of the CSV files of the classic commands; `shared/embedding_tables.py` writes them.

    embeddings    header; path, label, values         read by `get-medoids`, `validate` and `tsne`
    path last     header; values, path                read by `chinese-whispers`
    medoids       no header; label, values            read by `validate`

UTF-8, separated by commas. A header has a name for each column (`csv_header.py` checks it). Every row has as many
values as the first one. A file of another shape is refused with its name, the row (counted from 1 with the header),
what was expected and what was found. A path that was written with `./` before it, so that no spreadsheet takes it for a
formula, is read without it.
"""

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cli.files.csv_header import fault_of, is_numbers_of_columns
from shared.embedding_tables import unescaped_path
from shared.errors import InvalidInput

_OTHER_SEPARATORS = {"semicolons": ";", "tabs": "\t"}
_WHOLE_NUMBER = re.compile(r"(-?\d+)\.0*")


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """Named vectors: `vectors` has shape (n, d), float64, finite, none of length zero; row i belongs to `paths[i]`.

    `labels` is empty if the file has none.
    """

    paths: tuple[str, ...]
    labels: tuple[str, ...]
    vectors: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Medoids:
    """One vector per row, the medoid of a label: shape (n, d), float64, finite, none of length zero.

    A label may have several medoids.
    """

    labels: tuple[str, ...]
    vectors: NDArray[np.float64]


def read_embeddings(path: Path) -> Embeddings:
    """Read a file of embeddings; raises `InvalidInput` if it has another shape."""
    shape = _Shape(path, ("path", "label"), ())
    rows = list(shape.rows(has_header=True))
    names = tuple(row.texts[0] for row in rows)
    shape.check_unique(rows, names)
    return Embeddings(names, tuple(row.texts[1] for row in rows), _stacked(rows))


def read_path_last(path: Path, limit: int | None = None) -> Embeddings:
    """Read at most `limit` embeddings, the path last; raises `InvalidInput` if the file has another shape."""
    shape = _Shape(path, (), ("path",))
    rows = list(islice(shape.rows(has_header=True), limit))
    names = tuple(row.texts[0] for row in rows)
    shape.check_unique(rows, names)
    return Embeddings(names, (), _stacked(rows))


def read_medoids(path: Path) -> Medoids:
    """Read a file of medoids; raises `InvalidInput` if it has another shape. A label like `12.0` is read as `12`."""
    shape = _Shape(path, ("label",), ())
    rows = list(shape.rows(has_header=False))
    shape.check_no_index(rows)
    return Medoids(tuple(_plain_label(row.texts[0]) for row in rows), _stacked(rows))


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    number: int
    texts: tuple[str, ...]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Shape:
    """Expected columns of a file: columns of text, then values, then columns of text."""

    path: Path
    before: tuple[str, ...]
    after: tuple[str, ...]

    def rows(self, *, has_header: bool) -> Iterator[_Row]:
        width: int | None = None
        header: list[str] | None = None
        for number, cells in self._cells():
            if has_header and header is None:
                self._check_header(number, cells)
                header = cells
                continue
            if header is None and width is None and is_numbers_of_columns(cells):
                raise self._wrong(number, f"{self} and no header", f"the numbers of {len(cells)} columns")
            if header is not None:
                self._check_not_again(number, cells, header)
            row = self._row(number, cells)
            if header is not None and width is None and len(cells) != len(header):
                raise self._wrong(number, f"{len(header)} columns, as the header names them", f"{len(cells)}")
            width = width or len(row.values)
            if len(row.values) != width:
                raise self._wrong(number, f"{width} values, as in the first row", f"{len(row.values)}")
            yield row
        if width is None:
            rows = f"a header and rows of {self}" if has_header else f"rows of {self}"
            raise self._wrong(None, rows, "no such row")

    def check_unique(self, rows: Sequence[_Row], names: Sequence[str]) -> None:
        first: dict[str, int] = {}
        for row, name in zip(rows, names, strict=True):
            if first.setdefault(name, row.number) != row.number:
                raise self._wrong(row.number, "each path once", f"{name!r} again, from row {first[name]}")

    def check_no_index(self, rows: Sequence[_Row]) -> None:
        """Refuse a table with an index: the texts are row numbers, and only the first values are whole numbers."""
        if len(rows) < 2 or any(row.texts[0] not in _index_texts(at) for at, row in enumerate(rows)):  # noqa: PLR2004
            return
        first, others = np.array([row.values[0] for row in rows]), np.concatenate([row.values[1:] for row in rows])
        if np.array_equal(first, np.rint(first)) and not np.array_equal(others, np.rint(others)):
            found = "numbers of rows before them; a table is saved without its index (pandas: index=False)"
            raise self._wrong(rows[0].number, f"{self}", found)

    def __str__(self) -> str:
        return ", ".join([*self.before, "values", *self.after])

    def _cells(self) -> Iterator[tuple[int, list[str]]]:
        number = 0
        try:
            # utf-8-sig: spreadsheets begin a UTF-8 file with a byte order mark.
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                for cells in csv.reader(file, strict=True):
                    number += 1
                    if cells:
                        yield number, cells
        except UnicodeDecodeError as error:
            raise self._wrong(number + 1, "text in UTF-8", f"byte 0x{error.object[error.start]:02x}") from error
        except csv.Error as error:
            raise self._wrong(number + 1, f"comma separated {self}", f"something else ({error})") from error
        except OSError as error:
            raise self._wrong(None, "a file that can be read", (error.strerror or str(error)).lower()) from error

    def _check_header(self, number: int, cells: list[str]) -> None:
        self._parts(number, cells)
        fault = fault_of(cells, self.before, self.after)
        if fault:
            raise self._wrong(number, *fault)

    def _check_not_again(self, number: int, cells: list[str], header: list[str]) -> None:
        if cells == header or (is_numbers_of_columns(cells) and is_numbers_of_columns(header)):
            raise self._wrong(number, f"{self}", "a header again; was this table read without its header?")

    def _row(self, number: int, cells: list[str]) -> _Row:
        texts, numbers = self._parts(number, cells)
        if not all(texts):
            raise self._wrong(number, " and ".join([*self.before, *self.after]), "an empty one")
        try:
            values = np.array([float(cell) for cell in numbers])
        except ValueError:
            raise self._wrong_value(number, numbers) from None
        if not np.isfinite(values).all():
            raise self._wrong_value(number, numbers)
        if not values.any():
            raise self._wrong(number, "a vector with a direction", "zeros only")
        names = [*self.before, *self.after]
        plain = (unescaped_path(text) if name == "path" else text for name, text in zip(names, texts, strict=True))
        return _Row(number, tuple(plain), values)

    def _parts(self, number: int, cells: list[str]) -> tuple[list[str], list[str]]:
        fewest = len(self.before) + 1 + len(self.after)
        if len(cells) < fewest:
            others = [name for name, letter in _OTHER_SEPARATORS.items() if letter in "".join(cells)]
            found = f"{len(cells)}, with {others[0]}; they are separated by commas" if others else f"{len(cells)}"
            raise self._wrong(number, f"{self}: at least {fewest} columns", found)
        start, stop = len(self.before), len(cells) - len(self.after)
        return cells[:start] + cells[stop:], cells[start:stop]

    def _wrong_value(self, number: int, cells: Sequence[str]) -> InvalidInput:
        column, cell = next((index, cell) for index, cell in enumerate(cells) if not _is_number(cell))
        return self._wrong(number, f"a number in column {len(self.before) + column + 1}", repr(cell[:40]))

    def _wrong(self, number: int | None, expected: str, found: str) -> InvalidInput:
        where = f"{self.path}, row {number}" if number else f"{self.path}"
        return InvalidInput(f"{where}: expected {expected}; found {found}")


def _index_texts(row: int) -> tuple[str, str]:
    return str(row), f"{row}.0"


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _plain_label(label: str) -> str:
    whole = _WHOLE_NUMBER.fullmatch(label)
    return whole[1] if whole else label


def _stacked(rows: Sequence[_Row]) -> NDArray[np.float64]:
    return np.stack([row.values for row in rows])
