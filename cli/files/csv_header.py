"""Check the header of a file of embeddings.

These headers are valid:

    0,1,2, ... ,129               numbers of the columns, from 0 or 1; facestream itself writes this
    path,label,0,1, ... ,127      names of the columns of text; the values are numbered from 0, 1 or their column
    path,label,v0,v1, ... ,v127   the same, with a word before each number
    1,2, ... ,128,path            the same for a file with the path last

Any other header is refused, because the columns may not be the expected ones: a table that was saved with its index has
one column more, and all values would be read from the wrong columns.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

_NUMBERED = re.compile(r"(.*?)(\d{1,9})")
_UNNAMED = re.compile(r"\s*|Unnamed: \d+|index|level_\d+", re.IGNORECASE)


def fault_of(header: Sequence[str], before: Sequence[str], after: Sequence[str]) -> tuple[str, str] | None:
    """Return what was expected of a header and what was found, or None if the header is valid.

    `before` and `after`: names of the columns of text before and after the values.
    """
    return next(_faults(header, before, after), None)


def _faults(header: Sequence[str], before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[str, str]]:
    start, stop = len(before), len(header) - len(after)
    texts, values = [*header[:start], *header[stop:]], header[start:stop]
    if any(_is_decimal(cell) for cell in header):
        yield "a header", "values; is this a file of medoids?"
    for column, cell in enumerate(header, 1):
        if _UNNAMED.fullmatch(cell):
            what = f"a column {cell.strip()!r}" if cell.strip() else "a column without a name"
            yield (
                f"a header of {', '.join([*before, 'values', *after])}",
                f"{what} in position {column}; a table is saved without its index (pandas: index=False)",
            )
    repeated = [cell for cell, times in Counter(header).items() if times > 1]
    if repeated:
        yield "a header that has each name once", f"{repeated[0][:40]!r} again"
    if len({cell.isdecimal() for cell in texts}) > 1:
        yield "either names or numbers for the columns of text", ", ".join(repr(cell[:40]) for cell in texts)
    # If the columns of text are numbered, the numbers of the values continue theirs.
    numbered = header if texts[0].isdecimal() else values
    first_numbers = {0, 1} if numbered is header else {0, 1, start}
    if numbered is values:
        yield from _misplaced(header, (*before, *after), (*range(start), *range(stop, len(header))))
    yield from _faults_of_series(numbered, first_numbers, 0 if numbered is header else start)


def _misplaced(header: Sequence[str], names: Sequence[str], positions: Sequence[int]) -> Iterator[tuple[str, str]]:
    for column, cell in enumerate(header):
        name = cell.strip().lower()
        if name in names and column != positions[names.index(name)]:
            yield f"the column {name!r} in position {positions[names.index(name)] + 1}", f"it in position {column + 1}"


def _faults_of_series(cells: Sequence[str], first_numbers: set[int], offset: int) -> Iterator[tuple[str, str]]:
    """Yield what is wrong if the cells are not one word with consecutive numbers. `offset`: columns before them."""
    found = [_NUMBERED.fullmatch(cell.strip()) for cell in cells]
    for column, match in enumerate(found, offset + 1):
        if not match:
            yield f"a number for the values in column {column}, such as 0 or v0", repr(cells[column - offset - 1][:40])
            return
    parts = [(match[1], int(match[2])) for match in found if match]
    if parts[0][1] not in first_numbers:
        yield f"columns numbered from {' or '.join(map(str, sorted(first_numbers)))} on", repr(cells[0][:40])
    for column, ((word, number), following) in enumerate(pairwise(parts), offset + 2):
        if following != (word, number + 1):
            yield (
                f"{f'{word}{number + 1}'[:40]!r} as the name of column {column}, after {cells[column - offset - 2]!r}",
                repr(cells[column - offset - 1][:40]),
            )


def is_numbers_of_columns(cells: Sequence[str]) -> bool:
    """Return whether a row is 0, 1, 2, ... or 1, 2, 3, ...: the header of a table instead of values."""
    return len(cells) > 2 and any(list(cells) == [*map(str, range(first, first + len(cells)))] for first in (0, 1))  # noqa: PLR2004  two cells are too few to decide


def _is_decimal(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return not cell.strip().isdecimal()
