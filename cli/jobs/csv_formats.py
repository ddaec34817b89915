"""The CSV files of the classic commands.

    embeddings    header; path, label, values         written by `export-embeddings`
    path last     header; values, path                read by `chinese-whispers`
    medoids       no header; label, values            written by `get-medoids`
    labels        no header; path, label              written by `validate`

UTF-8, commas. The number of values is that of the first row, whatever the model. Numbers are written with the fewest
digits that give the same number back. A file of another shape is refused with its name, the row (counted from 1, the
header included), what was expected and what came.
"""

import csv
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInput

_WHOLE_NUMBER = re.compile(r"(-?\d+)\.0*")


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """Named vectors: `vectors` has shape (n, d), float64, finite, none of length zero; row i belongs to `paths[i]`.

    `labels` is empty where the file has none.
    """

    paths: tuple[str, ...]
    labels: tuple[str, ...]
    vectors: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Medoids:
    """Vectors that stand for labels: shape (n, d), float64, finite, none of length zero. A label may have several."""

    labels: tuple[str, ...]
    vectors: NDArray[np.float64]


def read_embeddings(path: Path) -> Embeddings:
    """Read a file of embeddings; raises `InvalidInput` where it is not one."""
    shape = _Shape(path, ("path", "label"), ())
    rows = list(shape.rows(has_header=True))
    names = tuple(row.texts[0] for row in rows)
    shape.check_unique(rows, names)
    return Embeddings(names, tuple(row.texts[1] for row in rows), _stacked(rows))


def read_path_last(path: Path, limit: int | None = None) -> Embeddings:
    """Read at most `limit` embeddings, the path last; raises `InvalidInput` where the file has another shape."""
    shape = _Shape(path, (), ("path",))
    rows = list(islice(shape.rows(has_header=True), limit))
    names = tuple(row.texts[0] for row in rows)
    shape.check_unique(rows, names)
    return Embeddings(names, (), _stacked(rows))


def read_medoids(path: Path) -> Medoids:
    """Read a file of medoids; raises `InvalidInput` where it is not one. A label like `12.0` is read as `12`."""
    rows = list(_Shape(path, ("label",), ()).rows(has_header=False))
    return Medoids(tuple(_plain_label(row.texts[0]) for row in rows), _stacked(rows))


def write_header(file: TextIO, width: int) -> None:
    """Write the header of a file of embeddings with `width` values: the numbers of its columns."""
    _write(file, [range(width + 2)])


def write_embeddings(file: TextIO, rows: Iterable[tuple[str, str, NDArray[np.floating]]]) -> None:
    """Write rows of path, label and vector."""
    _write(file, ([path, label, *_numbers(vector)] for path, label, vector in rows))


def write_medoids(file: TextIO, rows: Iterable[tuple[str, NDArray[np.floating]]]) -> None:
    """Write rows of label and vector."""
    _write(file, ([label, *_numbers(vector)] for label, vector in rows))


def write_labels(file: TextIO, rows: Iterable[tuple[str, str]]) -> None:
    """Write rows of path and label."""
    _write(file, rows)


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    number: int
    texts: tuple[str, ...]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a file is expected to hold: columns of text, then values, then columns of text."""

    path: Path
    before: tuple[str, ...]
    after: tuple[str, ...]

    def rows(self, *, has_header: bool) -> Iterator[_Row]:
        width: int | None = None
        for number, cells in self._cells():
            if has_header and number == 1:
                self._check_header(cells)
                continue
            row = self._row(number, cells)
            width = width or len(row.values)
            if len(row.values) != width:
                raise self._wrong(number, f"{width} values, as in the first row", f"{len(row.values)}")
            yield row
        if width is None:
            header = "a header and " if has_header else ""
            raise self._wrong(None, f"{header}rows of {self}", "no such row")

    def check_unique(self, rows: Sequence[_Row], names: Sequence[str]) -> None:
        first: dict[str, int] = {}
        for row, name in zip(rows, names, strict=True):
            if first.setdefault(name, row.number) != row.number:
                raise self._wrong(row.number, "each path once", f"{name!r} again, from row {first[name]}")

    def __str__(self) -> str:
        return ", ".join([*self.before, "values", *self.after])

    def _cells(self) -> Iterator[tuple[int, list[str]]]:
        number = 0
        try:
            # utf-8-sig: spreadsheets begin a UTF-8 file with a mark.
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

    def _check_header(self, cells: list[str]) -> None:
        try:
            values = [float(cell) for cell in self._parts(1, cells)[1]]
        except ValueError:
            return  # words
        if not all(value.is_integer() for value in values):
            raise self._wrong(1, "a header", "values; is this a file of medoids?")

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
        return _Row(number, tuple(texts), values)

    def _parts(self, number: int, cells: list[str]) -> tuple[list[str], list[str]]:
        fewest = len(self.before) + 1 + len(self.after)
        if len(cells) < fewest:
            raise self._wrong(number, f"{self}: at least {fewest} columns", f"{len(cells)}")
        start, stop = len(self.before), len(cells) - len(self.after)
        return cells[:start] + cells[stop:], cells[start:stop]

    def _wrong_value(self, number: int, cells: Sequence[str]) -> InvalidInput:
        column, cell = next((place, cell) for place, cell in enumerate(cells) if not _is_number(cell))
        return self._wrong(number, f"a number in column {len(self.before) + column + 1}", repr(cell[:40]))

    def _wrong(self, number: int | None, expected: str, found: str) -> InvalidInput:
        where = f"{self.path}, row {number}" if number else f"{self.path}"
        return InvalidInput(f"{where}: expected {expected}; found {found}")


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


def _numbers(vector: NDArray[np.floating]) -> list[str]:
    return [str(value) for value in vector]


@dataclass(frozen=True, slots=True)
class _Lines:
    r"""Ends rows with `\n`. Told to do that itself, Python's writer would leave a `\r` inside a name unquoted."""

    file: TextIO

    def write(self, row: str) -> object:
        return self.file.write(row.removesuffix("\r\n") + "\n")


def _write(file: TextIO, rows: Iterable[Iterable[object]]) -> None:
    csv.writer(_Lines(file), lineterminator="\r\n").writerows(rows)
