r"""Writing CSV files of embeddings, medoids and labels: those of a result, and those of the classic commands.

    embeddings    header; path, label, values         a result, and `facestream export-embeddings`
    medoids       no header; label, values            a result, and `facestream get-medoids`
    labels        no header; path, label              `facestream validate`

The files are in UTF-8, with commas between the cells and `\n` at the end of each row. The header of embeddings is the
numbers of its columns: 0, 1, 2 and so on. Numbers are written with the fewest digits that are read back as the same
number.

A spreadsheet takes a path for a formula if it begins with `=`, `+`, `-`, `@`, a tab or a carriage return. Such a path
is written with `./` before it, which names the same file. Labels are written as they are, because they are compared
with each other and with names in other files.
"""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

_FORMULA = re.compile(r"(?:\./)*[=+\-@\t\r]")  # also after `./`, so that the `./` that is added can be removed again


class TextFile(Protocol):
    """A file that is open for writing text, without translation of line ends."""

    def write(self, text: str, /) -> object:
        """Write text."""
        ...


def write_header(file: TextFile, width: int) -> None:
    """Write the header of a file of embeddings with `width` values in each row."""
    _write(file, [range(width + 2)])


def write_embeddings(file: TextFile, rows: Iterable[tuple[str, str, NDArray[np.floating]]]) -> None:
    """Write rows of path, label and vector."""
    _write(file, ([escaped_path(path), label, *map(str, vector)] for path, label, vector in rows))


def write_medoids(file: TextFile, rows: Iterable[tuple[str, NDArray[np.floating]]]) -> None:
    """Write rows of label and vector."""
    _write(file, ([label, *map(str, vector)] for label, vector in rows))


def write_labels(file: TextFile, rows: Iterable[tuple[str, str]]) -> None:
    """Write rows of path and label."""
    _write(file, ([escaped_path(path), label] for path, label in rows))


def escaped_path(path: str) -> str:
    """Return a path as it is written: with `./` before it if a spreadsheet would take it for a formula."""
    return f"./{path}" if _FORMULA.match(path) else path


def unescaped_path(cell: str) -> str:
    """Return the path that `escaped_path` was given."""
    return cell.removeprefix("./") if _FORMULA.match(cell) else cell


@dataclass(frozen=True, slots=True)
class _Lines:
    r"""Ends rows with `\n`. With that line terminator, Python's writer would leave a `\r` inside a name unquoted."""

    file: TextFile

    def write(self, row: str) -> object:
        return self.file.write(row.removesuffix("\r\n") + "\n")


def _write(file: TextFile, rows: Iterable[Iterable[object]]) -> None:
    csv.writer(_Lines(file), lineterminator="\r\n").writerows(rows)
